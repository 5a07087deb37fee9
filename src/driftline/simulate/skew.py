"""Training-serving skew: some rows are served otherwise than training recomputes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from driftline.simulate.encode import number_tokens, tokens
from driftline.simulate.mistakes import Mistake, read_mistake, respelt
from driftline.simulate.place import Place

if TYPE_CHECKING:
    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.faults import Fault
    from driftline.simulate.features import Columns, Feature
    from driftline.simulate.place import Marks, Rows
    from driftline.simulate.traffic import Traffic

__all__ = ["SkewPlanter"]

# Nearer than this a number is the same to whoever compares the rows.
RTOL, ATOL = 1e-6, 1e-9


class _Wrong(NamedTuple):
    """A feature served wrongly in all rows: where that differs, as a column and as it is sent."""

    able: Marks
    column: npt.NDArray[Any]
    sent: npt.NDArray[np.object_] | None
    """None: the column's own numbers."""


class SkewPlanter:
    """Serves some rows of a feature wrongly, chunk by chunk in order of time.

    Of the rows that the mistake makes a difference to (a null for ``null=0``, an entity that was
    there before with another value for ``stale``), each is served wrongly with the fault's share
    as its probability. A mistake is made with the value as training has it, to the digits that are
    sent, so that it can be told from the pair of both.

    Parameters
    ----------
    start
        The scenario's start, microseconds since the epoch.

    Notes
    -----
    For ``stale``, holds one value for each entity.
    """

    def __init__(self, fault: Fault, model: Traffic, start: int) -> None:
        self.fault = fault
        self._place = Place(fault, model, start)
        feature, mistake = model.feature(fault.feature or ""), read_mistake(fault.form or "")
        assert feature is not None
        assert mistake is not None
        self._feature = feature
        if mistake.in_sd:
            mistake = mistake._replace(size=mistake.size * model.moments[feature.name].sd)
        self._mistake = mistake
        self._other = model.feature(mistake.value) if mistake.how == "swap" else None
        self._last = np.full(model.entities, np.nan if feature.counted else -1)
        self._changed: list[tuple[str, npt.NDArray[np.int64], Tokens]] = []

    def change(self, served: Columns, rows: Rows) -> None:
        """Change the served columns in place, and keep what is to be sent of them for `send`."""
        self._changed = []
        feature, other = self._feature, self._other
        told = feature.sent(rows.world[feature.name])
        beside = told
        if self._mistake.how == "stale":
            beside = self._before(told, rows.entities)
        elif other is not None:
            beside = other.sent(rows.world[other.name])
        wrong = {feature: _served(feature, self._mistake, told, beside, other or feature)}
        if other is not None:
            wrong[other] = _served(other, self._mistake, beside, told, feature)
        chosen = self._place.rows(rows.ts, rows.world)
        chosen &= rows.rng(str(self.fault)).random(rows.size) < self.fault.share
        chosen &= wrong[feature].able
        at = np.flatnonzero(chosen)
        for each, found in wrong.items():
            served[each.name] = np.where(chosen, found.column, served[each.name])
            sent = found.sent
            telling = number_tokens(found.column[at]) if sent is None else sent[at].tolist()
            self._changed.append((each.name, at, telling))

    def send(self, fields: dict[str, Tokens]) -> None:
        """Put what is sent in the place of encoded values."""
        for name, rows, found in self._changed:
            column = list(fields[name])
            for row, token in zip(rows.tolist(), found, strict=True):
                column[row] = token
            fields[name] = column

    def _before(self, told: npt.NDArray[Any], entities: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return what each row's entity had in the row before, missing where there was none."""
        order = np.argsort(entities, kind="stable")
        who, value = entities[order], told[order]
        again = np.zeros(who.size, dtype=np.bool_)
        again[1:] = who[1:] == who[:-1]
        before = self._last[who]
        before[1:] = np.where(again[1:], value[:-1], before[1:])
        last = np.ones(who.size, dtype=np.bool_)
        last[:-1] = ~again[1:]
        self._last[who[last]] = value[last]
        out = np.empty_like(before)
        out[order] = before
        return out if self._feature.counted else out.astype(np.int64)


def _served(
    feature: Feature,
    mistake: Mistake,
    told: npt.NDArray[Any],
    beside: npt.NDArray[Any],
    of: Feature,
) -> _Wrong:
    """Serve a feature wrongly in all rows.

    Parameters
    ----------
    told
        As training has it.
    beside, of
        What is served in its place where the mistake is to take one value for another, and the
        feature that it is a value of.
    """
    if feature.counted:
        return _numbers(mistake, told, beside)
    return _levels(feature, mistake, told, beside, of)


def _numbers(
    mistake: Mistake, told: npt.NDArray[np.float64], beside: npt.NDArray[np.float64]
) -> _Wrong:
    there = ~np.isnan(told)
    match mistake.how:
        case "factor":
            out = told * mistake.size
        case "shift":
            out = told + mistake.size
        case "round":
            out = np.round(told / mistake.size) * mistake.size
        case "null":
            return _Wrong(~there, np.full(told.size, float(mistake.value)), None)
        case "lost":
            return _Wrong(there, np.full(told.size, np.nan), None)
        case "default":
            out = np.full(told.size, float(mistake.value))
        case _:
            out = beside
    same = np.isclose(out, told, rtol=RTOL, atol=ATOL)
    return _Wrong(there & ~np.isnan(out) & ~same, out, None)


def _levels(
    feature: Feature,
    mistake: Mistake,
    told: npt.NDArray[np.int64],
    beside: npt.NDArray[np.int64],
    of: Feature,
) -> _Wrong:
    there, how = told >= 0, mistake.how
    words: list[Any] = list(of.words)
    source = beside
    if how in {"lower", "upper", "code"}:
        words[: len(feature.levels)] = respelt(how, feature.levels)
    elif how in {"null", "default", "lost"}:
        value: Any = mistake.value if how != "lost" else None
        if feature.kind == "boolean" and value is not None:
            value = value == "true"
        words, source = [value], np.zeros(told.size, dtype=np.int64)
    own = {word: code for code, word in enumerate(feature.words)}
    unknown = len(feature.words) - 1
    codes = np.array([-1 if w is None else own.get(w, unknown) for w in words] + [-1])
    table = np.empty(len(words) + 1, dtype=object)
    table[:] = tokens([*words, None])
    column = codes[source]
    able = there & (source >= 0) & (column != told)
    if how == "null":
        able = ~there
    return _Wrong(able, column, table[source])
