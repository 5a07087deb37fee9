"""Several workers on one machine: one process each, and all of them or none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

__all__ = ["supervise"]

LOOK_S = 0.1
STOP_S = 90.0
"""Longer than a worker's own longest stop."""


def supervise(arguments: Sequence[Sequence[str]]) -> None:
    """Run ``driftline worker`` once for each list of arguments, until all have ended.

    A signal is passed on to all. When one fails the others are stopped, so that whoever runs this
    sees the failure.

    Raises
    ------
    DriftlineError
        When a worker ended with another exit code than 0.
    """
    # Each holds the other end of a pipe: when this process is killed, they notice and stop.
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "driftline", "worker", *each, "--supervised"],
            stdin=subprocess.PIPE,
        )
        for each in arguments
    ]

    def stop(_number: int = 0, _frame: FrameType | None = None) -> None:
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    failed: int | None = None
    deadline: float | None = None
    while any(worker.poll() is None for worker in workers):
        time.sleep(LOOK_S)
        codes = [worker.poll() for worker in workers]
        if failed is None:
            failed = next((code for code in codes if code), None)
            if failed is not None:
                stop()
                deadline = time.monotonic() + STOP_S
        if deadline is not None and time.monotonic() > deadline:
            for worker in workers:
                worker.kill()
    failed = failed or next((worker.returncode for worker in workers if worker.returncode), None)
    if failed:
        msg = f"a worker ended with exit code {failed}; the others were stopped"
        raise DriftlineError(msg)
