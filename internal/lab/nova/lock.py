"""nova's lock on a base image, by its own lockutils.

argv: the instances directory, the name of the base image, and hold or try.
"""
import os
import sys

from oslo_concurrency import lockutils

directory, name, what = sys.argv[1:]
lock = lockutils.lock_with_prefix("nova-")
try:
    with lock(name, external=True, lock_path=os.path.join(directory, "locks"),
              blocking=what == "hold"):
        print("held", flush=True)
        if what == "hold":
            sys.stdin.read()  # until the test lets go
except lockutils.AcquireLockFailedException:
    print("refused", flush=True)
