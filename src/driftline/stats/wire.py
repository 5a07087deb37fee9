"""Panes as messages: compact JSON, the sample as base64 of little-endian columns."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from driftline.errors import DriftlineError
from driftline.events.frame import segment_of
from driftline.events.record import Source
from driftline.stats.comoments import Comoments
from driftline.stats.pane import MAX_EXTRA, OTHERS, Pane, PaneKey
from driftline.stats.raw import RawRows, joined
from driftline.stats.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from driftline.stats.reference import Reference

FORMAT = 1
RAW_VALUES_PER_PART = 100_000
"""Raw rows are cut into messages of about this many values, some 2 MB at most."""


class WireError(DriftlineError):
    """A message on an internal topic is not ours. Operator action: see who else writes there."""


class UnknownReferenceError(WireError):
    """A pane names a reference that has not been read yet; reading `references` on may mend it."""


@dataclass(frozen=True, slots=True)
class PaneMessage:
    """One pane of one source partition as it crosses the bus.

    ``part`` of ``parts``: raw rows may need several messages; a binned pane is always one.
    """

    key: PaneKey
    source: Source
    part: int
    parts: int
    pane: Pane


def encode_pane(key: PaneKey, source: Source, pane: Pane) -> Iterator[bytes]:
    """Write a pane as one message, or as several where it carries many raw rows."""
    # One block, cut at fixed rows: a pane that is sent again comes in the same parts.
    blocks = list(_parts(joined(pane.raw))) if pane.raw else [[]]
    for part, raw in enumerate(blocks):
        head = part == 0
        body: dict[str, Any] = {
            "v": FORMAT,
            "is": "pane",
            "model": key.model,
            "segment": [list(pair) for pair in key.segment],
            "kind": key.kind,
            "start": key.start,
            "source": str(source),
            "part": part,
            "parts": len(blocks),
            **encode_statistics(pane, raw, head=head),
        }
        yield orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_statistics(pane: Pane, raw: list[RawRows], *, head: bool = True) -> dict[str, Any]:
    """Return a pane's content as JSON values (numpy arrays included, for orjson)."""
    body: dict[str, Any] = {
        "reference": pane.reference.id if pane.reference else None,
        "keep": pane.sample.size,
    }
    if head:
        body |= {
            "events": pane.events,
            "featured": pane.featured,
            "late": pane.late,
            "dead": pane.dead,
            "duplicates": pane.duplicates,
            "unknown": pane.unknown_fields,
            "extra": _bounded(pane.extra),
            **({"versions": _bounded(pane.versions)} if pane.versions else {}),
            **({"arms": _bounded(pane.arms)} if pane.arms else {}),
        }
    if pane.reference:
        body |= {
            "counts": pane.counts,
            "sums": pane.sums if pane.sums.dtype == np.int64 else _big(pane.sums),
            "min": pane.minimum,
            "max": pane.maximum,
            "invalid": pane.invalid,
            "sample": _encode_sample(pane.sample),
        }
        if pane.comoments is not None:
            body["comoments"] = [
                _encode_whole(pane.comoments.rows),
                _encode_whole(pane.comoments.products),
            ]
    if raw:
        body["raw"] = [
            {
                "source": str(block.source),
                "kind": block.kind,
                "ts": block.ts,
                "offset": block.offset,
                "index": block.index,
                "columns": {name: list(values) for name, values in block.columns.items()},
                "featured": block.featured,
                "invalid": block.invalid,
            }
            for block in raw
        ]
    return body


def _bounded(extra: dict[str, int]) -> dict[str, int]:
    names = sorted(extra)
    kept = {name: extra[name] for name in names[:MAX_EXTRA]}
    rest = sum(extra[name] for name in names[MAX_EXTRA:])
    return {**kept, OTHERS: kept.get(OTHERS, 0) + rest} if rest else kept


def _parts(block: RawRows) -> Iterator[list[RawRows]]:
    step = max(1, RAW_VALUES_PER_PART // max(1, len(block.columns)))
    for at in range(0, block.rows, step):
        rows = slice(at, at + step)
        yield [
            RawRows(
                block.source,
                block.kind,
                block.ts[rows],
                block.offset[rows],
                block.index[rows],
                {name: values[rows] for name, values in block.columns.items()},
                None if block.featured is None else block.featured[rows],
                {
                    name: [r - at for r in wrong if at <= r < at + step]
                    for name, wrong in block.invalid.items()
                },
            )
        ]


def decode_pane(body: dict[str, Any], find: Callable[[str, str], Reference | None]) -> PaneMessage:
    """Read what `encode_pane` wrote.

    Parameters
    ----------
    find
        Returns the reference of a model by id; None where it is not known.

    Raises
    ------
    WireError
        Not such a message, of another format, or binned on a reference that nobody published.
    """
    try:
        if body["v"] != FORMAT:
            msg = f"pane: expected format {FORMAT}, got {body['v']!r}"
            raise WireError(msg)
        key = PaneKey(
            body["model"],
            segment_of(body["segment"]),
            body["kind"],
            int(body["start"]),
        )
        source = Source.parse(body["source"])
        pane = decode_statistics(body, key.model, find)
        return PaneMessage(key, source, int(body["part"]), int(body["parts"]), pane)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"pane: expected the fields of format {FORMAT}, got {type(error).__name__}: {error}"
        raise WireError(msg) from error


def decode_statistics(
    body: dict[str, Any], model: str, find: Callable[[str, str], Reference | None]
) -> Pane:
    """Read a pane's content, as `encode_statistics` wrote it."""
    name = body["reference"]
    reference = find(model, name) if name else None
    if name and reference is None:
        msg = f"pane of {model}: binned on reference {name}, which is not on the references topic"
        raise UnknownReferenceError(msg)
    pane = Pane.empty(reference, body["keep"])
    pane.events = dict(body.get("events", {}))
    pane.featured = body.get("featured", 0)
    pane.late = body.get("late", 0)
    pane.dead = body.get("dead", 0)
    pane.duplicates = body.get("duplicates", 0)
    pane.unknown_fields = body.get("unknown", 0)
    pane.extra = dict(body.get("extra", {}))
    pane.versions = dict(body.get("versions", {}))
    pane.arms = dict(body.get("arms", {}))
    if reference:
        pane.counts = np.array(body["counts"], dtype=np.int64)
        pane.sums = _sums(body["sums"]).reshape(pane.sums.shape)
        pane.minimum = _floats(body["min"], np.inf)
        pane.maximum = _floats(body["max"], -np.inf)
        pane.invalid = np.array(body["invalid"], dtype=np.int64)
        if pane.counts.size != int(reference.starts[-1]):
            msg = f"expected {int(reference.starts[-1])} counts, got {pane.counts.size}"
            raise ValueError(msg)
        pane.sample = _decode_sample(body["sample"], body["keep"], len(reference.columns))
        pane.comoments = _decode_comoments(body.get("comoments"), pane.comoments)
    pane.raw = [
        RawRows(
            Source.parse(block["source"]),
            block["kind"],
            block["ts"],
            block["offset"],
            block["index"],
            block["columns"],
            block["featured"],
            block["invalid"],
        )
        for block in body.get("raw", [])
    ]
    return pane


def _big(sums: npt.NDArray[Any]) -> list[list[str]]:
    # A long window's sums may leave int64, where JSON readers differ: write them as text.
    return [[str(value) for value in row] for row in sums]


def _sums(rows: list[list[Any]]) -> npt.NDArray[Any]:
    if rows and rows[0] and isinstance(rows[0][0], str):
        return np.array([[int(value) for value in row] for row in rows], dtype=object)
    return np.array(rows, dtype=np.int64)


def _encode_whole(values: npt.NDArray[np.int64]) -> list[str]:
    """Write integers in as few bytes each as the largest needs: type, and base64."""
    largest = int(np.abs(values).max(initial=0))
    kind = np.min_scalar_type(-largest - 1).newbyteorder("<")
    return [kind.str, base64.b64encode(values.astype(kind).tobytes()).decode()]


def _decode_comoments(body: list[list[str]] | None, like: Comoments | None) -> Comoments | None:
    if body is None or like is None:
        return None  # a window's pane has none
    rows, products = (
        np.frombuffer(base64.b64decode(data), dtype=kind).astype(np.int64) for kind, data in body
    )
    if not rows.size == products.size == like.rows.size:
        msg = f"expected co-moments of {like.rows.size} pairs, got {rows.size}"
        raise ValueError(msg)
    return Comoments(rows, products)


def _floats(values: list[float | None], none: float) -> npt.NDArray[np.float64]:
    return np.array([none if v is None else v for v in values], dtype=np.float64)


def _encode_sample(sample: Sample) -> dict[str, Any]:
    return {
        "seen": sample.seen,
        "rows": sample.rows,
        **{
            name: base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
            for name, array in (
                ("key", sample.key),
                ("ts", sample.ts),
                ("offset", sample.offset),
                ("index", sample.index),
                ("values", sample.values),
            )
        },
    }


def _decode_sample(body: dict[str, Any], keep: int, columns: int) -> Sample:
    def array(name: str, kind: str) -> npt.NDArray[Any]:
        return np.frombuffer(base64.b64decode(body[name]), dtype=kind).copy()

    return Sample(
        keep,
        body["seen"],
        array("key", "<u8"),
        array("ts", "<i8"),
        array("offset", "<i8"),
        array("index", "<i8"),
        array("values", "<f8").reshape(body["rows"], columns),
    )
