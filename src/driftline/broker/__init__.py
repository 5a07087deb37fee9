"""A local Apache Kafka for the demo, the tests and development.

One rule chooses it, `DRIFTLINE_BROKER`: ``embedded`` (the default: a JVM from wheels), ``docker``
(a container), or ``host:port`` (one that runs already).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from driftline.broker.docker import DockerBroker
from driftline.broker.embedded import EmbeddedBroker
from driftline.broker.existing import ExistingBroker
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.broker.protocol import Broker

__all__ = ["CHOICE", "DockerBroker", "EmbeddedBroker", "ExistingBroker", "open_broker"]

CHOICE = "DRIFTLINE_BROKER"


def open_broker(
    choice: str | None = None, *, notify: Callable[[str], None] | None = None
) -> Broker:
    """Make the broker that was chosen; it starts on entering its ``with`` block.

    Parameters
    ----------
    choice
        ``embedded``, ``docker`` or ``host:port``; the environment's `DRIFTLINE_BROKER` where left
        out, and ``embedded`` where that is not set either.
    notify
        Is told in a line what takes long (fetching Kafka the first time).

    Returns
    -------
    Broker
        A context manager with `bootstrap`, `start`, `stop`, `kill`, `restart`, `log_tail`.

    Raises
    ------
    UsageError
        The choice is none of the three.
    """
    chosen = (choice or os.environ.get(CHOICE) or "embedded").strip()
    if chosen == "embedded":
        return EmbeddedBroker(notify=notify)
    if chosen == "docker":
        return DockerBroker()
    host, _, port = chosen.rpartition(":")
    if host and port.isdigit():
        return ExistingBroker(chosen)
    msg = f"{CHOICE}: expected embedded, docker or host:port, got {chosen!r}"
    raise UsageError(msg)
