"""The errors of the detectors' room.

::

    DriftlineError
    ├── UsageError
    │   └── ParameterError    a detector is unknown, or was given a parameter that it does not take
    └── StateError            a snapshot does not belong to this detector
"""

from __future__ import annotations

from driftline.errors import DriftlineError, UsageError


class ParameterError(UsageError):
    """A detector's name or parameter makes no sense. Operator action: correct the contract."""


class StateError(DriftlineError):
    """A snapshot was taken by another detector, format or reference.

    Operator action: let the worker start without it; the detector begins afresh.
    """
