"""detect: one partition of the `panes` topic, from panes and marks to what is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import orjson

from driftline.detect import StateError
from driftline.pipeline.marks import FOREVER, Marks, encode_mark
from driftline.pipeline.model import Model
from driftline.pipeline.output import Output
from driftline.stats import WireError, decode_pane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.contract import Book
    from driftline.events.record import Source
    from driftline.pipeline.references import References
    from driftline.pipeline.standing import Standing

FORMAT = 1
MARKS = b"\x00marks"
"""Key of the state message that holds the marks; no model can have this name."""


class Detect:
    """Merge the panes of all source partitions and step every model's detectors, slot by slot.

    Pure and synchronous. What it publishes for a slot depends on the events of that slot and those
    before it, not on the order in which the partitions' panes came.

    Parameters
    ----------
    sources
        Every source partition of every input; a slot closes when all of them have passed it.
    """

    def __init__(self, book: Book, sources: Sequence[Source], references: References) -> None:
        self._book = book
        self._sources = tuple(sources)
        self._references = references
        self._marks = Marks(sources)
        self._marks_at = -1
        self._models: dict[str, Model] = {}
        self._changed: set[str] = set()
        self._offset = -1
        self._snapshot_at = -1

    def on_message(self, offset: int, value: bytes) -> Output:
        """Take in one message of the `panes` topic.

        Messages that a restored state already holds are passed over.

        Raises
        ------
        driftline.stats.UnknownReferenceError
            The pane's reference has not been read yet; nothing was changed, so the call may be
            repeated once it has.
        driftline.stats.WireError
            Not a message of ours.
        """
        try:
            body = orjson.loads(value)
            what = body["is"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            msg = f"panes topic, offset {offset}: expected a pane or a mark, got {value[:60]!r}"
            raise WireError(msg) from error
        if what in {"pane", "joined", "act"}:
            model = self._model(body["model"])
            if offset > model.offset:
                if what == "pane":
                    model.on_pane(decode_pane(body, self._references.find))
                elif what == "act":
                    model.on_act(body)
                else:
                    model.on_joined(body)
                model.offset = offset
                self._changed.add(model.name)
            self._offset = max(self._offset, offset)
            return Output()
        self._offset = max(self._offset, offset)
        if offset <= self._marks_at:
            return Output()
        self._marks.update(body)
        self._marks_at = offset
        return self._advance(offset)

    def _model(self, name: str) -> Model:
        model = self._models.get(name)
        if model is None:
            model = self._models[name] = Model(name, self._book.of(name), self._references)
        return model

    def _advance(self, offset: int) -> Output:
        out = Output()
        low = self._marks.low
        for name in sorted(self._models):
            model = self._models[name]
            if offset <= model.offset:
                continue  # a restored state that stands further than this message
            if model.next_close <= low:
                _extend(out, model.close(low))
                self._changed.add(name)
                model.offset = offset
            until = self._marks.silent_until(model.liveness.allowed_silence)
            if model.deadline <= until:
                _extend(out, model.on_time(until))
                self._changed.add(name)
                model.offset = offset
        return out

    def flush(self) -> Output:
        """Close everything (replay's end, where every source has said that it ended)."""
        for source in self._sources:
            self._marks.update(orjson.loads(encode_mark(source, FOREVER, idle=True)))
        return self._advance(self._offset + 1)

    def warming_up(self) -> dict[str, int]:
        """Rows held by each model that has no reference yet."""
        return {name: m.warming_up for name, m in self._models.items() if m.warming_up}

    @property
    def low(self) -> int:
        """Event time that all sources have passed, microseconds; `NEVER` at first."""
        return self._marks.low

    def standings(self) -> list[Standing]:
        """Return how each model stands, sorted by name."""
        return [self._models[name].standing for name in sorted(self._models)]

    def waiting_for(self) -> list[str]:
        """Sources that hold the slots open."""
        return self._marks.waiting_for()

    def snapshot(self) -> list[list[tuple[bytes, bytes]]]:
        """Return the state messages that bring the saved state up to now.

        Returns
        -------
        Groups of (key, value): each group is to be durable before the next is sent, and all of them
        before `position` is committed. The models come first, the marks last: a restart between the
        two reads the models' states ahead of the marks, never behind them.
        """
        if self._offset == self._snapshot_at:
            return []
        models = [(n.encode(), self._models[n].snapshot()) for n in sorted(self._changed)]
        marks = {"format": FORMAT, "offset": self._marks_at, "marks": self._marks.snapshot()}
        self._changed.clear()
        self._snapshot_at = self._offset
        groups = [models] if models else []
        return [*groups, [(MARKS, msgspec.msgpack.encode(marks))]]

    def position(self) -> int:
        """Offset of the next message that is not in the saved state."""
        return self._snapshot_at + 1

    def restore(self, key: bytes, value: bytes) -> None:
        """Take up one message of the `state` topic.

        Raises
        ------
        StateError
            It cannot be read. Operator action: delete that key of the `state` topic (the model
            starts cold) or restore the topic; nothing is overwritten meanwhile.
        """
        if key == MARKS:
            try:
                state = msgspec.msgpack.decode(value)
                if state["format"] != FORMAT:
                    msg = f"state of the marks: expected format {FORMAT}, got {state['format']!r}"
                    raise StateError(msg)
                self._marks.restore(state["marks"])
                self._marks_at = int(state["offset"])
            except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
                msg = f"state of the marks: cannot be read: {type(error).__name__}: {error}"
                raise StateError(msg) from error
            return
        self._model(key.decode()).restore(value)


def _extend(out: Output, more: Output) -> None:
    out.windows += more.windows
    out.alerts += more.alerts
    out.feedback += more.feedback
    out.references += more.references
    out.closed += more.closed
