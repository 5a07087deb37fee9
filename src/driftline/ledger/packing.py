"""The `ledger` topic: what joins need of a batch of events, one packed message a partition.

An entry belongs to the partition that a hash of its model and prediction id names, whatever its
type and wherever it came from, so that all that is known of one prediction meets in one place
without any producer having to key by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
import numpy as np

from driftline.errors import DriftlineError
from driftline.events.numbers import Numbers
from driftline.ledger.segments import most_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from driftline.contract import Book, Contract
    from driftline.events.frame import Frame, Segment
    from driftline.events.record import Source

    Integers = npt.NDArray[np.int64]

__all__ = ["FORMAT", "WRONG_TYPE", "LedgerError", "Packed", "Packer", "Section", "unpack"]

FORMAT = 1
KEPT = {
    "prediction": ("arm", "propensity"),
    "label": ("label", "weight"),
    "decision": ("action", "recommended", "actor", "arm", "propensity"),
    "outcome": ("value", "kind"),
}
"""What is kept of each event type that takes part in joins, beside what predictions say."""
WRONG_TYPE = "\0"
"""Stands for a feature's value that has another type than the reference says."""
_MIX = 2_654_435_761
_WORD = 2**32


class LedgerError(DriftlineError):
    """A message on the ledger topic is not ours. Operator action: see who else writes there."""


class Section(msgspec.Struct, array_like=True, frozen=True):
    """Entries of one model and type, as columns of n rows.

    Attributes
    ----------
    ts, at
        Event time, and the start of the slot in which an entry counts as arrived (its own, or for a
        late one that in which its source stood), microseconds; little-endian int64.
    offset, index
        Where each stood in its source; likewise.
    fields
        Values by name, None where absent: those of `KEPT`; of a prediction ``prediction``,
        ``score`` and ``prediction.<class>`` as well. Of a row of features (type ``served`` or
        ``trained``) ``entity_id``.
    features
        Of a row of features, its values by name.
    segments, segment
        The different segments of predictions (or served rows), and for each of the n rows the place
        of its own among them; both empty where no row has one.
    """

    model: str
    type: str
    ids: list[str]
    ts: bytes
    at: bytes
    offset: bytes
    index: bytes
    fields: dict[str, list[Any]]
    features: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    segments: list[tuple[tuple[str, str], ...]] = msgspec.field(default_factory=list)
    segment: list[int] = msgspec.field(default_factory=list)


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """One message: what one batch of a source partition holds for one partition of the ledger."""

    format: int
    source: str
    sections: list[Section]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Packed).decode


class Packer:
    """Gathers the entries of one source partition, and gives them out by ledger partition.

    Costs about a microsecond a row of a model that joins, nothing for others.

    Parameters
    ----------
    partitions
        Of the ledger topic.
    """

    def __init__(self, book: Book, source: Source, partitions: int) -> None:
        self._book = book
        self._source = str(source)
        self._partitions = partitions
        self._waiting: dict[int, list[Section]] = {}

    def add(self, frame: Frame, at: Integers, wanted: npt.NDArray[np.bool_]) -> None:
        """Take the rows of a frame that have an id, if its model joins.

        Parameters
        ----------
        at
            Start of the slot in which each row arrived, shape (n,).
        wanted
            Rows to take at all, shape (n,).
        """
        ids = frame.ids
        if ids is None:
            return
        contract = self._book.of(frame.model)
        rows_of = frame.type in _ASKED and _ASKED[frame.type](contract)
        features = contract.skew is not None and frame.type in {"prediction", "features"}
        if not (rows_of or features):
            return
        if frame.segments is not None and not most_segments(contract):
            frame = replace(frame, segments=None)
        seed = crc32(frame.model.encode())
        hashes = np.array([crc32((n or "").encode(), seed) for n in ids], dtype=np.int64)
        kept = wanted & (hashes * _MIX % _WORD < contract.ledger.share * _WORD)
        if frame.type == "features":
            kept &= np.array([name is not None for name in ids], dtype=np.bool_)
        place = hashes % self._partitions
        for partition in np.unique(place[kept]).tolist():
            here = kept & (place == partition)
            waiting = self._waiting.setdefault(partition, [])
            if rows_of:
                waiting.append(_section(frame, at, np.flatnonzero(here)))
            if features:
                waiting += _feature_sections(frame, at, here)

    def take(self) -> list[tuple[int, bytes]]:
        """Return what was gathered since last asked, as (partition, message)."""
        out = [
            (partition, _encode(Packed(FORMAT, self._source, sections)))
            for partition, sections in sorted(self._waiting.items())
        ]
        self._waiting = {}
        return out


_ASKED: dict[str, Callable[[Contract], bool]] = {
    "prediction": lambda contract: contract.quality is not None or contract.decision is not None,
    "label": lambda contract: contract.quality is not None or contract.decision is not None,
    "decision": lambda contract: contract.decision is not None,
    "outcome": lambda contract: contract.decision is not None,
}
"""Whether a contract has a use for events of a type."""


_SEGMENTED = frozenset({"prediction", "served"})
"""What has a segment of its own; everything else is of that of its prediction."""


def _section(frame: Frame, at: Integers, rows: Integers) -> Section:
    picked = rows.tolist()
    kept = (name for name in KEPT[frame.type] if name in frame.values)
    fields = {name: _plain(frame.values[name], picked) for name in kept}
    if frame.type == "prediction":
        names = [n for n in frame.columns if n in {"prediction", "score"} or _is_share(n)]
        fields |= {name: _plain(frame.columns[name], picked) for name in names}
    return _made(frame, frame.type, at, rows, fields, {})


def _feature_sections(frame: Frame, at: Integers, here: npt.NDArray[np.bool_]) -> Iterator[Section]:
    """Yield the rows of features among those given, as they were served and as recomputed."""
    if frame.featured is not None:
        here = here & frame.featured
    trained = np.zeros_like(here)
    if frame.type == "features" and "source" in frame.values:
        trained = np.array([said == "training" for said in frame.values["source"]], dtype=np.bool_)
    answers = {"prediction", "score"} if frame.type == "prediction" else set()
    names = [n for n in frame.columns if n not in answers and not (answers and _is_share(n))]
    if not names:
        return
    for kind, mask in (("served", here & ~trained), ("trained", here & trained)):
        rows = np.flatnonzero(mask)
        if not rows.size:
            continue
        picked = rows.tolist()
        about = frame.values.get("entity_id")
        fields = {} if about is None else {"entity_id": _plain(about, picked)}
        features = {name: _plain(frame.columns[name], picked) for name in names}
        for name in frame.invalid:
            wrong = np.flatnonzero(np.isin(rows, frame.invalid[name])).tolist()
            if wrong and name not in answers:
                column = features.setdefault(name, [None] * len(picked))
                for row in wrong:
                    column[row] = WRONG_TYPE
        yield _made(frame, kind, at, rows, fields, features)


def _made(
    frame: Frame,
    kind: str,
    at: Integers,
    rows: Integers,
    fields: dict[str, list[Any]],
    features: dict[str, list[Any]],
) -> Section:
    assert frame.ids is not None
    picked = rows.tolist()
    told: list[Segment] = []
    if frame.segments is not None and kind in _SEGMENTED:
        told = [frame.segments[row] for row in picked]
    places = {each: place for place, each in enumerate(dict.fromkeys(told))} if any(told) else {}
    return Section(
        frame.model,
        kind,
        _plain(frame.ids, picked),
        _bytes(frame.ts[rows]),
        _bytes(at[rows]),
        _bytes(frame.offset[rows]),
        _bytes(frame.index[rows]),
        fields,
        features,
        list(places),
        [places[each] for each in told] if places else [],
    )


def _is_share(name: str) -> bool:
    return name.startswith("prediction.")


def _plain(column: Sequence[Any], picked: list[int]) -> list[Any]:
    if isinstance(column, Numbers):
        return list(column.pick(picked)[:])
    return [column[row] for row in picked]


def _bytes(values: Integers) -> bytes:
    return values.astype("<i8").tobytes()


def unpack(value: bytes) -> Packed:
    """Read a message.

    Raises
    ------
    LedgerError
        Not such a message, or of another format.
    """
    try:
        message = _decode(value)
    except msgspec.DecodeError as error:
        msg = f"ledger topic: expected packed entries, got {value[:40]!r} ({error})"
        raise LedgerError(msg) from error
    if message.format != FORMAT:
        msg = f"ledger topic: expected format {FORMAT}, got {message.format}"
        raise LedgerError(msg)
    return message
