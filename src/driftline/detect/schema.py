"""The shape of the input: features that vanish, appear or change type."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.errors import StateError
from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.state import check, pack, unpack
from driftline.detect.unread import exceeds
from driftline.stats.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from driftline.detect.protocol import Severity, Slot
    from driftline.stats import Reference

FORMAT = 1
MEMORY_ROWS = 400.0
"""Rows over which shares are taken; a share over a longer stretch notices a fault later."""
LEAST_ROWS = 20
"""Rows that a feature must have been away, or must have come unexpectedly, before that is said."""
TYPE_SHARE = 0.05
"""Share of values of the wrong type above which a feature has changed its type."""
IMPOSSIBLE = 1e-9
"""A feature that is often missing has vanished when its absence would be as unlikely as this."""
BACK_SHARE = 0.5
"""A vanished feature is back when it is present half as often as in the reference."""
MAX_APPEARED = 200
"""Unexpected names that are remembered; a producer may invent one for each event."""


class Schema:
    """Certain things, counted: they draw on no budget and have no false alarms to promise.

    ========= ========================================= ====================================
    aspect    raised                                    cleared
    ========= ========================================= ====================================
    vanished  missing in every row, so often that       present in half the reference's
              chance is ruled out (`IMPOSSIBLE`)        share of a slot's rows
    appeared  a name the reference lacks, in            not in the last `MEMORY_ROWS` rows
              `LEAST_ROWS` rows; a notice
    type      more than `TYPE_SHARE` of the recent      below half of it
              values are of another type
    ========= ========================================= ====================================
    """

    name = "schema"

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        counts = np.array([c.counts[-1] for c in reference.columns], dtype=np.float64)
        rows = np.array([c.counts.sum() for c in reference.columns], dtype=np.float64)
        self._missing = (counts + 1) / (rows + 2)
        self._needed = np.maximum(LEAST_ROWS, math.log(IMPOSSIBLE) / np.log(self._missing))
        size = len(reference.columns)
        self._away = np.zeros(size, dtype=np.int64)
        self._away_since = np.zeros(size, dtype=np.int64)
        self._vanished = np.zeros(size, dtype=np.bool_)
        self._wrong = np.zeros(size)
        self._given = np.zeros(size)
        self._wrong_since = np.zeros(size, dtype=np.int64)
        self._changed = np.zeros(size, dtype=np.bool_)
        # name -> [rows, rows of others since it last came, first start, raised]
        self._appeared: dict[str, list[int]] = {}

    def step(self, slot: Slot) -> list[Finding]:
        """Take one slot into account; return what was raised or cleared by it."""
        counts = slot.counts
        rows = counts.sum(axis=1)
        missing = counts[:, -1]
        return [
            *self._vanish(slot, rows, missing),
            *self._retype(slot, rows, missing),
            *self._appear(slot),
        ]

    def _vanish(
        self, slot: Slot, rows: npt.NDArray[np.int64], missing: npt.NDArray[np.int64]
    ) -> Iterable[Finding]:
        gone = (rows > 0) & (missing == rows)
        np.copyto(self._away_since, slot.start, where=gone & (self._away == 0))
        self._away = np.where(gone, self._away + rows, np.where(rows > 0, 0, self._away))
        # A feature that the producers of wrong types ruin is not away: it changed its type.
        typed = slot.pane.invalid < rows
        for i in np.flatnonzero((self._away >= self._needed) & ~self._vanished & typed).tolist():
            self._vanished[i] = True
            was = percent(1 - float(self._missing[i]))
            yield self._finding(
                slot,
                "raised",
                i,
                "vanished",
                int(self._away_since[i]),
                1 - float(self._missing[i]),
                f"missing in each of the last {int(self._away[i])} rows; was present in {was}",
            )
        share = 1 - missing / np.maximum(rows, 1)
        back = self._vanished & (rows > 0) & (share >= BACK_SHARE * (1 - self._missing))
        for i in np.flatnonzero(back).tolist():
            self._vanished[i] = False
            yield self._finding(
                slot,
                "cleared",
                i,
                "vanished",
                slot.start,
                float(share[i]),
                f"present again in {percent(float(share[i]))} of rows",
            )

    def _retype(
        self, slot: Slot, rows: npt.NDArray[np.int64], missing: npt.NDArray[np.int64]
    ) -> Iterable[Finding]:
        invalid = slot.pane.invalid
        if not (invalid.any() or self._wrong.any()):
            return
        given = rows - missing + invalid
        kept = np.exp(-given / MEMORY_ROWS)
        np.copyto(self._wrong_since, slot.start, where=(self._wrong < 1) & (invalid > 0))
        self._wrong = self._wrong * kept + invalid
        self._wrong[self._wrong < 1e-3] = 0.0
        self._given = self._given * kept + given
        share = self._wrong / np.maximum(self._given, 1.0)
        raised = ~self._changed & exceeds(self._wrong, self._given, TYPE_SHARE)
        cleared = self._changed & (share < TYPE_SHARE / 2)
        for i in np.flatnonzero(raised | cleared).tolist():
            self._changed[i] = bool(raised[i])
            kind = self._reference.columns[i].kind
            yield self._finding(
                slot,
                "raised" if raised[i] else "cleared",
                i,
                "type",
                int(self._wrong_since[i]) if raised[i] else slot.start,
                float(share[i]),
                f"{percent(float(share[i]))} of the recent values are not {kind}",
            )

    def _appear(self, slot: Slot) -> Iterable[Finding]:
        extra, rows = slot.pane.extra, slot.pane.rows
        for name in sorted(extra):
            held = self._appeared.get(name)
            if held is None:
                if len(self._appeared) >= MAX_APPEARED:
                    continue
                held = self._appeared[name] = [0, 0, slot.start, 0]
            held[0] += extra[name]
            held[1] = 0
            if held[0] >= LEAST_ROWS and not held[3]:
                held[3] = 1
                share = extra[name] / max(1, rows)
                yield self._finding(
                    slot,
                    "raised",
                    name,
                    "appeared",
                    held[2],
                    share,
                    f"a feature that the reference does not hold, in {percent(share)} of rows",
                    severity="notice",
                )
        for name in sorted(set(self._appeared) - set(extra)):
            held = self._appeared[name]
            held[1] += rows
            if held[1] >= MEMORY_ROWS:
                del self._appeared[name]
                if held[3]:
                    yield self._finding(
                        slot,
                        "cleared",
                        name,
                        "appeared",
                        slot.start,
                        0.0,
                        f"not in the last {held[1]} rows",
                        severity="notice",
                    )

    def _finding(
        self,
        slot: Slot,
        state: Any,
        about: int | str | None,
        aspect: str,
        change_point: int,
        effect: float,
        text: str,
        severity: Severity = "page",
    ) -> Finding:
        feature = self._reference.columns[about].name if isinstance(about, int) else about
        return Finding(
            state=state,
            model=slot.contract.model,
            feature=feature,
            kind="schema",
            detector=self.name,
            severity=severity,
            change_point=change_point,
            detected_at=slot.end,
            effect=plain(effect),
            effect_unit="rate",
            text=text,
            evidence={"aspect": aspect},
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "detector": self.name,
            "reference": self._reference.id,
            "arrays": {name: pack(getattr(self, name)) for name in _FIELDS},
            "appeared": {name: list(held) for name, held in self._appeared.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for any other detector's."""
        check(state, format=FORMAT, detector=self.name, reference=self._reference.id)
        try:
            for name in _FIELDS:
                setattr(self, name, unpack(state["arrays"][name], getattr(self, name)))
            self._appeared = {name: list(held) for name, held in state["appeared"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"snapshot of {self.name}: {type(error).__name__}: {error}"
            raise StateError(msg) from error


_FIELDS = (
    "_away",
    "_away_since",
    "_vanished",
    "_wrong",
    "_given",
    "_wrong_since",
    "_changed",
)
