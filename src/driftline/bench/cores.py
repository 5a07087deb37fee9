"""One core for what is measured, the others for the broker."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cores", "choose", "on_cores"]


class Cores(NamedTuple):
    """Core numbers; both empty where processes cannot be pinned."""

    measured: frozenset[int]
    others: frozenset[int]

    @property
    def pinned(self) -> bool:
        """Whether what is measured has a core that the broker does not use."""
        return bool(self.measured)


def choose() -> Cores:
    """Take the last core this process may use for measuring, and the rest for all else.

    With a single core, or where the system cannot pin (macOS), nothing is pinned.
    """
    if not hasattr(os, "sched_getaffinity"):
        return Cores(frozenset(), frozenset())
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores(frozenset(), frozenset())
    return Cores(frozenset(usable[-1:]), frozenset(usable[:-1]))


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Let processes that are started inside inherit these cores; an empty set changes nothing."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
