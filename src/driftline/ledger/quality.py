"""A model's quality: its windows of predictions, from the first of them to their last label."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from driftline.detect.state import check
from driftline.ledger.broken import broken, first_broken, losing
from driftline.ledger.cell import Cell
from driftline.ledger.delays import Delays
from driftline.ledger.estimate import Calibrations
from driftline.ledger.loss import Losses
from driftline.ledger.maturity import early_bias
from driftline.ledger.promised import Promised, refusal
from driftline.ledger.quality_told import Telling
from driftline.ledger.review import Reviews
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.task import Task
from driftline.ledger.telling import Calm, Classes, metrics_of, tell_bias
from driftline.ledger.waiting import Waiting, follow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.detect.protocol import Finding
    from driftline.ledger.maturity import Maturity
    from driftline.ledger.promised import Change
    from driftline.ledger.review import Review

__all__ = ["Quality"]

FORMAT = 2
CALM_ROWS = 5_000
"""Labelled rows of the first mature windows from which scores are calibrated."""
LEAST_CALM_ROWS = 500
MOST_WINDOWS = 70
"""Windows that may wait for labels; the oldest is told for the last time beyond that. A contract
asks for 60 at most, and all of a snapshot is one message."""
PAST_WINDOWS = 400
"""Windows that are over of which rows and promised metric are remembered, to date a change."""
LEAST_WINDOW_ROWS = 20
"""Labelled rows below which a window does not say where a change began."""
_DONE = 2**62


class Quality:
    """Follows the windows of one model, and rings when the promised metric is broken.

    Call order: `tell` what is due at a slot's start, then `step` with what was joined in it, for
    each slot in ascending order. A window is told when time first passes a multiple of the window's
    length and it has changed since; the last time when its labels can come no more.

    Parameters
    ----------
    arl
        Mean steps (`Contract.step`) to a false alarm.

    Notes
    -----
    What a window comes to depends on the slots, never on when it was looked at. Bounded: of
    `MOST_WINDOWS` windows at most, each holds at most some 400 kB of counts, and segments as much
    again (`segments`, `coarse`). In a snapshot a window is packed anew only if it has changed since
    the last one.

    A window's segments are told beside it, each with an interval that holds for itself: of twenty
    intervals of 95 % one may well be wrong. Only the whole has an alarm; of what it finds it names
    the segments that carry the loss.
    """

    def __init__(self, contract: Contract, arl: float) -> None:
        assert contract.quality is not None
        self._contract = contract
        self._plan = plan = contract.quality
        self._task = Task.of(contract)
        # What can be measured but not betted on is told, and rings never.
        self._alarm = None if refusal(plan.metric) else _alarm(contract, arl)
        self._classes = Classes(plan.positive)
        self._windows: dict[int, Cell] = {}
        self._changed: set[int] = set()
        self._packed: dict[int, bytes] = {}
        self._over = -_DONE
        self._past: deque[tuple[int, int, float]] = deque(maxlen=PAST_WINDOWS)
        self._calm = Cell.empty(self._task)
        self._taken: set[int] = set()
        self._learnt: Calm | None = None
        self._reviews = Reviews(contract)
        self._reviewed: dict[str, Any] | None = None
        self.due_reviews: list[Review] = []
        """Reviews of the threshold that somebody should hear of; whoever tells them clears this."""
        self._ripe: set[int] = set()
        self.ripe: list[tuple[int, Cell]] = []
        """Windows whose labels have come, each once, with what is known of them; whoever looks at
        them clears this."""
        self._noticed = False
        self._due = _DONE

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        return self._due

    def step(self, start: int, end: int, cells: Mapping[int, Cell]) -> list[Finding]:
        """Take what was joined in a slot; return what was raised or cleared by it.

        Parameters
        ----------
        cells
            By start of the predictions' window, microseconds.
        """
        if not cells:
            return []
        came = Cell.empty(self._task).card
        for window, cell in sorted(cells.items()):
            if window <= self._over:
                continue  # labels beyond the horizon are told apart by the join
            self._windows.setdefault(window, Cell.empty(self._task)).merge(cell.judged())
            self._changed.add(window)
            self._packed.pop(window, None)
            self._classes.meet(cell.card)
            came.merge(cell.card)  # type: ignore[arg-type]
        self._due = min(self._due, self._next(start))
        if self._alarm is None or not (came.rows or came.weight):
            return []
        state = self._alarm.step(came, start)
        if state is None and self._noticed and self._biased(self._alarm.change, end) is None:
            state = "raised"  # the slow labels have come: it is a page now
        return [] if state is None else [self._finding(self._alarm, state, end)]

    @property
    def _no_alarm(self) -> str | None:
        """Why a broken promise would wake nobody; None where it would."""
        if self._alarm is None:
            return refusal(self._plan.metric)
        return self._alarm.refused

    @property
    def _of(self) -> list[Any]:
        """What windows are of: they cannot be taken up where it is another."""
        return [self._task.regression, self._plan.span]

    @property
    def _promise(self) -> list[Any]:
        plan = self._plan
        return [plan.metric, plan.at_least, plan.at_most, plan.positive]

    def _next(self, at: int) -> int:
        return (at // self._plan.span + 1) * self._plan.span

    def tell(self, until: int, *, passed: bool) -> list[tuple[bytes, bytes]]:
        """Return messages for the `windows` topic: what is due by a time (microseconds).

        Slots before it have been closed. Nothing is told twice that has not changed.

        Parameters
        ----------
        passed
            Whether the model's own events have come so far. Where only the clock has (or the end of
            what is replayed was reached), labels may well be on their way: no window is over then.
        """
        out: list[tuple[bytes, bytes]] = []
        while (now := min(self._due, self._first_end if passed else _DONE)) <= until < _DONE:
            out += self._tell(now)
            self._due = _DONE
        return out

    @property
    def _first_end(self) -> int:
        """When the first window is over: a multiple of the windows' length, microseconds."""
        if not self._windows:
            return _DONE
        return -(-self._end(min(self._windows)) // self._plan.span) * self._plan.span

    def _end(self, window: int) -> int:
        return window + self._plan.span + self._plan.label_horizon

    def _tell(self, now: int) -> list[tuple[bytes, bytes]]:
        maturity, delays = self._maturity(now)
        self._learn(now, maturity)
        over = {window for window in self._windows if self._end(window) <= now}
        over |= set(sorted(self._windows)[: max(0, len(self._windows) - MOST_WINDOWS)])
        for window in sorted(over):
            review = self._reviews.add(window, self._windows[window], now, self._classes)
            if review is not None:
                self._reviewed = review.to_json()
                self.due_reviews += [review] if review.due else []
        ended = {w for w in self._windows if now >= w + self._plan.span}
        ripe = {w for w in ended if maturity.mature(now - w - self._plan.span)} | over
        self.ripe += [(w, self._windows[w]) for w in sorted(ripe - self._ripe)]
        telling = Telling(
            model=self._contract.model,
            plan=self._plan,
            classes=self._classes,
            calm=self._learnt,
            now=now,
            maturity=maturity,
            biased=tell_bias(early_bias(delays, "label")),
            no_alarm=self._no_alarm,
            reviewed=self._reviewed,
        )
        out = [
            message
            for window in sorted(self._changed | over)
            for message in telling.messages(window, self._windows[window], final=window in over)
        ]
        for window in sorted(over):
            self._past.extend(self._measured(window))
            del self._windows[window]
            self._packed.pop(window, None)
        self._taken -= over
        self._ripe = (self._ripe | ripe) - over
        # Windows are over in order: what comes for one that is, or for an older one, is too late.
        self._over = max([self._over, *over])
        self._changed.clear()
        return out

    def _maturity(self, now: int) -> tuple[Maturity, Delays]:
        """Estimate how far labels have come, over all windows that are followed."""
        delays, waiting = Delays(), []
        for window, cell in self._windows.items():
            delays.merge(cell.delays)
            oldest = max(0, now - window)
            youngest = max(0, oldest - self._plan.span)
            waiting += [
                Waiting(name, youngest, oldest, count)
                for name, count in cell.unlabelled().items()
                if count > 0
            ]
        return follow(delays, waiting, self._plan.label_horizon)

    def _learn(self, now: int, maturity: Maturity) -> None:
        """Learn from the first windows, each when it is mature, what to expect of others."""
        if self._calm.card.rows >= CALM_ROWS:
            return
        before = self._calm.card.rows
        for window in sorted(self._windows.keys() - self._taken):
            age = now - window - self._plan.span
            if age < 0 or not maturity.mature(age) or self._calm.card.rows >= CALM_ROWS:
                break
            self._calm.merge(replace(self._windows[window], segments={}))
            self._taken.add(window)
        if self._calm.card.rows > before:
            self._learnt = self._read_calm(self._calm)

    def _read_calm(self, calm: Cell) -> Calm | None:
        card = calm.card
        if card.rows < LEAST_CALM_ROWS:
            return None
        realised = self._classes.evaluate(card, metrics_of(self._plan))
        if not isinstance(card, Scorecard):
            losses = Losses.learn(calm.profile)
            return None if losses is None else Calm(losses, realised)
        learnt = Calibrations.learn(self._classes.read(card))
        return Calm(learnt, realised) if learnt.by_class else None

    def _finding(self, alarm: Promised, state: Literal["raised", "cleared"], end: int) -> Finding:
        change = alarm.change
        since = end if change is None else change.since
        biased = self._biased(change, end)
        self._noticed = state == "raised" and biased is not None
        measured = [m for window in sorted(self._windows) for m in self._measured(window)]
        began = first_broken([*self._past, *measured], self._plan, default=max(self._windows))
        first, span = min(began, since), self._plan.span
        concerned = [cell for window, cell in self._windows.items() if window + span > first]
        worst = losing(concerned, self._plan, self._classes) if state == "raised" else []
        mistaken = None
        if change is not None:
            mistaken = self._classes.mistaken(self._plan.metric, change.value)
        return broken(
            self._contract.model,
            self._plan,
            change,
            state,
            end,
            began=first,
            biased=biased,
            worst=worst,
            mistaken=mistaken,
        )

    def _biased(self, change: Change | None, end: int) -> str | None:
        """Return why the labels since a change are no fair sample; None where they are.

        Labels that come early because of what they say are none: nobody is woken by them before the
        slow ones have had the time to come.
        """
        maturity, delays = self._maturity(end)
        if maturity.mature(0 if change is None else end - change.since):
            return None
        return tell_bias(early_bias(delays, "label"))

    def _measured(self, window: int) -> list[tuple[int, int, float]]:
        """Return a window's start, labelled rows and promised metric; nothing where it has none."""
        card, metric = self._windows[window].card, self._plan.metric
        if card.rows < LEAST_WINDOW_ROWS:
            return []
        value = self._classes.evaluate(card, [metric])[metric]
        return [] if value is None else [(window, card.rows, value)]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "of": self._of,
            "promise": self._promise,
            "alarm": None if self._alarm is None else self._alarm.snapshot(),
            "windows": [[window, self._pack(window)] for window in sorted(self._windows)],
            "changed": sorted(self._changed),
            "over": self._over,
            "ripe": sorted(self._ripe),
            "reviews": self._reviews.snapshot(),
            "reviewed": self._reviewed,
            "classes": sorted(self._classes.known),
            "calm": self._calm.to_values(),
            "taken": sorted(self._taken),
            "past": [list(each) for each in self._past],
            "noticed": self._noticed,
            "due": self._due,
        }

    def _pack(self, window: int) -> bytes:
        if window not in self._packed:
            values = msgspec.msgpack.encode(self._windows[window].to_values())
            self._packed[window] = zlib.compress(values, 1)
        return self._packed[window]

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of windows and a task like these; contracts change."""
        return state is not None and state["of"] == self._of

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else.

        The alarm begins afresh where the promise is another one.
        """
        check(state, format=FORMAT, of=self._of)
        if self._alarm is not None and state["promise"] == self._promise:
            self._alarm.restore(state["alarm"])
            self._noticed = bool(state["noticed"])
        self._packed = dict(state["windows"])
        self._windows = {
            window: Cell.from_values(self._task, msgspec.msgpack.decode(zlib.decompress(packed)))
            for window, packed in self._packed.items()
        }
        self._changed, self._over = set(state["changed"]), int(state["over"])
        self._ripe = set(state["ripe"])
        self._reviews.restore(state["reviews"])
        self._reviewed = state["reviewed"]
        self._classes.known = set(state["classes"])
        self._calm = Cell.from_values(self._task, state["calm"])
        self._taken = set(state["taken"])
        self._past = deque((tuple(each) for each in state["past"]), maxlen=PAST_WINDOWS)
        self._learnt = self._read_calm(self._calm)
        self._due = state["due"]


def _alarm(contract: Contract, arl: float) -> Promised:
    plan = contract.quality
    assert plan is not None
    return Promised(
        plan.metric,
        at_least=plan.at_least,
        at_most=plan.at_most,
        arl=arl,
        window=plan.span,
        step=contract.step,
        positive=plan.positive,
    )
