"""Passes of nova's real image cache manager over trees.

Each line of stdin is {"dir": instances directory, "host": which compute runs
the pass, "instances": rows of the cell's database [{"uuid", "host", "image",
"state", "ephemerals": [GiB, ...]}, ...]}. What nova logs goes to stdout, and
after each pass a line PASS and the exit status. Importing nova takes seconds,
so that it is done once, and each pass runs in a child.

argv: a plugin, whose install() is called first, and a nova.conf; or nothing.
"""
import eventlet
eventlet.monkey_patch(os=False)  # as nova-compute does

import importlib
import json
import logging
import os
import sys

import nova.conf
import nova.config

CONF = nova.conf.CONF
nova.config.parse_args(["nova-compute"], default_config_files=sys.argv[2:],
                       configure_db=False, init_rpc=False)
CONF.set_override("connection", "sqlite://", "database")
logging.basicConfig(force=True, stream=sys.stdout, level=logging.WARNING,
                    format="%(asctime)s %(levelname)s %(name)s %(message)s")
for name in ("nova", "stackmend_nova"):
    logging.getLogger(name).setLevel(logging.INFO)
for name in ("sqlalchemy", "oslo_db", "alembic", "stevedore"):
    logging.getLogger(name).setLevel(logging.ERROR)

import nova.privsep

nova.privsep.sys_admin_pctxt.set_client_mode(False)

from nova import context, objects
from nova.compute import manager
from nova.db.main import api, models
from nova.virt.libvirt import imagecache

objects.register_all()
if sys.argv[1:]:
    sys.path.insert(0, os.path.dirname(sys.argv[1]))
    importlib.import_module(
        os.path.basename(sys.argv[1]).removesuffix(".py")).install()
ctx = context.get_admin_context()


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

    def __init__(self):
        self.cache = imagecache.ImageCacheManager()

    def manage_image_cache(self, ctx, instances):
        self.cache.update(ctx, instances)


class Compute:
    def __init__(self):
        self.driver = Driver()


def cache_pass(world):
    CONF.set_override("instances_path", world["dir"])
    CONF.set_override("host", world["host"])
    api.configure(CONF)
    models.BASE.metadata.create_all(api.get_engine())
    for i in world["instances"]:
        row(i)
    run = manager.ComputeManager._run_image_cache_manager_pass
    getattr(run, "__wrapped__", run)(Compute(), ctx)


for line in iter(sys.stdin.readline, ""):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            cache_pass(json.loads(line))
            status = 0
        except Exception:
            logging.exception("the pass failed")
        sys.stdout.flush()
        os._exit(status)
    print("PASS", os.waitpid(pid, 0)[1], flush=True)
