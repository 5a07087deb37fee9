"""What became of every event: exact, and read by whoever asks while it goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REASONS", "Counts", "Tally"]

REASONS: Final[Mapping[str, str]] = {
    "buffer_full": "no room in memory when it came, or later for what was newer (drop_oldest)",
    "closed": "it came when the publisher was closed, or could not be sent before it closed",
    "invalid": "driftline could not have read it",
    "too_large": "larger than an event or the broker's messages may be",
    "no_topic": "its topic is not there",
    "refused": "the broker does not let this client write to its topic",
    "spool_full": "the oldest on disk made room for what was newer",
    "spool_damaged": "what was on disk could not be read back",
    "failed": "a fault of the publisher itself",
}
"""Why an event may be dropped."""


@dataclass(frozen=True)
class Counts:
    """What became of the events of this process, at one moment.

    ``accepted == sent + sum(dropped.values()) + pending``, always.

    Attributes
    ----------
    accepted
        Events handed over, whatever became of them; and those that an earlier process left on disk
        and this one took over (`recovered`).
    sent
        Acknowledged by the broker.
    dropped
        By reason; see `REASONS`.
    pending
        In memory, on the way, or on disk.
    spooled
        Of these, on disk.
    recovered
        Taken over from an earlier process's spool.
    mended
        Values that no JSON event can hold and that were sent as missing, and fields of no meaning
        that were sent along, by what was wrong.
    messages
        Acknowledged messages (envelopes).
    message_bytes
        Their JSON before compression.
    resent
        Messages sent again because it was not known whether they had arrived.
    """

    accepted: int
    sent: int
    dropped: Mapping[str, int]
    pending: int
    spooled: int = 0
    recovered: int = 0
    mended: Mapping[str, int] = field(default_factory=dict)
    messages: int = 0
    message_bytes: int = 0
    resent: int = 0

    @property
    def lost(self) -> int:
        """All that was dropped."""
        return sum(self.dropped.values())

    def __str__(self) -> str:
        """Say it in one line."""
        told = [f"{self.accepted:,} accepted", f"{self.sent:,} sent"]
        told += [f"{count:,} dropped ({reason})" for reason, count in sorted(self.dropped.items())]
        if self.pending:
            on_disk = f" ({self.spooled:,} on disk)" if self.spooled else ""
            told.append(f"{self.pending:,} pending{on_disk}")
        return ", ".join(told)


class Tally:
    """What the sender counts; only its thread writes."""

    def __init__(self) -> None:
        self.sent = 0
        self.recovered = 0
        self.messages = 0
        self.message_bytes = 0
        self.resent = 0
        self.dropped: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
