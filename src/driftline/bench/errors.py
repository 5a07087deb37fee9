"""What keeps a measurement from being made."""

from __future__ import annotations

from driftline.errors import DriftlineError

__all__ = ["BenchError"]


class BenchError(DriftlineError):
    """A measured program failed, did not end in time, or said nothing.

    Operator action: read the program's last lines in the text; --keep leaves its files.
    """
