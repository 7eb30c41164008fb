"""nova's fake driver that also keeps on disk what libvirt's keeps:
_base/<sha1 of the image id>, <uuid>/disk on it, and <uuid>/console.log."""
import hashlib
import os
import shutil
import subprocess

import nova.conf
from nova.image import glance
from nova.virt import fake

CONF = nova.conf.CONF


class LabDriver(fake.FakeDriver):

    def _dir(self, instance):
        return os.path.join(CONF.instances_path, instance.uuid)

    def spawn(self, context, instance, image_meta, *args, **kwargs):
        super().spawn(context, instance, image_meta, *args, **kwargs)
        folder = self._dir(instance)
        os.makedirs(folder, exist_ok=True)
        if instance.image_ref:
            self._disk(context, instance.image_ref, folder)
        with open(os.path.join(folder, "console.log"), "w") as f:
            f.write("[    0.000000] Linux version 6.1.0\nboot of %s\nlogin: "
                    % instance.display_name)

    def _disk(self, context, image, folder):
        bases = os.path.join(CONF.instances_path, "_base")
        os.makedirs(bases, exist_ok=True)
        base = os.path.join(bases, hashlib.sha1(image.encode()).hexdigest())
        part = "%s.%s.part" % (base, CONF.host)  # the storage is shared
        if not os.path.exists(base):
            glance.API().download(context, image, dest_path=part)
            os.rename(part, base)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
                        "-b", base, os.path.join(folder, "disk")], check=True)

    def get_console_output(self, context, instance):
        path = os.path.join(self._dir(instance), "console.log")
        with open(path, errors="replace") as f:
            return f.read()

    def destroy(self, context, instance, *args, **kwargs):
        super().destroy(context, instance, *args, **kwargs)
        shutil.rmtree(self._dir(instance), ignore_errors=True)
