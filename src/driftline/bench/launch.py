"""Run one peer and measure it: ``python launch.py FILE --bootstrap H:P --topic T --events N …``.

Standard library only, as it runs in environments where driftline is not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["AdwinOfEach", "Meter", "Task", "feature_rows", "peak_rss_mb", "rss_mb"]


@dataclass(frozen=True)
class Task:
    """What a peer is to read."""

    bootstrap: str
    topic: str
    group: str
    events: int
    partitions: int
    folder: str
    """Where it may keep what it has to keep."""


class Meter:
    """Wall time and CPU time of this process, all its threads, between two moments.

    Start-up (imports, joining a group) lies before `begin`, so it is not counted.
    """

    def __init__(self) -> None:
        self.begun = False
        self._wall = self._cpu = self._before = 0.0

    def begin(self) -> None:
        """Start to measure: the first events are in hand and not yet looked at."""
        self.begun = True
        self._wall = time.perf_counter()
        self._cpu = self._before = time.process_time()

    def say(self, events: int, **more: Any) -> None:
        """Print what was taken since `begin` as one line."""
        line = {
            "bench": "measured",
            "events": events,
            "wall_s": time.perf_counter() - self._wall,
            "cpu_s": time.process_time() - self._cpu,
            "start_cpu_s": self._before,
            "rss_mb": peak_rss_mb(),
            "now_mb": rss_mb(),
            **more,
        }
        # Past any redirection of sys.stdout, and whole even if the process is ended right after.
        os.write(1, json.dumps(line).encode() + b"\n")

    def end(self, events: int, **more: Any) -> NoReturn:
        """Say it and end the process: what comes after the last event is not measured."""
        self.say(events, **more)
        os._exit(0)


class AdwinOfEach:
    """river's ADWIN, with its defaults, on every feature of every event."""

    def __init__(self) -> None:
        from river.drift import ADWIN

        self._make = ADWIN
        self._detectors: dict[str, Any] = {}
        self.found = 0

    def update(self, event: dict[str, Any]) -> None:
        """Step the detectors with one decoded event."""
        detectors = self._detectors
        for name, value in event["features"].items():
            detector = detectors.get(name)
            if detector is None:
                detector = detectors[name] = self._make()
            detector.update(value)
            if detector.drift_detected:
                self.found += 1


def feature_rows(count: int = 1_000) -> list[dict[str, float]]:
    """Draw rows of 20 features, for programs that send: about 552 bytes an event."""
    draw = random.Random(1).gauss
    return [{f"f{i:02d}": round(draw(0, 1), 11) for i in range(20)} for _ in range(count)]


def peak_rss_mb() -> float:
    """Return the largest resident memory this process has had, in 10^6 bytes."""
    # getrusage would also count the process that this one was forked from.
    found = _status("VmHWM:")
    if found is not None:
        return found
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def rss_mb() -> float:
    """Return the resident memory of now, in 10^6 bytes; the peak where the system tells no more."""
    found = _status("VmRSS:")
    return peak_rss_mb() if found is None else found


def _status(field: str) -> float | None:
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            found = [line.split()[1] for line in status if line.startswith(field)]
        return int(found[0]) * 1024 / 1e6
    except (OSError, IndexError):
        return None


def main() -> None:
    """Read the arguments and run the peer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    for name in ("bootstrap", "topic", "group", "folder"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("events", "partitions"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = vars(parser.parse_args())
    path = Path(given.pop("peer"))
    # A peer is a top-level module here, and so is this file to the peer.
    sys.path.insert(0, str(path.parent))
    peer = importlib.import_module(path.stem)
    peer.run(Task(**given), Meter())


if __name__ == "__main__":
    main()
