"""Faults of the bus.

::

    DriftlineError
    ├── UsageError
    │   └── ConfigError        driftline.yaml cannot be used
    └── BrokerError
        ├── BrokerUnreachable  no answer for as long as the configuration allows
        ├── TopicsError        topics are missing or of another shape
        └── DeliveryError      the broker refused or did not take what was sent
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.errors import BrokerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract.errors import Fault

__all__ = ["BrokerError", "BrokerUnreachable", "ConfigError", "DeliveryError", "TopicsError"]


class ConfigError(UsageError):
    """A configuration file that cannot be used; ``str`` lists all its faults, one a line.

    Operator action: correct the file.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class BrokerUnreachable(BrokerError):  # noqa: N818 - reads as what happened
    """The broker did not answer in time, or answered no.

    Operator action: check `broker.bootstrap` and the security settings; then start again. Nothing
    was acknowledged that is not durable.
    """


class TopicsError(BrokerError):
    """Topics are missing or of another shape; ``differences`` has one line each.

    Operator action: ``driftline topics apply`` creates what is missing; what differs has to be
    changed with Kafka's own tools, because partitions of a topic in use must not move.
    """

    def __init__(self, differences: Sequence[str]) -> None:
        self.differences = list(differences)
        super().__init__("\n".join(self.differences))


class DeliveryError(BrokerError):
    """A message could not be made durable, so that its source was not acknowledged.

    Operator action: the text names topic and cause; start again when it is gone.
    """
