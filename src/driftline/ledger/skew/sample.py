"""A bounded sample of mismatched values, by feature, that merges bit for bit.

Of each feature the rows with the smallest hashes are kept: half of them by the prediction's hash,
which makes it a fair sample, half by the entity's, so that they are rows whose `history` is kept as
well. A key that was taken back as often as it came stays with a count of 0: were it dropped, what
is kept would depend on the order of merging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.ledger.skew.rows import Scalar

__all__ = ["MOST_ALIKE", "Mismatch", "chosen_alike", "kept", "most_kept", "read", "write"]

MOST_ENTRIES = 800
"""Entries of all features of a cell together: about 100 kB."""
MOST_OF_FEATURE, LEAST_OF_FEATURE = 64, 2
MOST_ALIKE = 8
MOST_ID, MOST_TEXT = 64, 40
"""Characters of an id, and of a value, that are kept."""
_HASH = 16


class Mismatch(NamedTuple):
    """One feature of one mismatched row.

    Attributes
    ----------
    id
        The prediction's, cut after `MOST_ID` characters.
    entity
        Hash of whom the row is about.
    ts
        Event time of serving, microseconds.
    served, trained
        The two values, None for none; long texts are cut.
    alike
        Other features whose training value in this row is what was served: `MOST_ALIKE` of them.
    """

    id: str
    entity: int
    ts: int
    served: Scalar
    trained: Scalar
    alike: tuple[str, ...]


_Body = tuple[str, int, str | bool | float | None, str | bool | float | None, tuple[str, ...]]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Body).decode


def write(order: int, mismatch: Mismatch) -> str:
    """Return the key of an entry: the hash of its id, that of its entity, and all it says."""
    about, entity, ts, served, trained, alike = mismatch
    body = about[:MOST_ID], ts, _cut(served), _cut(trained), alike
    return f"{order:016x}{entity:016x}{_encode(body).decode()}"


def read(key: str) -> Mismatch:
    """Return what `write` wrote."""
    about, ts, served, trained, alike = _decode(key[2 * _HASH :])
    return Mismatch(about, int(key[_HASH : 2 * _HASH], 16), ts, served, trained, alike)


def most_kept(features: int) -> int:
    """Return how many entries of each of so many mismatched features are kept.

    It is never more for more of them, and a feature that has an entry always keeps one: so what is
    kept of a union has a place in what was kept of its parts.
    """
    share = MOST_ENTRIES // max(features, 1)
    return max(LEAST_OF_FEATURE, min(MOST_OF_FEATURE, share))


def kept(entries: dict[str, int], most: int) -> dict[str, int]:
    """Return the entries to keep, with their counts, by key.

    What is kept of a union is kept of the union of what was kept of its parts, as each half is.
    """
    half = most // 2
    if len(entries) <= half:
        return entries
    names = set(sorted(entries)[:half])
    names.update(sorted(entries, key=lambda key: (key[_HASH : 2 * _HASH], key))[:half])
    return {key: entries[key] for key in names}


def chosen_alike(order: int, names: Iterable[str]) -> tuple[str, ...]:
    """Return some of the names, sorted; others in another row, so that none is never chosen."""
    found = list(names)
    if len(found) > MOST_ALIKE:
        seed = order & 0xFFFFFFFF
        found = sorted(found, key=lambda name: (crc32(name.encode(), seed), name))[:MOST_ALIKE]
    return tuple(sorted(found))


def _cut(value: Scalar) -> Scalar:
    if isinstance(value, str) and len(value) > MOST_TEXT:
        # Two long texts that differ at the end must not read as one.
        return f"{value[: MOST_TEXT - 6]}…{crc32(value.encode()) & 0xFFFF:04x}"
    return value
