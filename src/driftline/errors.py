"""The errors that driftline raises on purpose.

::

    DriftlineError        a person can act on it; printed as one line, exit 1
    ├── UsageError        what was asked for makes no sense; exit 2
    └── BrokerError       Kafka could not be had, reached or kept

A room with faults of its own derives them from `DriftlineError` in that room. A text says what,
where, expected and got, and names what to do about it. Anything else that escapes is a bug.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = ["BrokerError", "DriftlineError", "UsageError"]


class DriftlineError(Exception):
    """Something failed that a person can act on.

    Attributes
    ----------
    exit_code
        What the command line exits with.
    """

    exit_code: ClassVar[int] = 1


class UsageError(DriftlineError):
    """The request itself is wrong: an option, an argument, a file of the wrong shape."""

    exit_code: ClassVar[int] = 2


class BrokerError(DriftlineError):
    """A Kafka broker could not be started, reached or kept.

    Operator action: read the broker's last log lines in the text, or check DRIFTLINE_BROKER.
    """
