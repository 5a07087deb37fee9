"""River's detectors under the roof of the protocol: one for each column, told of by what they mean.

What a detector of river reports is a moment; it neither says what changed nor keeps a promise on
dependent data. Here it decides when to look, and `Confirm` whether anyone is told.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from driftline.detect.aspect import tell
from driftline.detect.effect import EffectScale
from driftline.detect.errors import ParameterError, StateError
from driftline.detect.law import Tolerances, read_laws
from driftline.detect.locate import likeliest_start, values_law
from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.recency import Recency
from driftline.detect.river_confirm import Confirm
from driftline.detect.river_means import SlotMeans
from driftline.detect.river_state import freeze, thaw, version
from driftline.detect.river_table import RIVER
from driftline.detect.state import check, pack, unpack
from driftline.detect.values import FEW, Feed, Feeds, Values, few
from driftline.detect.watch import VALUES, Watch
from driftline.events.time import format_ts
from driftline.stats.wording import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.detect.protocol import Slot
    from driftline.stats import Reference

FORMAT = 2
MAX_DETECTIONS = 64
"""Detections kept for one finding; those after it are counted, not listed."""
LARGEST = 1e100
"""Values beyond this are not fed: their squares overflow and blind a detector for good."""
LEVELS = 6
"""Of `Recency`: a change that lies further back than 250 slots is seen by its last 250."""


class RiverDetector:
    """Steps one detector of river for each column, on means of slots or on sampled values.

    Only finite values are fed, values in event-time order. With complete samples and ``values:
    raw`` the detections are those of river by hand, at the same events. A detection pages when its
    effect shows itself beyond the tolerance and beyond chance, see `Confirm`; while the finding is
    open, more detections of the column are listed in its next one. A detector begins with what the
    reference would have fed it, on the scales that allow it. When a finding is cleared the column's
    detector begins afresh (but for ``raw``), as what it learnt since was the change.

    Parameters
    ----------
    name
        As in `driftline.detect.river_table.RIVER`, which says what each is fed by default.
    parameters
        River's, and ``values``: what is fed, see `driftline.detect.values.Values`.
    arl
        Mean slots to a false page, over all columns.

    Attributes
    ----------
    cold_start
        Why the detectors of a snapshot were not taken up (another version of river), or None.
    """

    def __init__(
        self,
        name: str,
        reference: Reference,
        contract: Contract,
        parameters: Mapping[str, Any],
        arl: float,
    ) -> None:
        self.name = name
        self.cold_start: str | None = None
        self._reference = reference
        family = RIVER[name]
        stated = dict(parameters)
        self._values: Values = stated.pop("values", family.fed(stated))
        if self._values not in get_args(Values):
            known = ", ".join(get_args(Values))
            msg = f"{name}.values: expected one of {known}, got {self._values!r}"
            raise ParameterError(msg)
        for key in stated:
            if key not in family.parameters:
                known = ", ".join(sorted(family.parameters | {"values"}))
                msg = f"{name}.{key}: no such parameter, expected one of {known}"
                raise ParameterError(msg)
        columns = reference.columns
        count = len(columns)
        tolerances = Tolerances()
        self._laws = read_laws(reference, contract, tolerances)
        self._scale = EffectScale(self._laws, tolerances)
        self._means: SlotMeans | None = None
        if self._values == "mean":
            self._means = SlotMeans(reference, self._laws, family.scale)
            fed = float((1 / self._means.span).sum())
        else:
            self._feed = family.scale if self._values == "few" else self._values
            self._feeds = Feeds(columns, self._feed)
            a_slot = reference.events / reference.slots if reference.slots else contract.sample
            # More than the sample holds is never fed.
            most = FEW if self._values == "few" else contract.sample
            fed = count * max(1.0, min(float(most), a_slot))
        self._family = family
        self._given = family.settle(stated, self._values, arl * fed)
        self._flipped = family.flipped and self._values != "raw"
        self._detectors = [self._fresh(column) for column in range(count)]
        width = self._laws.interior.shape[1] + 2
        self._recent = Recency(count, width, LEVELS)
        self._confirm = Confirm(self._scale, arl)
        self._watch = Watch(count, width)
        self._over = np.zeros(count, dtype=np.int64)
        self._slot_rows = np.zeros(count)
        self._detections: list[list[list[int]]] = [[] for _ in columns]
        self._more = np.zeros(count, dtype=np.int64)

    def _fresh(self, column: int) -> Any:
        try:
            detector = self._family.build(self._reference.columns[column].name, self._given)
        except (TypeError, ValueError) as error:
            msg = f"{self.name}: {error}"
            raise ParameterError(msg) from error
        about = self._reference.columns[column]
        usual = self._means.usual() if self._means else Feed(about, self._feed).usual()
        for value in self._turned(usual).tolist():
            detector.update(value)
        return detector

    def step(self, slot: Slot) -> list[Finding]:
        """Take one slot into account; return what was raised or cleared by it."""
        usual, counts = slot.usual
        rows = counts.sum(axis=1)
        most = int(rows.max())
        if not most:
            return []
        drift = np.where(self._slot_rows == 0, 1.0, 0.05) * (rows - self._slot_rows)
        self._slot_rows += np.where(rows > 0, drift, 0.0)
        self._recent.add(counts, slot.start, most)
        if self._means is not None:
            self._feed_means(slot, self._means(usual, slot.pane))
        else:
            self._feed_values(slot, rows)
        inflation = self._inflation()
        findings: list[Finding] = []
        if self._watch.any:
            findings += self._clear(slot, counts, inflation)
        for column, since in self._confirm.step(rows, self._recent, inflation).items():
            findings.append(self._raised(slot, column, since, inflation))
        return findings

    def _feed_means(self, slot: Slot, means: npt.NDArray[np.float64]) -> None:
        for column, value in enumerate(self._turned(means).tolist()):
            if value == value:  # noqa: PLR0124 - NaN: nothing is due
                detector = self._detectors[column]
                detector.update(value)
                if detector.drift_detected:
                    span = int(self._means.span[column]) if self._means else 1
                    self._note(slot, column, [slot.start], span * self._slot_rows[column])

    def _feed_values(self, slot: Slot, rows: npt.NDArray[np.int64]) -> None:
        sample = slot.pane.sample
        fed = self._turned(self._feeds(sample.values))
        # NaN fails this too: what is missing, or far too large, never reaches river.
        fine = np.abs(fed) <= LARGEST
        for column, detector in enumerate(self._detectors):
            update = detector.update
            kept = np.flatnonzero(fine[:, column])
            if self._values == "few":
                kept = kept[few(kept.size)]
            for at, value in zip(kept.tolist(), fed[kept, column].tolist(), strict=True):
                update(value)
                if detector.drift_detected:
                    place = [int(sample.ts[at]), int(sample.offset[at]), int(sample.index[at])]
                    self._note(slot, column, place, int(rows[column]) / kept.size)

    def _turned(self, fed: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1.0 - fed if self._flipped else fed

    def _note(self, slot: Slot, column: int, place: list[int], rows_a_value: float) -> None:
        if len(self._detections[column]) < MAX_DETECTIONS:
            self._detections[column].append(place)
        else:
            self._more[column] += 1
        if not self._watch.open[column, VALUES]:
            kept = _kept(self._detectors[column])
            hint = self._back(column, kept * rows_a_value, slot.start)
            self._confirm.detected(column, self._locate(column, hint))

    def _back(self, column: int, rows: float, start: int) -> int:
        """Return the start of the bucket in which the last so many rows of a column began."""
        starts, counts = self._recent.buckets(column)
        held = counts.sum(axis=1)[::-1].cumsum()
        if rows <= 0:
            return start
        age = int(np.searchsorted(held, rows))
        return starts[max(0, len(starts) - 1 - age)]

    def _locate(self, column: int, hint: int) -> int:
        """Return the likeliest start of a change, given what a detection or trial makes of it.

        ADWIN keeps some forty values whatever they are; and an earlier change that is over, with
        the finding it had, is not to be found again.
        """
        starts, held = self._recent.buckets(column)
        first = min(sum(start < self._over[column] for start in starts), len(starts) - 1)
        law = values_law(self._laws, column)
        hint = max(hint, starts[first])
        return likeliest_start(starts[first:], held[first:, :-1], law, hint).at

    def _raised(
        self, slot: Slot, column: int, since: int, inflation: npt.NDArray[np.float64]
    ) -> Finding:
        began = self._locate(column, since)
        where = np.array([column])
        counts = self._recent.since(where, np.array([began]))
        effects = self._scale.measure(where, counts, inflation[where])
        self._watch.raised(column, VALUES, effects.net[0], self._scale, float(inflation[column]))
        return self._finding(slot, column, "raised", effects, counts[0], began)

    def _clear(
        self, slot: Slot, counts: npt.NDArray[np.int64], inflation: npt.NDArray[np.float64]
    ) -> list[Finding]:
        findings = []
        for column, _, began, effects, held in self._watch.step(
            counts, slot.start, self._scale, inflation
        ):
            findings.append(self._finding(slot, column, "cleared", effects, held, began))
            self._over[column] = began
            if self._values != "raw":
                self._detectors[column] = self._fresh(column)
        return findings

    def _inflation(self) -> npt.NDArray[np.float64]:
        phi = 1 + np.maximum(self._slot_rows - 1, 0) * self._reference.rho
        return np.asarray(phi * self._reference.tau)

    def _finding(
        self, slot: Slot, column: int, state: Any, effects: Any, padded: Any, change_point: int
    ) -> Finding:
        about = self._reference.columns[column]
        told = tell(about, effects, self._scale.tolerance[column])
        counts = np.concatenate([padded[: about.bins], padded[-2:]])
        adjusted = self._reference.season.of(column) is not None
        text = describe(about, told.aspect, counts, adjusted=adjusted) or "no difference"
        listed, self._detections[column] = self._detections[column], []
        more, self._more[column] = int(self._more[column]), 0
        every_value = self._means is not None or slot.pane.sample.complete
        return Finding(
            state=state,
            model=slot.contract.model,
            feature=about.name,
            kind="drift",
            detector=self.name,
            severity="page",
            change_point=int(change_point),
            detected_at=slot.end,
            effect=plain(told.effect),
            effect_unit=told.unit,
            text=text if state == "raised" else f"back inside the reference: {text}",
            evidence={
                "aspect": told.aspect,
                "direction": told.direction,
                "values": self._values,
                "detections": [
                    {"ts": format_ts(place[0]), **dict(zip(_PLACE, place[1:], strict=False))}
                    for place in listed
                ],
                "detections_not_listed": more,
                "every_value_seen": self._values != "few" and every_value,
                "events_since_change": int(padded.sum()),
            },
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "detector": self.name,
            "reference": self._reference.id,
            "river": version(),
            "detectors": freeze(self._detectors),
            "detections": [[list(place) for place in listed] for listed in self._detections],
            "means": self._means.snapshot() if self._means else None,
            "recent": self._recent.snapshot(),
            "confirm": self._confirm.snapshot(),
            "watch": self._watch.snapshot(),
            "arrays": {name: pack(getattr(self, name)) for name in _FIELDS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for any other detector's.

        River's own objects are taken up only from the very version of river that runs; else they
        begin afresh, and `cold_start` says so.
        """
        check(state, format=FORMAT, detector=self.name, reference=self._reference.id)
        try:
            if state["river"] == version():
                self._detectors = thaw(state["detectors"])
                self.cold_start = None
            else:
                self._detectors = [self._fresh(i) for i in range(len(self._detectors))]
                self.cold_start = f"river {state['river']} wrote the snapshot, {version()} runs"
            self._detections = [[list(d) for d in listed] for listed in state["detections"]]
            if self._means is not None:
                self._means.restore(state["means"] or {})
            self._recent.restore(state["recent"])
            self._confirm.restore(state["confirm"])
            self._watch.restore(state["watch"])
            for name in _FIELDS:
                setattr(self, name, unpack(state["arrays"][name], getattr(self, name)))
        except (KeyError, TypeError, pickle.UnpicklingError) as error:
            msg = f"snapshot of {self.name}: {type(error).__name__}: {error}"
            raise StateError(msg) from error


_FIELDS = ("_over", "_slot_rows", "_more")
_PLACE = ("offset", "index")


def _kept(detector: Any) -> int:
    """Return how many of the last values a detector, in alarm, holds to lie after the change."""
    if hasattr(detector, "width"):
        return int(detector.width)  # ADWIN's window, cut by this very call
    return int(getattr(detector, "stat_size", 0))  # KSWIN's recent part
