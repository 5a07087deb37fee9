"""The cyclic garbage collector, kept off the hot path."""

from __future__ import annotations

import gc

__all__ = ["collect_rarely"]


def collect_rarely() -> None:
    """Spare what is loaded by now, and look for cycles a thirtieth as often.

    A batch makes thousands of containers and hardly a cycle: with Python's threshold of 700 the
    collector took 1 µs of a worker's 10 an event, going through every module of the process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
