-- @DB@ is filled with @N@ instances; RAND(seed) makes every run the same.
USE @DB@;
SET @cell=(SELECT id FROM @API@.cell_mappings WHERE name='@CELL@');
SET SESSION foreign_key_checks=0, unique_checks=0;
SET @base='2026-11-22 00:00:00';
CREATE OR REPLACE TABLE zz_seed (id INT PRIMARY KEY, uuid VARCHAR(36) CHARACTER SET utf8mb3 NOT NULL, d INT, dat DATETIME, cat DATETIME, UNIQUE KEY(uuid)) ENGINE=InnoDB;
INSERT INTO zz_seed
SELECT seq, CONCAT(SUBSTR(h,1,8),'-',SUBSTR(h,9,4),'-4',SUBSTR(h,14,3),'-a',SUBSTR(h,18,3),'-',SUBSTR(h,21,12)),
 IF(seq % @STEP@ = 0,0,seq),
 IF(seq % @STEP@ = 0,NULL, CAST(@base AS DATETIME) - INTERVAL FLOOR(RAND(seq*7+1)*1095*86400) SECOND),
 CAST(@base AS DATETIME) - INTERVAL FLOOR(1100*86400 + RAND(seq*3+2)*100*86400) SECOND
FROM (SELECT seq, MD5(CONCAT('@DB@-',seq)) h FROM seq_1_to_@N@) q;
INSERT INTO instances (id,created_at,updated_at,deleted_at,deleted,uuid,user_id,project_id,image_ref,power_state,vm_state,memory_mb,vcpus,hostname,host,node,user_data,reservation_id,launched_at,terminated_at,display_name,display_description,availability_zone,locked,instance_type_id,root_device_name,task_state,progress,root_gb,ephemeral_gb,cleaned,hidden,disable_terminate,shutdown_terminate,launch_index,launched_on)
SELECT id,cat,ifnull(dat,@base),dat,d,uuid,MD5(id%200),MD5(id%50),uuid,IF(d,4,1),IF(d,IF(id%17=0,'error','deleted'),IF(id%250=0,'error','active')),4096,2,CONCAT('vm-',id),CONCAT('cmp',id%100),CONCAT('cmp',id%100),IF(id%3=0,REPEAT('dXNlcmRhdGE=',40),NULL),CONCAT('r-',LEFT(uuid,8)),cat,dat,CONCAT('vm-',id),CONCAT('vm-',id),'nova',0,id%20+1,'/dev/vda',NULL,0,20,0,IF(d,1,0),0,0,0,0,CONCAT('cmp',id%100) FROM zz_seed;
INSERT INTO instance_system_metadata (created_at,deleted_at,deleted,instance_uuid,`key`,value)
SELECT cat,dat,IF(d,1,0),uuid,ELT(k.seq,'image_base_image_ref','image_min_disk','image_container_format','owner_project_name','image_disk_format','boot_roles','image_min_ram','owner_user_name','clean_attempts','image_x'),CONCAT('v',id) FROM zz_seed, seq_1_to_@K@ k ORDER BY id;
UPDATE instance_system_metadata SET deleted=id WHERE deleted<>0;
INSERT INTO instance_info_caches (id,created_at,updated_at,deleted_at,deleted,instance_uuid,network_info) SELECT id,cat,dat,dat,d,uuid,CONCAT('[{"id":"',uuid,'","address":"fa:16:3e","network":',CONCAT('"',REPEAT('n',900),'"'),'}]') FROM zz_seed;
INSERT INTO instance_extra (id,created_at,updated_at,deleted_at,deleted,instance_uuid,flavor,vcpu_model,pci_requests) SELECT id,cat,dat,dat,d,uuid,CONCAT('{"new":null,"old":null,"cur":{"x":"',REPEAT('f',700),'"}}'),CONCAT('{"',REPEAT('c',300),'":1}'),'[]' FROM zz_seed;
INSERT INTO block_device_mapping (created_at,updated_at,deleted_at,deleted,instance_uuid,uuid,device_name,source_type,destination_type,boot_index,connection_info,volume_id) SELECT cat,dat,dat,IF(d,1,0),uuid,CONCAT(LEFT(uuid,35),k.seq),IF(k.seq=1,'/dev/vda','/dev/vdb'),'image','local',k.seq-1,IF(k.seq=2,REPEAT('c',400),NULL),IF(k.seq=2,uuid,NULL) FROM zz_seed JOIN seq_1_to_2 k ON k.seq=1 OR id%4=0;
UPDATE block_device_mapping SET deleted=id WHERE deleted<>0;
INSERT INTO instance_actions (created_at,updated_at,instance_uuid,action,request_id,user_id,project_id,start_time,finish_time,deleted) SELECT cat,cat,uuid,ELT(k.seq,'create','stop','delete'),CONCAT('req-',uuid),MD5(id%200),MD5(id%50),cat,cat,0 FROM zz_seed JOIN seq_1_to_3 k ON k.seq<3 OR d<>0 ORDER BY id,k.seq;
INSERT INTO instance_actions_events (created_at,updated_at,event,action_id,start_time,finish_time,result,deleted,host,details) SELECT created_at,created_at,CONCAT('compute__do_',action),id,start_time,finish_time,'Success',0,'cmp1',NULL FROM instance_actions;
INSERT INTO instance_faults (created_at,deleted_at,deleted,instance_uuid,code,message,details,host) SELECT cat,dat,d,uuid,500,'NoValidHost',REPEAT('Traceback ',150),'cmp1' FROM zz_seed WHERE id%17=0;
UPDATE instance_faults SET deleted=id WHERE deleted<>0;
INSERT INTO migrations (created_at,updated_at,deleted_at,deleted,source_compute,dest_compute,status,instance_uuid,migration_type,uuid,hidden,cross_cell_move) SELECT cat,cat,dat,d,'cmp1','cmp2','completed',uuid,'live-migration',uuid,0,0 FROM zz_seed WHERE id%20 IN (0,1);
UPDATE migrations SET deleted=id WHERE deleted<>0;
INSERT INTO virtual_interfaces (created_at,deleted_at,deleted,address,uuid,instance_uuid) SELECT cat,dat,d,CONCAT('fa:16:',id),uuid,uuid FROM zz_seed;
UPDATE virtual_interfaces SET deleted=id WHERE deleted<>0;
INSERT INTO instance_metadata (created_at,deleted_at,deleted,`key`,value,instance_uuid) SELECT cat,dat,d,'role','web',uuid FROM zz_seed WHERE id%2=0;
UPDATE instance_metadata SET deleted=id WHERE deleted<>0;
INSERT INTO instance_id_mappings (id,created_at,deleted_at,deleted,uuid) SELECT id,cat,dat,d,uuid FROM zz_seed;
INSERT INTO tags (resource_id,tag) SELECT uuid,'prod' FROM zz_seed WHERE d=0 AND id%10=0;
INSERT INTO services (created_at,updated_at,host,`binary`,topic,report_count,disabled,deleted,last_seen_up,forced_down,version,uuid) SELECT @base-INTERVAL 1200 DAY,@base,CONCAT('cmp',seq),'nova-compute','compute',1000,0,0,@base,0,66,CONCAT('@DB@-cmp',seq) FROM seq_0_to_99;
-- anomalies
-- A: 200 soft-deleted instances with deleted_at NULL (old bug / manual UPDATE); never match --before
UPDATE instances SET deleted_at=NULL WHERE deleted<>0 AND id%150=1;
-- B: detached volume BDMs of LIVE instances: deleted=id, deleted_at old
INSERT INTO block_device_mapping (created_at,deleted_at,deleted,instance_uuid,uuid,device_name) SELECT cat,cat+INTERVAL 5 DAY,1,uuid,CONCAT(LEFT(uuid,35),'9'),'/dev/vdc' FROM zz_seed WHERE d=0 AND id%5=0;
UPDATE block_device_mapping SET deleted=id WHERE deleted=1;
-- C: live children (deleted=0) left under old deleted instances
UPDATE block_device_mapping b JOIN zz_seed z ON z.uuid=b.instance_uuid SET b.deleted=0,b.deleted_at=NULL WHERE z.d<>0 AND z.id%100=3;
-- end of anomalies
INSERT INTO task_log (created_at,updated_at,task_name,state,host,period_beginning,period_ending,message,deleted) SELECT @base-INTERVAL seq HOUR,@base-INTERVAL seq HOUR,'instance_usage_audit','DONE',CONCAT('cmp',seq%100),@base-INTERVAL seq HOUR,@base-INTERVAL (seq-1) HOUR,'ok',0 FROM seq_1_to_@TASKS@;
INSERT INTO @API@.instance_mappings (created_at,instance_uuid,cell_id,project_id,queued_for_delete,user_id) SELECT cat,uuid,@cell,MD5(id%50),IF(d,1,0),MD5(id%200) FROM zz_seed;
INSERT INTO @API@.request_specs (created_at,instance_uuid,spec) SELECT cat,uuid,CONCAT('{"nova_object.name":"RequestSpec","x":"',REPEAT('s',1500),'"}') FROM zz_seed;
INSERT IGNORE INTO @API@.instance_groups (id,uuid,user_id,project_id,name) VALUES (1,UUID(),'u','p','g');
INSERT INTO @API@.instance_group_member (created_at,instance_uuid,group_id) SELECT cat,uuid,1 FROM zz_seed WHERE id%30=0 OR id%30=7;
DROP TABLE zz_seed;
SET SESSION foreign_key_checks=1, unique_checks=1;
-- large
ANALYZE TABLE instances,instance_system_metadata,instance_info_caches,instance_extra,block_device_mapping,instance_actions,instance_actions_events,instance_faults,migrations,virtual_interfaces,instance_metadata,instance_id_mappings;
