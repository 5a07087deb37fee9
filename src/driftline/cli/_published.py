"""Files of events to Kafka, each event read by the codec before, so that no dead letter is sent."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import orjson

from driftline.contract.types import HOUR
from driftline.events.codec import Decoder
from driftline.events.layouts import AnyModel
from driftline.events.limits import Limits
from driftline.events.parse import BLANK, split_envelope
from driftline.events.record import Record
from driftline.publish.sender import Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from driftline.events.frame import EventType
    from driftline.events.record import RawRecord
    from driftline.publish.core import Core
    from driftline.replay.feed import Feed

__all__ = ["Outcome", "Pace", "Pump"]

BLOCK = 2_000
ROOM_S = 0.005
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
TOLD = 5
"""Lines that are told one by one when they cannot be read."""


@dataclass
class Outcome:
    """What a run has come to so far.

    Attributes
    ----------
    accepted
        Events handed over, by type.
    refused
        Events that driftline could not have read, which were not sent.
    told
        The first of these, in words.
    """

    accepted: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    told: list[str] = field(default_factory=list)


class Pace:
    """Holds events to a rate.

    Parameters
    ----------
    rate
        Events a second; None is as fast as it goes.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._begun = time.monotonic()
        self._passed = 0

    def step(self) -> None:
        """Let one event pass, when its time has come."""
        if self._rate is None:
            return
        ahead = self._passed / self._rate - (time.monotonic() - self._begun)
        if ahead > 0:
            time.sleep(ahead)
        self._passed += 1


class Pump:
    """Reads feeds and hands their events to a publisher's core.

    Parameters
    ----------
    check
        Called with each type before its first event is handed over.
    """

    def __init__(self, core: Core, pace: Pace, check: Callable[[EventType], None]) -> None:
        self._core = core
        self._pace = pace
        self._check = check
        self._checked: set[EventType] = set()
        self.outcome = Outcome()

    def run(self, feed: Feed, progress: Callable[[int], None]) -> None:
        """Hand over all of one file; returns early where the publisher takes nothing any more.

        Parameters
        ----------
        progress
            Called with a number of records each time that many more were read.
        """
        decoder = Decoder(feed.spec, feed.source, AnyModel(HOUR))
        while records := feed.read(BLOCK):
            for event in self._events(feed, decoder, records):
                if event.type not in self._checked:
                    self._check(event.type)
                    self._checked.add(event.type)
                self._pace.step()
                while (taken := self._core.put_encoded(event)) is None:
                    time.sleep(ROOM_S)
                if not taken:
                    return
                self.outcome.accepted[event.type] += 1
            progress(len(records))

    def _events(
        self, feed: Feed, decoder: Decoder, records: Sequence[RawRecord]
    ) -> Iterator[Encoded]:
        """Tell the events that can be read, in the order of the records."""
        now = time.time_ns() // 1_000_000
        decoded = decoder.decode([Record(each.offset, now, each.value) for each in records])
        self.outcome.refused += len(decoded.dead)
        for dead in decoded.dead[: TOLD - len(self.outcome.told)]:
            line = feed.origin(dead.offset) + 1
            self.outcome.told.append(f"{feed.source.topic}:{line}: {dead.message}")
        places = sorted(
            (offset, index, frame.type, frame.model)
            for frame in decoded.frames
            for offset, index in zip(frame.offset.tolist(), frame.index.tolist(), strict=True)
        )
        values = {each.offset: each.value or b"" for each in records}
        fixed = feed.spec.fixed.get("model")
        opened, parts = -1, [b""]
        for offset, index, type_, model in places:
            if offset != opened:
                opened, parts = offset, _elements(values[offset])
            data = parts[index]
            if feed.spec.type is None:
                data = _typeless(data, type_)
            if fixed is not None:
                data = b'{"model":' + orjson.dumps(fixed) + b"," + data.lstrip(BLANK)[1:]
            yield Encoded(type_, model, data)


def _typeless(data: bytes, type_: EventType) -> bytes:
    """Return an event without its field ``type``, which its topic says already."""
    head = b'{"type":"%b",' % type_.encode()
    if data.startswith(head):
        return b"{" + data[len(head) :]
    try:
        members = _MEMBERS.decode(data)
    except msgspec.DecodeError:
        return data  # with NaN in it: read all the same, with a field too many
    members.pop("type", None)
    return msgspec.json.encode(members)


def _elements(value: bytes) -> list[bytes]:
    if not value.lstrip(BLANK).startswith(b"["):
        return [value]
    return split_envelope(value, Limits().envelope_events) or [value]
