"""One pass of nova's real image cache manager over a tree.

argv: the instances directory, and a file with {"host": ..., "instances":
[{"uuid", "host", "image", "state", "ephemerals": [GiB, ...]}, ...]}: which
compute runs the pass, and the rows of the cell's database. What nova logs goes
to stdout.
"""
import eventlet
eventlet.monkey_patch(os=False)  # as nova-compute does

import json
import logging
import os
import sys

import nova.conf
import nova.config

CONF = nova.conf.CONF
instances_path, world = sys.argv[1], json.load(open(sys.argv[2]))
nova.config.parse_args(["nova-compute"], default_config_files=[],
                       configure_db=False, init_rpc=False)
CONF.set_override("instances_path", instances_path)
CONF.set_override("connection", "sqlite://", "database")
CONF.set_override("host", world["host"])
logging.basicConfig(force=True, stream=sys.stdout, level=logging.WARNING,
                    format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("nova").setLevel(logging.INFO)
for name in ("sqlalchemy", "oslo_db", "alembic", "stevedore"):
    logging.getLogger(name).setLevel(logging.ERROR)

import nova.privsep

nova.privsep.sys_admin_pctxt.set_client_mode(False)

from nova import context, objects
from nova.compute import manager
from nova.db.main import api, models
from nova.virt.libvirt import imagecache

objects.register_all()
ctx = context.get_admin_context()
api.configure(CONF)
models.BASE.metadata.create_all(api.get_engine())


def row(i):
    o = objects.Instance(
        ctx, uuid=i["uuid"], host=i["host"], node=i["host"],
        image_ref=i["image"], kernel_id="", ramdisk_id="", project_id="p",
        user_id="u", display_name=i["uuid"], vm_state=i["state"],
        task_state=None, memory_mb=1, vcpus=1, root_gb=10, ephemeral_gb=0,
        os_type="linux")
    o.create()
    for n, size in enumerate(i.get("ephemerals") or []):
        objects.BlockDeviceMapping(
            ctx, instance_uuid=i["uuid"], source_type="blank",
            destination_type="local", device_type="disk", boot_index=-1,
            volume_size=size, delete_on_termination=True, guest_format=None,
            device_name="/dev/vd" + "bcdef"[n], no_device=False).create()


class Driver:
    capabilities = {"has_imagecache": True}
    cache = imagecache.ImageCacheManager()

    def manage_image_cache(self, ctx, instances):
        self.cache.update(ctx, instances)


class Compute:
    driver = Driver()


for i in world["instances"]:
    row(i)
run = manager.ComputeManager._run_image_cache_manager_pass
getattr(run, "__wrapped__", run)(Compute(), ctx)
print("PASS DONE", flush=True)
