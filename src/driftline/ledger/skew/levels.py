"""Values that were taken for others, one by one: spelling, codes, defaults."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from driftline.ledger.skew.cases import Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from driftline.ledger.skew.cases import Cases
    from driftline.ledger.skew.rows import Scalar

__all__ = ["default", "encoding", "said", "spelling"]

MOST_TOLD = 3


def spelling(cases: Cases) -> Iterator[Explanation]:
    """Explain by letters of another case, by blanks, or by numbers written as text."""
    both = list(zip(cases.served, cases.trained, strict=True))
    for text, alike in _SPELLINGS:
        told = np.array(
            [isinstance(s, str) and isinstance(t, str) and alike(s, t) for s, t in both]
        )
        yield Explanation("case", text, told, cost=3.0)
    told = np.array([_as_text(s, t) for s, t in both])
    yield Explanation("encoding", "served as text what training has as a number", told, cost=4.0)
    told = np.array([_as_text(t, s) for s, t in both])
    yield Explanation("encoding", "served as a number what training has as text", told, cost=4.0)


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


_SPELLINGS: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ("served in lower case", lambda s, t: s == t.lower()),
    ("served in upper case", lambda s, t: s == t.upper()),
    ("served in letters of another case", lambda s, t: s.casefold() == t.casefold()),
    ("served with blanks around it", lambda s, t: s.strip() == t),
    ("served without the blanks around it", lambda s, t: s == t.strip()),
    ("served in another spelling (case, blanks or accents)", lambda s, t: _folded(s) == _folded(t)),
)


def _as_text(text: Scalar, number: Scalar) -> bool:
    if not isinstance(text, str) or type(number) is not float:
        return False
    try:
        return float(text) == number
    except ValueError:
        return False


def encoding(cases: Cases) -> Iterator[Explanation]:
    """Explain by a code: what is served for each training value, another one for each."""
    pairs = Counter(
        (s, t)
        for s, t in zip(cases.served, cases.trained, strict=True)
        if s is not None and t is not None
    )
    code: dict[Scalar, Scalar] = {}
    for (served, trained), _ in sorted(pairs.items(), key=lambda each: (-each[1], repr(each[0]))):
        if trained not in code and served not in code.values():
            code[trained] = served
    told = np.array(
        [
            t in code and code[t] == s and s is not None
            for s, t in zip(cases.served, cases.trained, strict=True)
        ],
        dtype=np.bool_,
    )
    if not code:
        return
    shown = list(code.items())[:MOST_TOLD]
    text = "served " + ", ".join(f"{said(s)} for {said(t)}" for t, s in shown)
    text += ", …" if len(code) > MOST_TOLD else ""
    details = {"code": [[t, s] for t, s in list(code.items())[:20]]}
    yield Explanation("encoding", text, told, learnt=len(code), cost=1.0, details=details)


def default(cases: Cases) -> Iterator[Explanation]:
    """Explain by one value that was served for several."""
    there = [s for s, t in zip(cases.served, cases.trained, strict=True) if None not in (s, t)]
    if not there:
        return
    value = Counter(there).most_common(1)[0][0]
    told = np.array(
        [
            t is not None and type(s) is type(value) and s == value
            for s, t in zip(cases.served, cases.trained, strict=True)
        ],
        dtype=np.bool_,
    )
    if len({t for t, is_told in zip(cases.trained, told.tolist(), strict=True) if is_told}) < 2:
        return
    text = f"served {said(value)} whatever training has"
    yield Explanation("default", text, told, learnt=1, cost=1.0, details={"value": value})


def said(value: Scalar) -> str:
    """Return a value as it is put into a sentence."""
    if value is None:
        return "nothing"
    if type(value) is float:
        return f"{value:.7g}"
    return f"'{value}'" if isinstance(value, str) else str(value).lower()
