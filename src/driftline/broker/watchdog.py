"""Ends a broker whose parent is gone, however it went.

Run as ``python watchdog.py PID [FOLDER]`` with a pipe on standard input whose other end the parent
alone holds. When the parent dies, even by SIGKILL, the pipe closes: the broker is killed and its
temporary folder removed. A byte before that says that the parent has seen to it.

Linux's parent-death signal would be shorter but fires when the starting *thread* ends, and other
systems have none.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys


def main(pid: int, folder: str | None) -> None:
    """Wait for a byte or for the end of the pipe."""
    # The descriptor names this very process even after its number has been given to another.
    handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    if os.read(0, 1):
        return
    with contextlib.suppress(ProcessLookupError):
        if handle is None:
            os.kill(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
