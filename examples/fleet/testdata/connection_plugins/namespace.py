"""Hosts that are namespaces of this one: mounts, host name, network, processes."""
import os
import shlex
import shutil

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
    name: namespace
    short_description: enters the namespaces of a process
    description: Enters the namespaces of a process, for tests.
    options:
      pid:
        description: the process
        vars:
          - name: namespace_pid
    extends_documentation_fragment:
      - connection_pipelining
"""


class Connection(Local):
    transport = "namespace"

    def _pid(self):
        pid = str(self.get_option("pid"))
        if not os.path.exists("/proc/%s/root/proc" % pid):
            raise AnsibleConnectionFailure("no process %s" % pid)
        return pid

    def exec_command(self, cmd, in_data=None, sudoable=True):
        enter = "nsenter -t %s -m -u -n -p -- sh -c %s"
        return super().exec_command(enter % (self._pid(), shlex.quote(cmd)),
                                    in_data=in_data, sudoable=sudoable)

    def put_file(self, in_path, out_path):
        shutil.copyfile(in_path, self._inside(out_path))

    def fetch_file(self, in_path, out_path):
        shutil.copyfile(self._inside(in_path), out_path)

    def _inside(self, path):
        return "/proc/%s/root%s" % (self._pid(), path)
