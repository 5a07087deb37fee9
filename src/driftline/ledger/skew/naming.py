"""What kind of mistake the mismatched rows of a feature are, in words.

The rule: an explanation must explain `LEAST_ROWS` rows, two thirds of those that it is about, and
save `LEAST_BITS` (see `driftline.ledger.skew.cases`). The one that saves most wins; but if others
explain as many rows and save at most `MARGIN` bits less, the first of them in `KINDS`, which stand
from the plainest to the boldest. Rows on which one side has no value are told apart before: where
they are two thirds, that is the mistake, unless it is an old value that was served. What nothing
explains is tried once more at half a per cent, and is "other" in the end, told by its size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.ledger.skew.cases import LEAST_BITS, LEAST_SHARE, Cases, Explanation, Kind, Marks
from driftline.ledger.skew.levels import default, encoding, said, spelling
from driftline.ledger.skew.numbers import affine, factor, shift
from driftline.ledger.skew.rounding import rounding
from driftline.stats.wording import number, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from driftline.ledger.skew.rows import Scalar

__all__ = ["KINDS", "Name", "name_of"]

KINDS: tuple[Kind, ...] = (
    "case", "rounding", "factor", "shift", "affine", "encoding", "default", "permuted", "stale",
)  # fmt: skip
MARGIN = 10.0


@dataclass(frozen=True, slots=True)
class Name:
    """What is wrong with a feature.

    Attributes
    ----------
    text
        In words, to go on with "in 2 % of the pairs".
    explained
        Which rows it is true of, bool of shape (n,).
    details
        Its figures, JSON values.
    size
        See `Cases.size`.
    """

    kind: Kind
    text: str
    explained: Marks
    details: dict[str, Any] = field(default_factory=dict)
    size: float | None = None


def name_of(cases: Cases) -> Name:
    """Return the best explanation of at least one row. About 2 ms for 64 rows."""
    # Values may be as large as numbers go: what overflows explains nothing.
    with np.errstate(all="ignore"):
        return replace(_name_of(cases), size=cases.size)


def _name_of(cases: Cases) -> Name:
    filled = np.array([value is None for value in cases.trained], dtype=np.bool_)
    lost = np.array([value is None for value in cases.served], dtype=np.bool_)
    if lost.mean() >= LEAST_SHARE:
        return Name("lost", "served nothing where training has a value", lost)
    if filled.mean() >= LEAST_SHARE:
        value, count = Counter(_rows(cases.served, filled)).most_common(1)[0]
        if count >= LEAST_SHARE * filled.sum():
            text = f"served {said(value)} where training has nothing"
            return Name("filled", text, filled, {"value": value})
        old = _best(cases, (*_permuted(cases), *_stale(cases)))
        if old is not None:
            return _named(old)
        return Name("filled", "served values where training has nothing", filled)
    best = _best(cases, _all(cases))
    if best is not None:
        return _named(best)
    rough = cases.loosely()
    best = _best(rough, (*factor(rough), *shift(rough)))
    if best is not None:
        text = best.text.replace("served ", "served about ", 1)
        return Name(best.kind, text, best.explained, {**best.details, "rough": True})
    return Name("other", _other(cases), np.ones(len(cases), dtype=np.bool_))


def _all(cases: Cases) -> Iterator[Explanation]:
    for explain in (spelling, rounding, factor, shift, affine, encoding, default):
        yield from explain(cases)
    yield from _permuted(cases)
    yield from _stale(cases)


def _best(cases: Cases, found: Iterable[Explanation]) -> Explanation | None:
    saved = [(each.saved(cases), each) for each in found]
    most, best = max(saved, key=lambda each: each[0], default=(0.0, None))
    if best is None or most < LEAST_BITS:
        return None
    rows = int(best.explained.sum())
    good = [e for bits, e in saved if bits >= most - MARGIN and e.explained.sum() >= rows]
    return min(good, key=lambda each: KINDS.index(each.kind))


def _named(found: Explanation) -> Name:
    return Name(found.kind, found.text, found.explained, found.details)


def _permuted(cases: Cases) -> Iterator[Explanation]:
    """Explain by another feature's value that was served in place of its own."""
    often = Counter(name for names in cases.alike for name in names)
    for other, _ in sorted(often.items(), key=lambda each: (-each[1], each[0]))[:1]:
        told = np.array([other in names for names in cases.alike], dtype=np.bool_)
        text = f"served the training value of {other}"
        details = {"feature": other}
        yield Explanation("permuted", text, told, cost=log2(cases.features + 1), details=details)


def _stale(cases: Cases) -> Iterator[Explanation]:
    """Explain by what the entity's value was before: the same version in all rows, or any."""
    asked = np.array([back is not None for back in cases.back], dtype=np.bool_)
    back = np.array([back or 0 for back in cases.back], dtype=np.int64)
    told = back > 0
    if not told.any():
        return
    versions = back[told]
    usual = int(np.bincount(versions).argmax())
    which = "its last value" if usual == 1 else f"its last value but {usual - 1}"
    details = {"versions_back": usual, "of_known": int(asked.sum())}
    # Which version takes bits too: once, or for every row.
    bits = np.log2(versions * (versions + 1.0))
    always = float(np.log2(usual * (usual + 1.0)))
    for rows, cost, often in (
        (back == usual, always, which),
        (told, float(bits.sum()), f"mostly {which}"),
    ):
        text = f"served an old value of the same entity ({often})"
        yield Explanation("stale", text, rows, 0, cost, asked, details=details)


def _rows(values: list[Scalar], chosen: Marks) -> list[Scalar]:
    return [value for value, is_chosen in zip(values, chosen.tolist(), strict=True) if is_chosen]


def _other(cases: Cases) -> str:
    served, trained = cases.numbers
    both = np.isfinite(served) & np.isfinite(trained)
    if both.sum() * 2 >= len(cases):
        far = np.abs(served - trained)[both]
        size = np.abs(trained)[both]
        text = f"served another value, {number(float(np.median(far)))} off at the median"
        if (size > 0).all():
            text += f" ({percent(float(np.median(far / size)))})"
        return text
    pairs = Counter(zip(cases.served, cases.trained, strict=True))
    (told, right), _ = pairs.most_common(1)[0]
    return f"served another value, most often {said(told)} for {said(right)}"
