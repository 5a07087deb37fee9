"""A model's skew: rings when serving and training differ more than allowed, and says how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.detect.state import check, pack, unpack
from driftline.ledger.segments import gather
from driftline.ledger.skew.memory import Memory
from driftline.ledger.skew.naming import name_of
from driftline.ledger.skew.rates import Change, RateBets
from driftline.ledger.skew.recent import Recent
from driftline.ledger.skew.sums import MOST_FEATURES
from driftline.ledger.skew.telling import (
    MOST_EXAMPLES,
    Example,
    Told,
    cleared,
    raised,
    window_messages,
)
from driftline.ledger.skew.window import SkewWindow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.detect.protocol import Finding, Severity
    from driftline.events.frame import Segment
    from driftline.ledger.pairs import Integers
    from driftline.ledger.skew.plan import Plan
    from driftline.ledger.skew.sums import Skew

__all__ = ["SkewWatch"]

FORMAT = 1
QUIET_STEPS = 5
"""Steps that a quiet stretch spans at least."""
LEAST_QUIET_PAIRS = 100
SLIGHT = 0.01
"""Numbers that differ by less than this part of the width of their middle half wake nobody."""
_DONE = 2**62
_NO_PARTS: Mapping[Segment, Skew] = {}


@dataclass(slots=True)
class _Open:
    """A feature that a finding stands on, and the stretch since the last verdict on it.

    Attributes
    ----------
    goal
        Pairs that a stretch takes.
    again
        Mismatches from which on a name is looked for once more.
    """

    told: Told
    severity: Severity
    goal: int
    again: int
    mismatched_in_all: int = 0
    steps: int = 0
    pairs: int = 0
    mismatched: int = 0


class SkewWatch:
    """Follows the pairs of one model, feature by feature.

    Call order: `tell` what is due at a slot's start, then `step` with what was joined in it, for
    each slot in ascending order.

    A feature is raised when the bets on it have won enough (`driftline.ledger.skew.rates`), as a
    page where `Plan.page_share` of the pairs are concerned and by more than `SLIGHT`, else as a
    notice. With the default rate, twenty features and a tenth of one false page in 30 days of slots
    of 10 s, mismatches in 2 % of the pairs are raised after 500 pairs (median; a dozen of them), in
    half of the pairs after 10. It is raised again when a notice has become a page, and when a name
    is found for what had none; and cleared by one whole quiet stretch, of `QUIET_STEPS` steps at
    least and as many pairs as it took to be seen, with no more mismatches than allowed. The bets on
    it then begin afresh.

    A feature is compared as soon as either side has once given a value of it, but bet on only once
    both have: what training never recomputes is no skew, nor is what serving never sends, unless
    the plan names it as a feature of the model. A mismatch that is taken back is betted on the
    other way round, as it would be now; where more pairs were taken back than came, they are kept
    until others make up for them.

    Parameters
    ----------
    arl
        Mean steps with pairs to a false alarm, over all features together.

    Notes
    -----
    What is assumed: given all before, a feature's mismatches come at the allowed rate or less.
    Bounded: `MOST_FEATURES` features, 64 rows of each (2,000 in all, or 8 of each), 192 kB of
    history, and one window.
    """

    def __init__(self, plan: Plan, arl: float) -> None:
        self._plan = plan
        self._places: dict[str, int] = {}
        self._bets = RateBets(plan.rate, arl)
        self._memory = Memory()
        self._recent = Recent(plan.tolerances)
        # Compared and mismatched pairs that are still to be bet on: of pairs taken back.
        self._kept = np.zeros((0, 2), dtype=np.int64)
        # Whether serving, and training, ever had a value.
        self._heard = np.zeros((0, 2), dtype=np.bool_)
        self._open: dict[str, _Open] = {}
        self._windows: dict[int, SkewWindow] = {}

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        return min(self._windows, default=_DONE - self._plan.span) + self._plan.span

    def step(
        self, start: int, end: int, cell: Skew, parts: Mapping[Segment, Skew] = _NO_PARTS
    ) -> list[Finding]:
        """Take what was joined in a slot; return what was raised or cleared by it.

        Costs 0.5 to 1 ms for a cell without mismatches, and 4 ms for each feature that is raised.

        Parameters
        ----------
        parts
            The same by segment. It is told window by window, and nobody is woken by it alone.
        """
        if not (cell or any(parts.values())):
            return []
        self._meet(cell)
        self._memory.take(cell.history.only(frozenset(self._places)), list(self._places))
        self._recent.take(cell, start, self._memory, self._places)
        self._count(start, cell, parts)
        pairs, mismatched = self._settled(cell)
        self._bets.step(pairs, mismatched, start)
        out: list[Finding] = []
        ringing = self._bets.ringing
        for name in sorted(self._places):
            at = self._places[name]
            if name in self._open:
                out += self._follow(name, int(pairs[at]), int(mismatched[at]), end)
            elif ringing[at]:
                out.append(self._raise(name, end))
        return out

    def _meet(self, cell: Skew) -> None:
        """Give new features a place, as long as there is one."""
        for name in sorted(cell.tallies.keys() - self._places.keys()):
            if len(self._places) < MOST_FEATURES:
                self._places[name] = len(self._places)
        more = np.zeros((len(self._places) - self._kept.shape[0], 2), dtype=np.int64)
        self._kept = np.concatenate([self._kept, more])
        self._heard = np.concatenate([self._heard, more.astype(np.bool_)])
        self._bets.grow(len(self._places))

    def _count(self, start: int, cell: Skew, parts: Mapping[Segment, Skew]) -> None:
        window = start // self._plan.span * self._plan.span
        came = SkewWindow.of(cell, self._places, parts)
        held = self._windows.setdefault(window, SkewWindow())
        held.merge(came)
        gather(held.segments, {}, self._plan.segments, SkewWindow)

    def _settled(self, cell: Skew) -> tuple[Integers, Integers]:
        """Return the pairs to bet on of each feature, and those among them that mismatch."""
        came = np.zeros_like(self._kept)
        for name, tally in cell.tallies.items():
            at = self._places.get(name)
            if at is not None:
                came[at] = tally.compared, tally.mismatched
                self._heard[at] |= tally.compared > tally.lost, tally.compared > tally.filled
        whole = self._kept + came
        # Whether to bet is seen by this step's pairs too: those that are left out would have won.
        whole[[self._unheard(name) is not None for name in self._places]] = 0
        pairs, mismatched = whole.T
        good = pairs >= np.maximum(mismatched, 0)
        self._kept = np.where(good[:, None], 0, whole)
        return np.where(good, pairs, 0), np.where(good, mismatched, 0)

    def _unheard(self, name: str) -> str | None:
        """Return why a feature is not bet on; None where it is."""
        served, trained = self._heard[self._places[name]].tolist()
        if not trained:
            return "training has no value of it"
        if not served and name not in self._plan.features:
            return "serving has no value of it"
        return None

    def _raise(self, name: str, end: int) -> Finding:
        change = self._bets.change(self._places[name])
        goal = max(change.pairs, LEAST_QUIET_PAIRS)
        told = self._told(name, change)
        severity = self._severity(told, change.share)
        self._open[name] = _Open(told, severity, goal, _later(change.mismatched))
        self._open[name].mismatched_in_all = change.mismatched
        return raised(self._plan, name, told, change, severity, end)

    def _severity(self, told: Told, share: float) -> Severity:
        slight = told.size is not None and told.size < SLIGHT
        return "notice" if slight or share < self._plan.page_share else "page"

    def _told(self, name: str, change: Change) -> Told:
        """Look for what the mistake is."""
        rows = self._recent.since(name, change.since)
        if not rows:
            # They were all taken back, or another feature's rows: there is nothing to look at.
            return Told("other", "served another value", {}, change.since, 0, 0, None, ())
        found = name_of(self._recent.cases(name, rows, self._memory, self._places))
        text, details = found.text, found.details
        if found.kind == "permuted":
            mutual = self._recent.swapped(name, details["feature"], change.since)
            details = {**details, "swapped": mutual}
            if mutual:
                text = f"swapped with {details['feature']}"
        shown = [
            row.mismatch for row, told in zip(rows, found.explained.tolist(), strict=True) if told
        ]
        return Told(
            found.kind,
            text,
            details,
            min(each.ts for each in shown),
            len(rows),
            len(shown),
            found.size,
            tuple(Example(m.id, m.ts, m.served, m.trained) for m in shown[:MOST_EXAMPLES]),
        )

    def _follow(self, name: str, pairs: int, mismatched: int, end: int) -> list[Finding]:
        """Take a step of a feature that was raised."""
        held = self._open[name]
        held.steps += pairs > 0
        held.pairs += pairs
        held.mismatched += mismatched
        held.mismatched_in_all += mismatched
        worse = named = False
        if held.told.kind == "other" and held.mismatched_in_all >= held.again:
            held.again = _later(held.mismatched_in_all)
            told = self._told(name, self._bets.change(self._places[name]))
            if told.kind != "other":
                held.told = replace(told, began=min(told.began, held.told.began))
                named = True
        stretch = Change(0, held.pairs, held.mismatched, 0.0)
        if held.steps >= QUIET_STEPS and held.pairs >= held.goal:
            held.steps = held.pairs = held.mismatched = 0
            if stretch.share <= self._plan.rate:
                return [self._clear(name, stretch, end)]
            worse = held.severity == "notice" and self._severity(held.told, stretch.share) == "page"
        if not (worse or named):
            return []
        change = self._bets.change(self._places[name])
        if worse:
            held.severity = "page"
            change = change._replace(pairs=stretch.pairs, mismatched=stretch.mismatched)
        return [raised(self._plan, name, held.told, change, held.severity, end)]

    def _clear(self, name: str, stretch: Change, end: int) -> Finding:
        held = self._open.pop(name)
        self._bets.forget(self._places[name])
        pairs, mismatched = stretch.pairs, stretch.mismatched
        return cleared(self._plan, name, held.told, pairs, mismatched, held.severity, end)

    def tell(self, until: int) -> list[tuple[bytes, bytes]]:
        """Return messages for the `windows` topic: of windows over by a time (microseconds).

        Slots before it have been closed. A window is of the time in which pairs arrived, and is
        told once, its segments beside it.
        """
        out: list[tuple[bytes, bytes]] = []
        for window in sorted(w for w in self._windows if w + self._plan.span <= until):
            counted = self._windows.pop(window)
            open_now = {name: held.told for name, held in self._open.items()}
            why = {name: self._unheard(name) for name in self._places}
            unheard = {name: said for name, said in why.items() if said is not None}
            out += window_messages(self._plan, window, counted, open_now, unheard)
        return out

    @property
    def _of(self) -> list[Any]:
        """What the state is of: it cannot be taken up where it is another."""
        of = self._plan.tolerances
        by_feature = [[n, t.rtol, t.atol] for n, t in sorted(of.by_feature.items())]
        default = [of.default.rtol, of.default.atol]
        return [self._plan.rate, self._plan.span, default, by_feature]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "of": self._of,
            "names": list(self._places),
            "bets": self._bets.snapshot(),
            "memory": self._memory.snapshot(),
            "recent": self._recent.snapshot(),
            "kept": pack(self._kept),
            "heard": pack(self._heard),
            "open": [[name, asdict(held)] for name, held in sorted(self._open.items())],
            "windows": [
                [window, *counted.to_values()] for window, counted in sorted(self._windows.items())
            ],
        }

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of a plan like this one; contracts change."""
        return state is not None and state["of"] == self._of

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT, of=self._of)
        self._places = {name: at for at, name in enumerate(state["names"])}
        size = len(self._places)
        self._bets.restore(state["bets"], size)
        self._memory.restore(state["memory"], size)
        self._recent.restore(state["recent"])
        self._kept = unpack(state["kept"], np.zeros((size, 2), dtype=np.int64))
        self._heard = unpack(state["heard"], np.zeros((size, 2), dtype=np.bool_))
        self._open = {name: _opened(saved) for name, saved in state["open"]}
        self._windows = {
            window: SkewWindow.from_values(counted) for window, *counted in state["windows"]
        }


def _later(mismatched: int) -> int:
    """Return at how many mismatches a name is looked for again: a quarter more."""
    return mismatched + max(mismatched // 4, 2)


def _opened(saved: dict[str, Any]) -> _Open:
    told = saved["told"]
    examples = tuple(Example(**each) for each in told["examples"])
    return _Open(**{**saved, "told": Told(**{**told, "examples": examples})})
