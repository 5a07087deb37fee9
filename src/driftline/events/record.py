"""What a source hands over: raw records, and where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


UNATTRIBUTED = "topic:"
"""What the name begins with under which a topic's dead letters count that belong to no model."""


class Source(NamedTuple):
    """One partition of one input: the unit of order, of watermark and of acknowledgement.

    A file is a source with partition 0 and its path as topic.
    """

    topic: str
    partition: int

    def __str__(self) -> str:
        """Return ``topic/partition``, the form used in ids and messages."""
        return f"{self.topic}/{self.partition}"

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read back what `str` wrote."""
        topic, _, partition = text.rpartition("/")
        return cls(topic, int(partition))


class RawRecord(Protocol):
    """What the core reads of a record; an aiokafka record satisfies it as it is.

    ``timestamp`` is in milliseconds since the epoch, negative or None where there is none (files).
    ``offset`` is the position in the source; a file's is its line or row number.
    """

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


class Record(NamedTuple):
    """A record of our own making, for files and tests."""

    offset: int
    timestamp: int | None
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
