"""River's detectors under the roof of the protocol: one for each column, on the panes' samples."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

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
from driftline.detect.river_state import freeze, thaw, version
from driftline.detect.river_table import RIVER
from driftline.detect.state import check, pack, unpack
from driftline.detect.values import Feeds
from driftline.detect.watch import VALUES, Watch
from driftline.detect.wording import describe
from driftline.events.time import format_ts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.detect.protocol import Slot
    from driftline.stats import Reference

FORMAT = 1
CONFIRM_ROWS = 2_000
"""Rows after a detection in which its effect must show itself, or nobody is told of it."""
MAX_DETECTIONS = 64
"""Detections kept for one finding; those after it are counted, not listed."""
LEAST_UNSEEN = 5
LARGEST = 1e100
"""Values beyond this are not fed: their squares overflow and blind a detector for good."""

IDLE, PENDING, RAISED = 0, 1, 2


class RiverDetector:
    """Steps one detector of river for each column on the sampled values, in event-time order.

    Only finite values are fed. With complete samples and ``values: raw`` the detections are those
    of river by hand, at the same events. A detection pages when the counts since the change that it
    points at differ from the reference by the tolerance or more, and by so much more than chance
    that the budget is kept. When that has not shown itself within `CONFIRM_ROWS` rows it is no
    finding; like detections while a finding is open, it is listed in the column's next one.

    Parameters
    ----------
    name
        As in `driftline.detect.river_table.RIVER`.
    parameters
        River's, and ``values``: what is fed, see `driftline.detect.values.Feed`.
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
        given = dict(parameters)
        values = given.pop("values", family.values)
        if values not in {"raw", "standard", "rank", "error"}:
            msg = f"{name}.values: expected raw, standard, rank or error, got {values!r}"
            raise ParameterError(msg)
        for key in given:
            if key not in family.parameters:
                known = ", ".join(sorted(family.parameters | {"values"}))
                msg = f"{name}.{key}: no such parameter, expected one of {known}"
                raise ParameterError(msg)
        columns = reference.columns
        count = len(columns)
        # More than the sample holds is never fed.
        a_slot = reference.events / reference.slots if reference.slots else contract.sample
        allowed = arl * count * max(1.0, min(float(contract.sample), a_slot))
        if family.budget is not None:
            planned = family.budget(allowed)
            if not planned.keys() & given.keys():
                given |= planned
        self._family, self._given = family, given
        self._flipped = family.flipped and values != "raw"
        self._feeds = Feeds(columns, values)
        self._detectors = self._fresh()
        tolerances = Tolerances()
        self._laws = read_laws(reference, contract, tolerances)
        self._scale = EffectScale(self._laws, tolerances)
        # The size that chance shows once in a mean run, over that in the mean (a half normal's).
        self._chance = math.sqrt(2 * math.log(max(2.0, arl * count))) / math.sqrt(2 / math.pi)
        width = self._laws.interior.shape[1] + 2
        self._recent = Recency(count, width)
        self._watch = Watch(count, width)
        self._phase = np.zeros(count, dtype=np.int8)
        self._change = np.zeros(count, dtype=np.int64)
        self._waited = np.zeros(count, dtype=np.int64)
        self._slot_rows = np.zeros(count)
        self._detections: list[list[list[int]]] = [[] for _ in columns]
        self._more = np.zeros(count, dtype=np.int64)

    def _fresh(self) -> list[Any]:
        try:
            return [self._family.build(c.name, self._given) for c in self._reference.columns]
        except (TypeError, ValueError) as error:
            msg = f"{self.name}: {error}"
            raise ParameterError(msg) from error

    def step(self, slot: Slot) -> list[Finding]:
        """Take one slot into account; return what was raised or cleared by it."""
        counts = self._reference.padded(slot.pane)
        rows = counts.sum(axis=1)
        most = int(rows.max())
        if not most:
            return []
        seen = rows > 0
        drift = np.where(self._slot_rows == 0, 1.0, 0.05) * (rows - self._slot_rows)
        self._slot_rows += np.where(seen, drift, 0.0)
        self._recent.add(counts, slot.start, most)
        self._feed(slot, rows)
        findings: list[Finding] = []
        if self._watch.any:
            findings += self._clear(slot, counts)
        pending = np.flatnonzero(self._phase == PENDING)
        if pending.size:
            self._waited[pending] += rows[pending]
            findings += self._judge(slot, pending)
        return findings

    def _feed(self, slot: Slot, rows: npt.NDArray[np.int64]) -> None:
        fed = self._feeds(slot.pane.sample.values)
        if self._flipped:
            fed = 1.0 - fed
        # NaN fails this too: what is missing, or far too large, never reaches river.
        fine = np.abs(fed) <= LARGEST
        all_fine = bool(fine.all())
        for column, detector in enumerate(self._detectors):
            update = detector.update
            kept = None if all_fine else np.flatnonzero(fine[:, column])
            values = fed[:, column] if kept is None else fed[kept, column]
            for k, value in enumerate(values.tolist()):
                update(value)
                if detector.drift_detected:
                    at = k if kept is None else int(kept[k])
                    self._note(slot, column, at, int(rows[column]) / values.size)

    def _note(self, slot: Slot, column: int, at: int, rows_a_value: float) -> None:
        sample = slot.pane.sample
        if len(self._detections[column]) < MAX_DETECTIONS:
            self._detections[column].append(
                [int(sample.ts[at]), int(sample.offset[at]), int(sample.index[at])]
            )
        else:
            self._more[column] += 1
        if self._phase[column] == IDLE:
            self._phase[column] = PENDING
            self._waited[column] = 0
            kept = _kept(self._detectors[column])
            self._change[column] = self._back(column, kept * rows_a_value, slot.start)

    def _back(self, column: int, rows: float, start: int) -> int:
        """Return the start of the bucket in which the last so many rows of a column began."""
        starts, counts = self._recent.buckets(column)
        held = counts.sum(axis=1)[::-1].cumsum()
        if rows <= 0:
            return start
        age = int(np.searchsorted(held, rows))
        return starts[max(0, len(starts) - 1 - age)]

    def _judge(self, slot: Slot, pending: npt.NDArray[np.int64]) -> list[Finding]:
        counts = self._recent.since(pending, self._change[pending])
        inflation = self._inflation(pending)
        effects = self._scale.measure(pending, counts, inflation)
        seen = counts[:, :-1].sum(axis=1).astype(np.float64)
        noise = self._scale.noise(pending, np.maximum(seen, 1.0), inflation)
        large = effects.net[:, :2] >= self._scale.tolerance[pending, :2]
        least = self._chance * noise[:, :2]
        # Where nothing was ever out of range that rate has no noise: ask for a few values.
        least[:, 1] += LEAST_UNSEEN / np.maximum(seen, 1.0)
        sure = np.abs(effects.size[:, :2]) >= least
        worth: npt.NDArray[np.bool_] = np.any(large & sure, axis=1)
        findings = []
        for k, column in enumerate(pending.tolist()):
            late = self._waited[column] >= CONFIRM_ROWS * max(1.0, inflation[k])
            if not worth[k]:
                if late:  # significant, but a trifle; it stays listed for the next finding
                    self._phase[column] = IDLE
                continue
            self._phase[column] = RAISED
            starts, held = self._recent.buckets(column)
            law = values_law(self._laws, column)
            since = likeliest_start(starts, held[:, :-1], law, int(self._change[column])).at
            self._change[column] = since
            findings.append(self._raised(slot, column))
        return findings

    def _raised(self, slot: Slot, column: int) -> Finding:
        where = np.array([column])
        counts = self._recent.since(where, self._change[where])
        inflation = self._inflation(where)
        effects = self._scale.measure(where, counts, inflation)
        self._watch.raised(column, VALUES, effects.net[0], self._scale, float(inflation[0]))
        return self._finding(slot, column, "raised", effects, counts[0], int(self._change[column]))

    def _clear(self, slot: Slot, counts: npt.NDArray[np.int64]) -> list[Finding]:
        everything = np.arange(len(self._detectors))
        findings = []
        for column, _, began, effects, held in self._watch.step(
            counts, slot.start, self._scale, self._inflation(everything)
        ):
            findings.append(self._finding(slot, column, "cleared", effects, held, began))
            if self._phase[column] != PENDING:
                self._phase[column] = IDLE
        return findings

    def _inflation(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        phi = 1 + np.maximum(self._slot_rows[columns] - 1, 0) * self._reference.rho[columns]
        return np.asarray(phi * self._reference.tau[columns])

    def _finding(
        self, slot: Slot, column: int, state: Any, effects: Any, padded: Any, change_point: int
    ) -> Finding:
        about = self._reference.columns[column]
        told = tell(about, effects, self._scale.tolerance[column])
        counts = np.concatenate([padded[: about.bins], padded[-2:]])
        text = describe(about, told.aspect, counts) or "no difference"
        listed, self._detections[column] = self._detections[column], []
        more, self._more[column] = int(self._more[column]), 0
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
                "detections": [
                    {"ts": format_ts(ts), "offset": offset, "index": index}
                    for ts, offset, index in listed
                ],
                "detections_not_listed": more,
                "every_value_seen": slot.pane.sample.complete,
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
            "detectors": [freeze(d) for d in self._detectors],
            "detections": [[list(d) for d in listed] for listed in self._detections],
            "recent": self._recent.snapshot(),
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
                self._detectors = [thaw(data) for data in state["detectors"]]
                self.cold_start = None
            else:
                self._detectors = self._fresh()
                self.cold_start = f"river {state['river']} wrote the snapshot, {version()} runs"
            self._detections = [[list(d) for d in listed] for listed in state["detections"]]
            self._recent.restore(state["recent"])
            self._watch.restore(state["watch"])
            for name in _FIELDS:
                setattr(self, name, unpack(state["arrays"][name], getattr(self, name)))
        except (KeyError, TypeError, pickle.UnpicklingError) as error:
            msg = f"snapshot of {self.name}: {type(error).__name__}: {error}"
            raise StateError(msg) from error


_FIELDS = ("_phase", "_change", "_waited", "_slot_rows", "_more")


def _kept(detector: Any) -> int:
    """Return how many of the last values a detector, in alarm, holds to lie after the change."""
    if hasattr(detector, "width"):
        return int(detector.width)  # ADWIN's window, cut by this very call
    return int(getattr(detector, "stat_size", 0))  # KSWIN's recent part
