"""Start a program that measures itself, wait for it within a bound, and read what it says."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any

import orjson

from driftline.bench.cores import on_cores
from driftline.bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["follow", "measure"]

STOP_S = 30.0
TAIL_CHARS = 2_000


def measure(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cores: frozenset[int] = frozenset(),
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a program to its end and return the last measurement it printed.

    Raises
    ------
    BenchError
        It exited with another code than 0, printed no measurement, or did not end in time.
    """
    last: dict[str, Any] | None = None
    for last in follow(argv, timeout_s=timeout_s, cores=cores, env=env):  # noqa: B007
        pass
    if last is None:
        msg = f"{_named(argv)}: expected a measurement, got none"
        raise BenchError(msg)
    return last


def follow(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cores: frozenset[int] = frozenset(),
    env: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Run a program and yield each measurement as it is printed.

    Parameters
    ----------
    timeout_s
        Bound for the whole run.
    cores
        Which cores it may use; empty leaves it as it is.
    env
        Variables over those of this process.
    """
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryFile() as errors:
        with on_cores(cores):
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                # What it starts ends with it, and Ctrl-C reaches it through us alone.
                start_new_session=True,
            )
        try:
            for line in _lines(process, deadline):
                if line.startswith(b'{"bench"'):
                    yield orjson.loads(line)
            process.wait(max(0.1, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, TimeoutError):
            msg = f"{_named(argv)}: did not end within {timeout_s:g} s{_tail(errors)}"
            raise BenchError(msg) from None
        finally:
            _end(process)
        if process.returncode:
            msg = f"{_named(argv)}: exit code {process.returncode}{_tail(errors)}"
            raise BenchError(msg)


def _lines(process: subprocess.Popen[bytes], deadline: float) -> Iterator[bytes]:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            read = os.read(descriptor, 65_536)
            if not read:
                return
            *whole, buffer = (buffer + read).split(b"\n")
            yield from whole


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what still runs, in order where it listens, and what it may have left behind."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _named(argv: Sequence[str]) -> str:
    return " ".join(argv[1:4])


def _tail(errors: Any) -> str:
    errors.seek(0)
    text = errors.read().decode(errors="replace").strip()[-TAIL_CHARS:]
    return f"; it said last: {text.splitlines()[-1]}" if text else ""
