"""Sequential tests on shares of variance: what `correlation` and `joint` have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.share_bets import ShareBets
from driftline.detect.share_blocks import Blocks
from driftline.detect.share_watch import ShareWatch
from driftline.detect.state import check
from driftline.stats.dependence import levels, shares_at

if TYPE_CHECKING:
    from driftline.detect.betting import Floats
    from driftline.detect.protocol import Slot
    from driftline.detect.share_blocks import Block
    from driftline.detect.share_watch import Opened
    from driftline.stats import Reference

    Contrasts = npt.NDArray[np.int64]

FORMAT = 2


class Told(NamedTuple):
    """What a finding says of its change; `feature` is None where it is about the whole model."""

    feature: str | None
    effect: float
    text: str
    evidence: dict[str, Any]


class ShareDetector(ABC):
    """Bets on changes of some shares of variance (`driftline.stats.dependence`), its *contrasts*.

    It looks at normal scores of the reference's bins, within a slot: means that move, other units
    and outliers are no change, and a column that has moved far sits out. A slot of less than 128
    rows is joined to the next. The evidence is the mean over all bets, so that the promise does not
    depend on how many there are. What is raised is watched until it has gone away, and the bets on
    it rest meanwhile.

    Inert where the reference has no two columns to compare, or was built before there was this.

    Parameters
    ----------
    arl
        Mean slots to a false alarm. Larger: fewer false alarms, delays longer by the logarithm.
    of
        Which shares are its contrasts.
    scale
        What it tells is a share times this: a correlation is twice a share, less 1.
    tolerance
        Smallest change worth a page, of what it tells. Larger: less is told, and what is told a
        little later.

    Notes
    -----
    Measured, for `correlation`, a block: 0.1 ms for 20 columns, 0.35 ms for 100; state 41 bytes a
    pair, so 0.4 kB a column of 20 and 2.1 kB a column of 100.

    References
    ----------
    Shin, Ramdas, Rinaldo (2022), E-detectors: a nonparametric framework for sequential change
    detection. Fisher (1921), On the probable error of a coefficient of correlation.
    """

    name: str
    unit: ClassVar[str]

    def __init__(
        self,
        reference: Reference,
        arl: float,
        of: slice,
        scale: float,
        tolerance: float,
        weight: Floats,
    ) -> None:
        self._reference = reference
        self._log_arl = math.log(arl)
        scoring, dependence = reference.scoring, reference.dependence
        self._blocks: Blocks | None = None
        self._watch = ShareWatch()
        self._resting = np.zeros(weight.size, dtype=np.bool_)
        if scoring is None or dependence is None:
            return
        self._blocks = Blocks(reference, scoring, dependence)
        self._scoring = scoring
        self._names = [reference.columns[i].name for i in scoring.columns]
        level, spread = dependence.level[of], dependence.spread[of]
        self._share = shares_at(level)
        self._unit = scale / tolerance
        # By how much a share changes with its level.
        self._slope = 2 * self._share * (1 - self._share)
        # The luckiest of so many deviations, in mean absolute ones: what is raised was chosen.
        self._luck = math.sqrt(2 * math.log(level.size) * math.pi / 2) if level.size > 1 else 1.0
        # In the mean a correlation of few rows is too small, and a level is no straight line.
        r = self._r = np.tanh(dependence.level[: scoring.pairs])
        lost = self._shares(r - r * (1 - r**2) / 2) - self._shares(r)
        self._bets = ShareBets(
            level,
            spread,
            dependence.rho[of],
            dependence.price[of],
            bias=(2 * self._share - 1) * spread**2 + lost / self._slope,
            slack=1 / (self._unit * self._slope),
            weight=weight,
            arl=arl,
            known=reference.events,
        )

    @abstractmethod
    def _shares(self, r: Floats) -> Floats:
        """Return the contrasts that correlations of all pairs make."""

    @abstractmethod
    def _take(self, block: Block) -> Floats:
        """Take note of a block; return the rows that tell each contrast."""

    @abstractmethod
    def _covered(self, opened: Opened) -> npt.NDArray[np.bool_]:
        """Return which bets rest while a finding is open."""

    @abstractmethod
    def _lead(self, named: Contrasts, parts: Floats) -> int:
        """Return the column that a finding is to be about, or `MODEL`."""

    @abstractmethod
    def _tell(self, lead: int, named: Contrasts, now: Floats) -> Told:
        """Put a change into words; `now` are the shares of the named contrasts."""

    def step(self, slot: Slot) -> list[Finding]:
        """Take one slot into account; return what was raised or cleared by it."""
        block = self._blocks.add(slot) if self._blocks else None
        if block is None:
            return []
        level = levels(self._shares(block.r))
        gained, rows = self._bets.step(level, self._take(block), block.start, self._resting)
        cleared = self._watch.step(gained, rows, block.start, block.slots, self._net)
        findings = []
        for one in cleared:
            told = self._tell(one.lead, one.contrasts, self._now(one.contrasts, one.gain, one.rows))
            told = told._replace(text=f"back inside the reference: {told.text}")
            findings.append(self._finding(slot, "cleared", one.began, told))
        if cleared:
            self._rest()
        parts = self._bets.parts()
        if parts.sum() >= 1:
            findings += self._raise(slot, parts)
        return findings

    def _raise(self, slot: Slot, parts: Floats) -> list[Finding]:
        bets = self._bets
        likely = np.flatnonzero(parts >= parts.sum() * 1e-6)
        gain, rows = bets.gained(likely)
        change = (self._now(likely, gain, rows) - self._share[likely]) * self._unit
        kept = likely[np.abs(change) - self._luck * self._noise(likely, rows) >= 1]
        if not kept.size or parts[kept].sum() < 1:
            return []  # certain, but too small to wake anyone: the evidence stands and waits
        order = kept[np.argsort(-parts[kept], kind="stable")]
        # The k strongest are named when each holds a k-th of the threshold (e-BH); the strongest is
        # named in any case, as the sum rang.
        enough = np.flatnonzero(parts[order] * np.arange(1, order.size + 1) >= 1)
        named = order[: int(enough[-1]) + 1 if enough.size else 1]
        lead, (gain, rows) = self._lead(named, parts), bets.gained(named)
        told = self._tell(lead, named, self._now(named, gain, rows))
        told.evidence.update(
            contribution=plain(float(parts[named].sum() / parts.sum())),
            log_threshold=plain(self._log_arl),
            events_since_change=round(float(rows[0])),
            reference_events=self._reference.events,
        )
        log_e = plain(self._log_arl + math.log(float(parts.sum())))
        # A mean over starts of slots: the nearest of them.
        length = slot.end - slot.start
        start = round(bets.start_of(int(named[0])) / length) * length
        finding = self._finding(slot, "raised", start, told, log_e)
        noise = self._noise(named, np.ones(named.size))
        self._watch.raised(lead, named, self._net(named, gain, rows), noise)
        self._rest()
        bets.forget(self._resting)
        return [finding]

    def _rest(self) -> None:
        self._resting = np.zeros_like(self._resting)
        for one in self._watch.open:
            self._resting |= self._covered(one)

    def _finding(
        self,
        slot: Slot,
        state: Literal["raised", "cleared"],
        change_point: int,
        told: Told,
        log_e: float | None = None,
    ) -> Finding:
        return Finding(
            state=state,
            model=slot.contract.model,
            feature=told.feature,
            kind="drift",
            detector=self.name,
            severity="page",
            change_point=change_point,
            detected_at=slot.end,
            effect=plain(told.effect),
            effect_unit=self.unit,
            text=told.text,
            log_e=log_e,
            evidence=told.evidence,
        )

    def _now(self, named: Contrasts, gain: Floats, rows: Floats) -> Floats:
        """Return the shares that gains over some rows stand for."""
        return shares_at(self._bets.level_of(named, gain, rows))

    def _net(self, named: Contrasts, gain: Floats, rows: Floats) -> Floats:
        """Return the sizes of changes beyond what chance alone shows, in tolerances."""
        change = (self._now(named, gain, rows) - self._share[named]) * self._unit
        return np.asarray(np.sqrt(np.maximum(change**2 - self._noise(named, rows) ** 2, 0.0)))

    def _noise(self, named: Contrasts, rows: Floats) -> Floats:
        """Return the sizes that chance alone shows in the mean, in tolerances."""
        return np.asarray(self._bets.noise(named, rows) * self._slope[named] * self._unit)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        head = {"format": FORMAT, "detector": self.name, "reference": self._reference.id}
        if self._blocks is None:
            return head
        return {
            **head,
            "blocks": self._blocks.snapshot(),
            "bets": self._bets.snapshot(),
            "watch": self._watch.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        check(state, format=FORMAT, detector=self.name, reference=self._reference.id)
        if self._blocks is None:
            return
        self._blocks.restore(state.get("blocks"))
        self._bets.restore(state.get("bets", {}))
        self._watch.restore(state.get("watch", []))
        self._rest()
