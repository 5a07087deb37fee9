"""What a publisher is told, checked once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from driftline.events.fields import EVENT_TYPES
from driftline.events.inputs import TOPICS
from driftline.events.limits import Limits
from driftline.publish.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from driftline.events.frame import EventType

__all__ = ["Compression", "Options", "Settings", "WhenFull"]

WhenFull = Literal["drop_newest", "drop_oldest", "block"]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
KIB = 1_024
SMALLEST_SPOOL = 64 * KIB


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a publisher works.

    Attributes
    ----------
    bootstrap
        ``host:port`` of brokers, several separated by commas.
    model, version
        Of events that name none.
    prefix
        Before each topic's name: ``driftline.`` sends predictions to ``driftline.predictions``.
    topics
        Full topic names by event type, where they are not the default ones.
    capacity
        Events that may wait in memory to be encoded, more of them being dropped or waited for. A
        larger one rides out longer stalls and takes more memory: 1 to 2 KB an event of 20 features.
    when_full
        ``drop_newest`` refuses the event of the call, ``drop_oldest`` the one that has waited
        longest; ``block`` lets the call wait for room for up to `block_s`, and refuses it then.
    block_s
        Seconds that a call may take with ``block``; it takes none with the other two.
    linger_s
        Seconds that an event waits at most for others to share its envelope. Larger makes fewer,
        larger messages.
    envelope_events, envelope_bytes
        Most events and bytes of JSON in one message.
    compression
        Of batches of messages. The thread's CPU seconds for 100,000 predictions of 20 features:
        none 0.46, snappy 0.60, zstd 0.64, lz4 2.2, gzip 7.4: aiokafka has the last two try as hard
        as they can, and lz4 keeps Python's lock meanwhile, tens of milliseconds at a time.
    in_flight_bytes
        Bytes of each topic that are sent and not acknowledged yet, or next to be sent.
    spool
        Folder for what cannot be sent while the broker is away; None keeps nothing on disk. Several
        processes may share it. What a process leaves there, the next one sends.
    spool_bytes
        Most that it may hold of one process; the oldest is dropped beyond that.
    close_s
        Seconds that leaving, an exit of the process or SIGTERM waits for what is not sent yet.
    on_sigterm
        Whether SIGTERM is answered by sending what waits, before whatever it does otherwise.
    idempotent
        Whether the broker is asked to drop repeats of a retried batch. Needs `acks=all` rights.
    strict
        For tests: raise from the call what would be counted.
    connection
        Further arguments of an aiokafka producer: security protocol, SASL, TLS, client id.
    """

    bootstrap: str = "127.0.0.1:9092"
    model: str | None = None
    version: str | None = None
    prefix: str = "driftline."
    topics: Mapping[EventType, str] = field(default_factory=dict)
    capacity: int = 20_000
    when_full: WhenFull = "drop_newest"
    block_s: float = 0.1
    linger_s: float = 0.05
    envelope_events: int = 1_000
    envelope_bytes: int = 256 * KIB
    compression: Compression = "zstd"
    in_flight_bytes: int = 8 * KIB * KIB
    spool: str | Path | None = None
    spool_bytes: int = 256 * KIB * KIB
    close_s: float = 5.0
    on_sigterm: bool = True
    idempotent: bool = True
    strict: bool = False
    connection: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise SettingsError("publisher: " + "; ".join(faults))

    def topic(self, type_: EventType) -> str:
        """Return where events of a type go."""
        return self.topics.get(type_) or self.prefix + TOPICS[type_]

    @property
    def folder(self) -> Path | None:
        """Where to spool."""
        return None if self.spool is None else Path(self.spool)

    def _faults(self) -> Iterator[str]:
        limits = Limits()
        bounds: dict[str, tuple[float, float]] = {
            "capacity": (1, 100_000_000),
            "block_s": (0, 60),
            "linger_s": (0.001, 60),
            "envelope_events": (1, limits.envelope_events),
            # Up to the size of one event an envelope is read at one go.
            "envelope_bytes": (1_000, limits.element_bytes),
            "in_flight_bytes": (1_000, 2**32),
            "spool_bytes": (SMALLEST_SPOOL, 2**50),
            "close_s": (0, 600),
        }
        for name, (least, most) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{name}: expected a number, got {value!r}"
            elif not least <= value <= most:
                yield f"{name}: expected {least:g} to {most:g}, got {value!r}"
        for name, known in (("when_full", WhenFull), ("compression", Compression)):
            value = getattr(self, name)
            if value not in get_args(known):
                yield f"{name}: expected one of {', '.join(get_args(known))}, got {value!r}"
        strange = sorted(set(map(str, self.topics)) - set(EVENT_TYPES))
        if strange:
            yield f"topics: expected some of {', '.join(EVENT_TYPES)}, got {', '.join(strange)}"
        if not isinstance(self.bootstrap, str) or not self.bootstrap.strip():
            yield f"bootstrap: expected host:port, got {self.bootstrap!r}"


class Options(TypedDict, total=False):
    """The settings beside `Settings.bootstrap`, as keywords; a test holds the two together."""

    model: str | None
    version: str | None
    prefix: str
    topics: Mapping[EventType, str]
    capacity: int
    when_full: WhenFull
    block_s: float
    linger_s: float
    envelope_events: int
    envelope_bytes: int
    compression: Compression
    in_flight_bytes: int
    spool: str | Path | None
    spool_bytes: int
    close_s: float
    on_sigterm: bool
    idempotent: bool
    strict: bool
    connection: Mapping[str, Any]
