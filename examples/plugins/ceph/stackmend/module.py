"""ceph stackmend check, and ceph stackmend plan.

A module of ceph-mgr that runs stackmend's programs in the background and
answers from what they said last, so that a cluster which is slow to tell never
holds up the manager. It changes nothing: check is ceph-check, plan is the dry
run of ceph-trim-pglog over all OSDs.

Install: put this folder into a folder of mgr_module_path, and the programs
ceph-check and ceph-trim-pglog, or links to them, into bin/ of this folder. They
are not a setting of the cluster, for who may set those is not always who may
run programs on the manager's host. Then

    ceph mgr module enable stackmend
    ceph config set mgr mgr/stackmend/id watch     # client.watch of ceph.conf

What is answered: with -f json the Result of the program as it came, else a
line for each finding. A program that is missing, takes too long or says
nothing that can be understood is an error (ENOENT, ETIMEDOUT, EINVAL), and so
is an answer that has grown too old (ESTALE). Made for Ceph 16.2
(src/pybind/mgr/mgr_module.py).
"""
import errno
import json
import os
import signal
import subprocess
import threading
import time

from mgr_module import MgrModule, Option

SCHEMA = 1
HERE = os.path.dirname(os.path.realpath(__file__))
PROGRAMS = {
    "check": ["ceph-check", "-json"],
    "plan": ["ceph-trim-pglog", "-all", "-json"],
}
NAMES = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Unknown(Exception):
    """Why there is no answer, and as which errno."""

    def __init__(self, number, reason):
        super().__init__(reason)
        self.errno = number


class Module(MgrModule):
    MODULE_OPTIONS = [
        Option(name="id", type="str", default="admin",
               desc='the user that the programs are, without "client."'),
        Option(name="interval", type="secs", default=300,
               desc="seconds between two looks"),
        Option(name="timeout", type="secs", default=120,
               desc="seconds that a program may take"),
    ]
    COMMANDS = [
        {"cmd": "stackmend check", "perm": "r",
         "desc": "why does this cluster not recover? (the last answer)"},
        {"cmd": "stackmend plan", "perm": "r",
         "desc": "which PG logs would be trimmed? (the last dry run)"},
    ]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stop = threading.Event()
        self.wake = threading.Event()  # look now
        self.lock = threading.Lock()  # guards what stands below
        self.child = None
        self.answers = {}  # (when, result or Unknown) by command

    # Never an exception: it would be the cluster's HEALTH_ERR.
    def serve(self):
        while not self.stop.is_set():
            self.wake.clear()
            for command in PROGRAMS:
                try:
                    answer = self.look(command)
                except Unknown as e:
                    answer = e
                except Exception as e:
                    self.log.exception("stackmend %s", command)
                    answer = Unknown(errno.EIO, str(e))
                with self.lock:
                    self.answers[command] = (time.time(), answer)
            self.wake.wait(self.seconds("interval", 300))

    def config_notify(self):
        self.wake.set()

    def shutdown(self):
        with self.lock:
            self.stop.set()
            child = self.child
        self.wake.set()
        if child is not None:
            end(child)

    def seconds(self, option, otherwise):
        try:
            return max(1, int(self.get_module_option(option)))
        except (TypeError, ValueError):
            return otherwise

    def look(self, command):
        user = str(self.get_module_option("id"))
        if not user or set(user) - NAMES:
            raise Unknown(errno.EINVAL, "no name of a user: %r" % user)
        program, *flags = PROGRAMS[command]
        path = os.path.join(HERE, "bin", program)
        if not os.access(path, os.X_OK):
            raise Unknown(errno.ENOENT, "no program %s" % path)
        limit = self.seconds("timeout", 120)
        argv = [path] + flags + ["-id", user]
        conf = self.get_ceph_conf_path()
        if conf:
            argv += ["-conf", conf]
        return understand(*self.run(argv, limit), limit)

    def run(self, argv, limit):
        # A deadline of the child's own: a manager that enables or disables a
        # module becomes a new program, and forgets its children.
        argv = ["timeout", "--signal=KILL", str(limit)] + argv
        with self.lock:
            if self.stop.is_set():
                raise Unknown(errno.ESHUTDOWN, "the module ends")
            self.child = child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            out, _ = child.communicate(timeout=limit + 5)
            return out, child.returncode
        except subprocess.TimeoutExpired:
            raise Unknown(errno.ETIMEDOUT, "no answer within %d s" % limit)
        finally:
            with self.lock:
                self.child = None
            if child.returncode is None:
                end(child)

    def handle_command(self, inbuf, cmd):
        command = cmd["prefix"].split()[-1]
        with self.lock:
            when, answer = self.answers.get(command, (0, None))
        age = time.time() - when
        if answer is None:
            return -errno.EAGAIN, "", "stackmend is still looking"
        if isinstance(answer, Unknown):
            return -answer.errno, "", "%s (%d s ago)" % (answer, age)
        if age > self.oldest():
            return -errno.ESTALE, "", "the last answer is %d s old" % age
        if cmd.get("format") in ("json", "json-pretty"):
            indent = 4 if cmd["format"] == "json-pretty" else None
            return 0, json.dumps(answer, indent=indent), ""
        return 0, text(command, answer), "%d s ago" % age

    def oldest(self):
        looks = len(PROGRAMS) * self.seconds("timeout", 120)
        return 2 * (looks + self.seconds("interval", 300))


def understand(out, status, limit):
    """The Result that a program has printed."""
    if status in (124, 137, -signal.SIGKILL):
        raise Unknown(errno.ETIMEDOUT, "no answer within %d s" % limit)
    try:
        result = json.loads(out)
    except ValueError:
        raise Unknown(errno.EINVAL, "exit status %d and no JSON" % status)
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise Unknown(errno.EINVAL, "a result of another schema than %d" % SCHEMA)
    return result


def text(command, result):
    lines = ["%s: %s" % (result.get("subject", ""), result.get("status"))]
    for f in result.get("findings") or []:
        lines.append("%s %s: %s" % (f.get("status"), f.get("code"), f.get("message")))
        if f.get("fix"):
            lines.append("  " + f["fix"])
    plan = result.get("plan")
    if command == "plan" and plan:
        lines.append("plan %s" % plan.get("id"))
        for reason in plan.get("refusals") or []:
            lines.append("refused: " + reason)
        for step in plan.get("steps") or []:
            lines.append("would %s %s: %s" % (step.get("verb"), step.get("target"), step.get("reason")))
        for kept in plan.get("kept") or []:
            lines.append("kept %s: %s" % (kept.get("target"), kept.get("reason")))
    return "\n".join(lines) + "\n"


def end(child):
    """Kills a child and what it started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass
    child.wait()
