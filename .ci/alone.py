"""Run a command once no other process holds the lock on a file.

``python .ci/alone.py FILE COMMAND...``: make installs through it, since pip and setuptools write to
the environment and to the clone, and two installations at the same time spoil each other.
"""

import fcntl
import os
import sys


def main(path, *command):
    # locks over NFS need a file that is open for writing
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another make to finish its installation ({path})", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        print(f"going on without a lock on {path}: {error}", flush=True)
    # the command keeps the lock until it ends
    os.set_inheritable(descriptor, True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
