"""The demo's worker and page: processes of their own, that end with the demo however it ends."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING

from driftline.broker import watchdog
from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

__all__ = ["Program"]

STOP_S = 15.0
"""A worker stops within a second or two; what it has not saved by then, nobody will read."""
TOLD_LINES = 12


class Program:
    """A command of driftline's as a subprocess.

    Parameters
    ----------
    name, arguments
        ``worker`` or ``ui``, and what it is called with.
    folder
        Where its log goes. Removed by the watchdog if this process is killed outright.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        self._name = name
        self._arguments = arguments
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    @property
    def log(self) -> Path:
        """What it says."""
        return self._folder / f"{self._name}.log"

    def check(self) -> None:
        """Do nothing while it runs.

        Raises
        ------
        DriftlineError
            It ended; the text says how, and its last words.
        """
        if self._process is not None and (code := self._process.poll()) is not None:
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            msg = f"the {self._name} ended with {how}; it last said: {self.last_error()}"
            raise DriftlineError(msg)

    def last_error(self) -> str:
        """Return the error that it ended with, or else its last line."""
        lines = self.tail()
        errors = [line for line in lines if line.startswith("driftline: error: ")]
        said = [*lines[-1:], *errors[-1:]] or ["it said nothing"]
        return said[-1].removeprefix("driftline: error: ")

    def tail(self) -> list[str]:
        """Return the last lines of its log."""
        if not self.log.exists():
            return []
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip("\n") for line in deque(log, maxlen=TOLD_LINES)]

    def __enter__(self) -> Self:
        """Start it."""
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the demo, which stops it in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "driftline", self._name, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        try:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__]
                + [str(self._process.pid), str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it in order, or else kill it."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_S)
            self._process.kill()
            self._process.wait()
        if self._watchdog is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.communicate(b".", timeout=STOP_S)
