"""Windows: panes merged over partitions and slots, tumbling or hopping, several lengths at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.events.frame import segment_of
from driftline.events.time import format_ts
from driftline.events.window_event import window_event
from driftline.stats.pane import Pane
from driftline.stats.summary import Summariser
from driftline.stats.wire import decode_statistics, encode_statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from driftline.contract import WindowPlan
    from driftline.events.frame import Segment
    from driftline.stats.reference import Reference

_Key = tuple[int, int, int, "Segment"]
"""End, length, hop, segment: in the order in which windows are published."""


class Windows:
    """The open windows of one model; pure, and bounded by the plans (length / hop each).

    A window is opened by the first slot with events in it and closes when event time has passed
    its end by the contract's lateness. Its panes keep no sample.
    """

    def __init__(self, model: str, plans: Sequence[WindowPlan]) -> None:
        self._model = model
        self._plans = tuple(plans)
        self._open: dict[_Key, Pane] = {}
        self._evidence: dict[_Key, npt.NDArray[np.float64]] = {}
        """The most there was of it in each open window that was judged, by column."""
        self._summariser: Summariser | None = None
        self._described: Reference | None = None
        self._next = 2**62

    @property
    def next_end(self) -> int:
        """End of the earliest open window, microseconds."""
        return self._next

    def add(self, start: int, segment: Segment, pane: Pane) -> None:
        """Merge the pane of the slot that begins at `start` into every open window around it.

        A pane with statistics but no events adds its statistics alone: rows counted earlier, whose
        reference became known later. It opens no window.
        """
        for key in self._around(start, segment):
            held = self._open.get(key)
            if held is None:
                if not pane.rows and not pane.late and not pane.dead and not pane.duplicates:
                    continue
                held = self._open[key] = self._empty(pane.reference)
                self._next = min(self._next, key[0])
            elif pane.reference is not None and not _same(held.reference, pane.reference):
                # From here on another reference holds: events are counted through, statistics
                # begin anew.
                counted = held
                held = self._open[key] = self._empty(pane.reference)
                held.merge_counters(counted)
                self._evidence.pop(key, None)
            held.merge(pane)
            held.raw.clear()  # a window counts raw rows; it does not keep them

    def note(self, start: int, segment: Segment, evidence: npt.NDArray[np.float64]) -> None:
        """Take how far evidence has come with a slot that was added, shape (columns,).

        NaN where a column is not judged.
        """
        for key in self._around(start, segment):
            if key in self._open:
                held = self._evidence.get(key)
                self._evidence[key] = evidence if held is None else np.fmax(held, evidence)

    def _around(self, start: int, segment: Segment) -> Iterator[_Key]:
        for plan in self._plans:
            last = start // plan.hop * plan.hop
            for begin in range(last, start - plan.length, -plan.hop):
                yield begin + plan.length, plan.length, plan.hop, segment

    @staticmethod
    def _empty(reference: Reference | None) -> Pane:
        pane = Pane.empty(reference, 0)
        # Long windows outgrow int64 squares: Python's integers do not overflow.
        pane.sums = pane.sums.astype(object)
        pane.comoments = None  # a window does not tell of them
        return pane

    def close(self, low: int) -> list[tuple[int, bytes, bytes]]:
        """Close every window that ends at `low` (microseconds) or earlier.

        Returns
        -------
        list of (end, key, value), in order of end: messages for the `windows` topic.
        """
        if low < self._next:
            return []
        closed = sorted(key for key in self._open if key[0] <= low)
        out = [(key[0], *self._message(key, self._open.pop(key))) for key in closed]
        self._next = min((key[0] for key in self._open), default=2**62)
        return out

    def _message(self, key: _Key, pane: Pane) -> tuple[bytes, bytes]:
        end, length, hop, segment = key
        about = f"{self._model}|{segment}|{length}|{hop}|{end}"
        body: dict[str, Any] = {
            "model": self._model,
            "segment": dict(segment),
            "start": format_ts(end - length),
            "end": format_ts(end),
            "length_s": _seconds(length),
            "hop_s": _seconds(hop),
            "reference": pane.reference.id if pane.reference else None,
            "events": dict(sorted(pane.events.items())),
            "late": pane.late,
            "dead": pane.dead,
            "duplicates": pane.duplicates,
            "unknown_fields": pane.unknown_fields,
            "extra": dict(sorted(pane.extra.items())),
            "features": self._describe(pane, self._evidence.pop(key, None)),
        }
        return window_event(about, body)

    def _describe(
        self, pane: Pane, evidence: npt.NDArray[np.float64] | None
    ) -> dict[str, dict[str, Any]]:
        if pane.reference is None:
            return {}
        if self._summariser is None or self._described is not pane.reference:
            self._summariser, self._described = Summariser(pane.reference), pane.reference
        features = self._summariser.of(pane)
        if evidence is not None:
            for told, most in zip(features.values(), evidence.tolist(), strict=True):
                if most == most:  # noqa: PLR0124 - NaN: nobody judges it
                    told["evidence"] = round(most, 3)
        return features

    def snapshot(self) -> list[Any]:
        """Return the open windows as JSON values."""
        return [
            [*_told(key), _plain(encode_statistics(pane, []))]
            for key, pane in sorted(self._open.items(), key=lambda item: item[0])
        ]

    def evidence(self) -> list[Any]:
        """Return what `note` has left in the open windows, as JSON values; NaN is nothing."""
        return [
            [*_told(key), most.tolist()]
            for key, most in sorted(self._evidence.items(), key=lambda item: item[0])
        ]

    def restore(
        self,
        state: list[Any],
        find: Callable[[str, str], Reference | None],
        evidence: Sequence[Any] = (),
    ) -> None:
        """Take up what `snapshot` and `evidence` gave."""
        self._open.clear()
        self._evidence.clear()
        for end, length, hop, segment, body in state:
            pane = decode_statistics(body, self._model, find)
            pane.sums = pane.sums.astype(object)
            self._open[end, length, hop, segment_of(segment)] = pane
        for end, length, hop, segment, most in evidence:
            self._evidence[end, length, hop, segment_of(segment)] = np.array(most)
        self._next = min((key[0] for key in self._open), default=2**62)


def _told(key: _Key) -> list[Any]:
    return [*key[:3], [list(pair) for pair in key[3]]]


def _same(one: Reference | None, other: Reference) -> bool:
    return one is other or (one is not None and one.id == other.id)


def _plain(body: dict[str, Any]) -> Any:
    return orjson.loads(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY))


def _seconds(span: int) -> float | int:
    whole, rest = divmod(span, 1_000_000)
    return span / 1_000_000 if rest else whole
