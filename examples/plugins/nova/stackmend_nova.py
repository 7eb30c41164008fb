"""stackmend inside of nova-compute.

nova's cleaner of base images asks stackmend before it deletes one, and the
console of an instance is read by stackmend, whose cost does not depend on how
long the log is. Nova has no place for such a plugin; nova-compute is started
through this module, which puts itself in between and then runs nova-compute:

    ExecStart=/usr/bin/python3 /usr/lib/stackmend/stackmend_nova.py --config-file /etc/nova/nova.conf

    [stackmend]
    command = /usr/bin/stackmend-nova -os-cloud admin
    timeout = 120

Whatever goes wrong (no command, no answer in time, an answer that is no
answer) the image is kept, and the console is read by nova itself. What
stackmend permits, nova still looks at as it always did: its age, under its
lock. Made for nova 26.2 (nova/virt/libvirt/imagecache.py, driver.py).
"""
import base64
import json
import os
import shlex
import signal
import subprocess
import sys

from oslo_config import cfg
from oslo_log import log as logging

SCHEMA = 1
LOG = logging.getLogger(__name__)
CONF = cfg.CONF
CONF.register_opts([
    cfg.StrOpt("command", help="the program that is asked, with its flags"),
    cfg.IntOpt("timeout", default=120, min=1,
               help="how many seconds the program may take to say which "
                    "images are unused"),
    cfg.IntOpt("tail_timeout", default=10, min=1,
               help="how many seconds the program may take to read a console"),
], group="stackmend")


class NoAnswer(Exception):
    """Why there is none."""


def ask(question, seconds):
    """The answer to a question, or NoAnswer after so many seconds."""
    if not CONF.stackmend.command:
        raise NoAnswer("[stackmend] command is not set")
    question = json.dumps(dict(question, schema=SCHEMA)).encode()
    try:
        child = subprocess.Popen(
            shlex.split(CONF.stackmend.command), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True)
    except (OSError, ValueError) as e:
        raise NoAnswer(e)
    try:
        out, _ = child.communicate(question, timeout=seconds)
    except Exception as e:  # that of a timeout is another class with eventlet
        raise NoAnswer("no answer within %d s: %s" % (seconds, e))
    finally:
        if child.returncode is None:
            end(child)
    return understand(out, child.returncode)


def end(child):
    """Kills a child and what it started. It is not waited for: one that hangs
    in a dead filesystem would take nova-compute with it."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        child.kill()
    for pipe in (child.stdin, child.stdout):
        pipe.close()


def understand(out, status):
    try:
        answer = json.loads(out)
    except ValueError:
        raise NoAnswer("exit status %s and no JSON" % status)
    if not isinstance(answer, dict) or answer.get("schema") != SCHEMA:
        raise NoAnswer("an answer of another schema than %d" % SCHEMA)
    if status != 0 or "error" in answer:
        raise NoAnswer(answer.get("error", "exit status %s" % status))
    return answer


def unused(instances, subdirectory):
    """The names of base images that nobody needs, perhaps none."""
    answer = ask({"ask": "unused", "instances": instances,
                  "subdirectory": subdirectory}, CONF.stackmend.timeout)
    names = answer.get("unused", [])
    if not (isinstance(names, list)
            and all(isinstance(n, str) for n in names)):
        raise NoAnswer("names that are no list of names")
    plan = (answer.get("result") or {}).get("plan") or {}
    for refusal in plan.get("refusals") or []:
        LOG.warning("stackmend keeps all base images: %s", refusal)
    return set(names)


def tail(path, count):
    """The last bytes of a console's log, rotated ones included."""
    answer = ask({"ask": "tail", "path": path, "bytes": count},
                 CONF.stackmend.tail_timeout)
    try:
        return base64.b64decode(answer.get("tail", ""), validate=True)
    except (TypeError, ValueError):
        raise NoAnswer("a tail that is no base64")


def guard(manager):
    """Puts the question before the cleaner of a class ImageCacheManager. It is
    asked once in a pass."""
    reset, remove = manager._reset_state, manager._remove_old_enough_file

    def _reset_state(self):
        self._stackmend_unused = None
        reset(self)

    def _remove_old_enough_file(self, base_file, *args, **kwargs):
        if getattr(self, "_stackmend_unused", None) is None:
            self._stackmend_unused = self._ask_stackmend(
                os.path.dirname(base_file))
        if os.path.basename(base_file) not in self._stackmend_unused:
            LOG.info("stackmend keeps %s", base_file)
            return
        remove(self, base_file, *args, **kwargs)

    def _ask_stackmend(self, base_dir):
        try:
            return unused(*os.path.split(base_dir))
        except Exception as e:  # whatever it is, nothing is deleted
            LOG.warning("stackmend keeps all base images: %s", e)
            return set()

    manager._reset_state = _reset_state
    manager._remove_old_enough_file = _remove_old_enough_file
    manager._ask_stackmend = _ask_stackmend


def read_consoles(driver, count):
    """Lets stackmend read the consoles of a class LibvirtDriver."""
    read = driver._get_console_output_file

    def _get_console_output_file(self, instance, console_log):
        try:
            return tail(console_log, count)
        except Exception as e:
            LOG.warning("nova reads %s itself: %s", console_log, e)
            return read(self, instance, console_log)

    driver._get_console_output_file = _get_console_output_file


def install():
    from nova.virt.libvirt import driver, imagecache

    guard(imagecache.ImageCacheManager)
    read_consoles(driver.LibvirtDriver, driver.MAX_CONSOLE_BYTES)


def main():
    from nova.cmd import compute  # first: it prepares eventlet

    install()
    sys.exit(compute.main())


if __name__ == "__main__":
    main()
