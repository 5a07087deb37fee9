"""The default detector: a sequential test of every column's histogram against the reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from driftline.detect.aspect import Told, tell, tell_missing
from driftline.detect.bets import BETS, FIXED, LEARN, UNSEEN, Aspect, place_bets
from driftline.detect.bets import MISSING as MISSING_BETS
from driftline.detect.budget import notice_gain
from driftline.detect.effect import Effects, EffectScale
from driftline.detect.law import Tolerances, read_laws
from driftline.detect.locate import Start, likeliest_start, presence_law, values_law
from driftline.detect.naming import name_cause
from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.recency import Recency
from driftline.detect.state import check, pack, unpack
from driftline.detect.watch import MISSING, VALUES, Watch
from driftline.detect.wealth import Wealth
from driftline.events.time import format_ts
from driftline.stats.wording import describe

if TYPE_CHECKING:
    from collections.abc import Collection

    from driftline.contract import Contract
    from driftline.detect.protocol import FindingKind, Severity, Slot
    from driftline.stats import Reference

FORMAT = 2
FADED = 0.05
"""Part of a notice's threshold below which its evidence counts as gone."""
ALL_ASPECTS: tuple[Aspect, ...] = ("missing", "unseen", "values")

UNIT_BETS = np.zeros((2, BETS), dtype=np.bool_)
UNIT_BETS[MISSING, MISSING_BETS] = True
for _group in (UNSEEN, FIXED, LEARN):
    UNIT_BETS[VALUES, _group] = True


class Evidence:
    """Bets on many changes of every column at once, and rings when they have won enough.

    Each slot's counts are split into missing against present, unseen against seen, and the bins
    inside the reference's range; fixed bets (shifted, stretched, rarer, more often missing, …) and
    bets learnt from earlier slots are placed on each, against the reference with a margin for its
    own size and for a part of the tolerance. Log ratios are divided by the reference's
    overdispersion and correlation time. The evidence of a model is the mean over its columns,
    weighted by importance.

    A column is raised when the evidence of the model has reached the mean run length *and* the
    column's own part is large *and* its effect, beyond chance, is at least the tolerance. A column
    has at most one open finding of kind "drift" and one of kind "missing"; see `Watch` for when
    they are cleared, after which the column's bets start from nothing.

    Before it is a page, what has reached the looser threshold of the contract's notices, if it has
    any, is raised as a notice; it becomes a page, or is cleared when its evidence has faded.

    Parameters
    ----------
    arl
        Mean slots to a false alarm, over all columns together. Larger: fewer false alarms, delays
        longer by the logarithm.
    aspects
        What is judged; "missing", "unseen" (which is "range" for numbers) and "values".
    only
        Columns that are judged at all, by kind; None for all.

    Attributes
    ----------
    standing
        After a slot, how far the evidence of each column has come, shape (columns,): its logarithm
        (Shiryaev-Roberts, weighed by importance) as a part of the threshold's, so that 1 rings by
        itself. NaN where a column is not judged, None where the slot had no rows. Of the last slot
        alone, and so no state.

    Notes
    -----
    Measured: about 0.2 ms a slot for 20 columns, 0.4 ms for 100, 2 ms for 1,000; state 2.8 kB a
    column, 7 kB where some column has 50 levels (all are kept as wide as the widest).

    References
    ----------
    Shin, Ramdas, Rinaldo (2022), E-detectors: a nonparametric framework for sequential change
    detection. Wang, Ramdas (2022), False discovery rate control with e-values.
    """

    def __init__(
        self,
        reference: Reference,
        contract: Contract,
        arl: float,
        *,
        name: str = "evidence",
        aspects: Collection[Aspect] = ALL_ASPECTS,
        only: Collection[str] | None = None,
        tolerances: Tolerances | None = None,
    ) -> None:
        self.name = name
        self._reference = reference
        self._log_arl = math.log(arl)
        tolerances = tolerances or Tolerances()
        laws = read_laws(reference, contract, tolerances)
        self._laws = laws
        self._scale = EffectScale(laws, tolerances)
        self._unseen_aspect = "unseen" in aspects
        self._values_aspect = "values" in aspects
        table = place_bets(laws, aspects)
        stake = np.array(
            [
                contract.feature(c.name).importance if only is None or c.kind in only else 0.0
                for c in laws.columns
            ]
        )
        # Of a column that no row told of (in a segment, that is) nothing is known to bet against.
        told = np.array([bool(c.counts.any()) for c in laws.columns])
        stake = np.maximum(stake, 0.0) * table.active.any(axis=1) * told
        with np.errstate(divide="ignore"):
            self._log_stake = np.log(stake / max(stake.sum(), 1e-300))
        self._weight = np.exp(table.log_weight + self._log_stake[:, None])
        self._weight_of_alarm = self._weight / arl
        self._noticing = notice_gain(contract)
        self._noticed = np.zeros((len(laws.columns), 2), dtype=np.bool_)
        width = laws.interior.shape[1] + 2
        self._wealth = Wealth(
            laws, table, reference.rho, reference.tau, self._log_arl - self._log_stake
        )
        self._recent = Recency(len(laws.columns), width)
        self._watch = Watch(len(laws.columns), width)
        self.standing: npt.NDArray[np.float64] | None = None

    def step(self, slot: Slot) -> list[Finding]:
        """Take one slot into account; return what was raised or cleared by it."""
        usual, counts = slot.usual
        rows = int(counts.sum(axis=1).max())
        self.standing = None
        if not rows:
            return []
        blocked = None
        if self._watch.any:
            blocked = self._watch.open[:, 0, None] & UNIT_BETS[0]
            blocked |= self._watch.open[:, 1, None] & UNIT_BETS[1]
        self._wealth.step(usual, slot.start, blocked)
        self._recent.add(counts, slot.start, rows)
        findings = self._clear(slot, counts) if blocked is not None else []
        share = self._wealth.held * self._weight_of_alarm
        if self._noticed.any():
            findings += self._let_go(slot, share * self._noticing)
        own = share.sum(axis=1)
        with np.errstate(divide="ignore"):
            come = np.maximum(1 + np.log(own) / self._log_arl, 0.0)
        self.standing = np.where(np.isfinite(self._log_stake), come, np.nan)
        total = own.sum()
        if total >= 1:
            findings += self._raise(slot, share, "page")
        elif total * self._noticing >= 1:
            findings += self._raise(slot, share * self._noticing, "notice")
        return findings

    def _raise(
        self, slot: Slot, share: npt.NDArray[np.float64], severity: Severity
    ) -> list[Finding]:
        """Raise the columns that carry the alarm, if their effects are worth it."""
        by_unit = share @ UNIT_BETS.T
        strong = by_unit >= by_unit.sum() * 1e-6
        if severity == "notice":
            strong &= ~self._noticed
        columns, units = np.nonzero(strong)
        if not columns.size:
            return []
        part = by_unit[columns, units]
        own = np.where(UNIT_BETS[units], share[columns], -1.0)
        best = own.argmax(axis=1)
        moments = self._wealth.since[columns, best]
        counts = self._recent.since(columns, moments)
        effects = self._scale.measure(columns, counts, self._wealth.inflation(columns))
        worth = self._worth(effects, columns, units)
        kept = np.flatnonzero(worth)
        if not kept.size or part[kept].sum() < 1:
            return []  # certain, but too small to wake anyone: the evidence stands and waits
        order = kept[np.argsort(-part[kept], kind="stable")]
        # The k strongest are named when each holds a k-th of the threshold (e-BH); the strongest is
        # named in any case, as the sum rang.
        enough = np.flatnonzero(part[order] * np.arange(1, order.size + 1) >= 1)
        named = order[: int(enough[-1]) + 1 if enough.size else 1]
        total = float(part[kept].sum())
        findings = []
        for rank, k in enumerate(named.tolist(), 1):
            column, unit = int(columns[k]), int(units[k])
            finding = self._finding(
                slot, column, unit, int(best[k]), rank, float(part[k]) / total, severity
            )
            findings.append(finding)
            self._noticed[column, unit] = severity == "notice"
            if severity == "page":
                self._wealth.forget(columns[k : k + 1], UNIT_BETS[unit])
        return findings

    def _let_go(self, slot: Slot, share: npt.NDArray[np.float64]) -> list[Finding]:
        """Clear notices whose evidence has gone down again before it was a page."""
        gone = self._noticed & (share @ UNIT_BETS.T < FADED)
        findings = []
        for column, unit in np.argwhere(gone).tolist():
            self._noticed[column, unit] = False
            told = Told("missing" if unit == MISSING else "values", "back", 0.0, "none")
            findings.append(
                self._make(
                    slot,
                    "cleared",
                    column,
                    unit,
                    slot.start,
                    told,
                    "back inside the reference: the evidence has faded",
                    severity="notice",
                    log_e=None,
                    evidence={},
                )
            )
        return findings

    def _worth(
        self, effects: Effects, columns: npt.NDArray[np.int64], units: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        relative = effects.net / self._scale.tolerance[columns]
        relative[:, 1] = np.where(effects.size[:, 1] > 0, relative[:, 1], 0.0)
        if not self._unseen_aspect:
            relative[:, 1] = 0.0
        if not self._values_aspect:
            relative[:, 0] = 0.0
        values = relative[:, :2].max(axis=1)
        return np.asarray(np.where(units == MISSING, relative[:, 2], values) >= 1)

    def _finding(
        self,
        slot: Slot,
        column: int,
        unit: int,
        bet: int,
        rank: int,
        contribution: float,
        severity: Severity,
    ) -> Finding:
        where = np.array([column])
        inflation = self._wealth.inflation(where)
        began = self._change_point(column, unit, bet, float(inflation[0]))
        since = began.at
        counts = self._recent.since(where, np.array([since]))
        effects = self._scale.measure(where, counts, inflation)
        if severity == "page":
            self._watch.raised(column, unit, effects.net[0], self._scale, float(inflation[0]))
        told = self._tell(column, unit, effects)
        about = self._laws.columns[column]
        own = self._trim(column, counts[0])
        values = slot.pane.sample.values
        sampled = values[:, column] if values.shape[0] else np.empty(0)
        named = name_cause(about, told, own, sampled)
        adjusted = self._reference.season.of(column) is not None
        text = named.text if named else describe(about, told.aspect, own, adjusted=adjusted)
        told = named.told if named else told
        mine = UNIT_BETS[unit]
        e = float((self._wealth.held[column, mine] * self._weight[column, mine]).sum())
        log_e = math.log(max(e, 1e-300)) - float(self._log_stake[column])
        return self._make(
            slot,
            "raised",
            column,
            unit,
            since,
            told,
            text,
            severity=severity,
            log_e=plain(log_e),
            evidence={
                "aspect": told.aspect,
                "direction": told.direction,
                "change_point_interval": [format_ts(began.earliest), format_ts(began.latest)],
                "rank": rank,
                "contribution": plain(contribution),
                "log_threshold": plain(self._log_arl),
                "events_since_change": int(counts[0].sum()),
                "reference_events": self._reference.events,
            },
        )

    def _clear(self, slot: Slot, counts: npt.NDArray[np.int64]) -> list[Finding]:
        everything = np.arange(len(self._laws.columns))
        inflation = self._wealth.inflation(everything)
        findings = []
        for column, unit, began, effects, held in self._watch.step(
            counts, slot.start, self._scale, inflation
        ):
            told = self._tell(column, unit, effects)
            about = self._laws.columns[column], told.aspect, self._trim(column, held)
            adjusted = self._reference.season.of(column) is not None
            text = describe(*about, adjusted=adjusted) or "no difference"
            text = f"back inside the reference: {text}"
            findings.append(
                self._make(
                    slot,
                    "cleared",
                    column,
                    unit,
                    began,
                    told,
                    text,
                    log_e=None,
                    evidence={
                        "aspect": told.aspect,
                        "direction": told.direction,
                        "events": int(held.sum()),
                    },
                )
            )
        return findings

    def _make(
        self,
        slot: Slot,
        state: Any,
        column: int,
        unit: int,
        change_point: int,
        told: Told,
        text: str,
        *,
        severity: Severity = "page",
        log_e: float | None,
        evidence: dict[str, Any],
    ) -> Finding:
        kind: FindingKind = "missing" if unit == MISSING else "drift"
        return Finding(
            state=state,
            model=slot.contract.model,
            feature=self._laws.columns[column].name,
            kind=kind,
            detector=self.name,
            severity=severity,
            change_point=change_point,
            detected_at=slot.end,
            effect=plain(told.effect),
            effect_unit=told.unit,
            text=text,
            log_e=log_e,
            evidence=evidence,
        )

    def _tell(self, column: int, unit: int, effects: Effects) -> Told:
        if unit == MISSING:
            return tell_missing(effects)
        return tell(
            self._laws.columns[column],
            effects,
            self._scale.tolerance[column],
            values=self._values_aspect,
            unseen=self._unseen_aspect,
        )

    def _change_point(self, column: int, unit: int, bet: int, inflation: float) -> Start:
        # A bet's own run starts late when the bet had to learn first, or early when it is too bold.
        hint = int(self._wealth.since[column, bet])
        starts, counts = self._recent.buckets(column)
        if unit == MISSING:
            presence = np.stack([counts[:, :-1].sum(axis=1), counts[:, -1]], axis=1)
            return likeliest_start(
                starts, presence, presence_law(self._laws, column), hint, inflation
            )
        return likeliest_start(
            starts, counts[:, :-1], values_law(self._laws, column), hint, inflation
        )

    def _trim(self, column: int, padded: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        bins = self._laws.columns[column].bins
        return np.concatenate([padded[:bins], padded[-2:]])

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "detector": self.name,
            "reference": self._reference.id,
            "wealth": self._wealth.snapshot(),
            "recent": self._recent.snapshot(),
            "watch": self._watch.snapshot(),
            "noticed": pack(self._noticed),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for any other detector's."""
        check(state, format=FORMAT, detector=self.name, reference=self._reference.id)
        self._wealth.restore(state["wealth"])
        self._recent.restore(state["recent"])
        self._watch.restore(state["watch"])
        self._noticed = unpack(state["noticed"], self._noticed)
