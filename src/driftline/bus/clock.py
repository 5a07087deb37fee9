"""The only place that asks what time it is; it decides liveness, never a statistic."""

from __future__ import annotations

import time

__all__ = ["Clock"]


class Clock:
    """Wall time for idle sources, and a steady time for intervals."""

    def wall(self) -> int:
        """Return microseconds since the epoch."""
        return time.time_ns() // 1_000

    def steady(self) -> float:
        """Return seconds that never jump, from an arbitrary start."""
        return time.monotonic()
