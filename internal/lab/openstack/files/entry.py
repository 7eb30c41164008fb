"""Runs an entry point that Debian ships in the daemons' packages alone:
entry.py NAME MODULE:FUNCTION ARGUMENT..."""
import ctypes
import importlib
import os
import signal
import sys

# Workers die with who forked them; some watch for it, and some do not.
PR_SET_PDEATHSIG = 1
prctl = ctypes.CDLL(None).prctl
os.register_at_fork(
    after_in_child=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL))

module, function = sys.argv[2].split(":")
sys.argv = sys.argv[1:2] + sys.argv[3:]
sys.exit(getattr(importlib.import_module(module), function)())
