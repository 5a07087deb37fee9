"""A model's quality: its windows of predictions, from the first of them to their last label."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.state import check
from driftline.events.time import format_ts
from driftline.ledger.cell import Cell
from driftline.ledger.delays import Delays
from driftline.ledger.estimate import Calibrations
from driftline.ledger.maturity import Maturity, early_bias
from driftline.ledger.metrics import evaluate
from driftline.ledger.promised import Promised, refusal
from driftline.ledger.reading import Reading
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.task import Task
from driftline.ledger.telling import Calm, tell, tell_bias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.contract import Quality as Plan

__all__ = ["Quality"]

FORMAT = 1
CALM_ROWS = 5_000
"""Labelled rows of the first mature windows from which scores are calibrated."""
LEAST_CALM_ROWS = 500
MOST_WINDOWS = 1_000
"""Windows that may wait for labels; the oldest is told for the last time beyond that."""
LEAST_WINDOW_ROWS = 20
"""Labelled rows below which a window does not say where a change began."""
_DONE = 2**62


class Quality:
    """Follows the windows of one model, and rings when the promised metric is broken.

    Call order: `step` for each closed slot in ascending order, with what was joined in it, then
    `tell` to publish what is due. A window is told when the time of a slot first passes a multiple
    of the window's length and it has changed since; the last time when its labels can come no more.

    Parameters
    ----------
    arl
        Mean steps (`Contract.step`) to a false alarm.

    Notes
    -----
    What a window comes to depends on the slots, never on when it was looked at. Bounded: of
    `MOST_WINDOWS` windows at most, each holds at most some 100 kB of counts.
    """

    def __init__(self, contract: Contract, arl: float) -> None:
        assert contract.quality is not None
        self._contract = contract
        self._plan = plan = contract.quality
        self._task = Task.of(contract)
        # What can be measured but not betted on is told, and rings never.
        self._alarm = None if refusal(plan.metric) else _alarm(plan, arl)
        self._windows: dict[int, Cell] = {}
        self._changed: set[int] = set()
        self._over: set[int] = set()
        self._calm = Cell.empty(self._task)
        self._calm_until: int | None = None
        self._learnt: Calm | None = None
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
            if window in self._over:
                continue  # labels beyond the horizon are told apart by the join
            self._windows.setdefault(window, Cell.empty(self._task)).merge(cell)
            self._changed.add(window)
            came.merge(cell.card)  # type: ignore[arg-type]
        self._due = min(self._due, self._next(start))
        if self._alarm is None or not (came.rows or came.weight):
            return []
        state = self._alarm.step(came, start)
        return [] if state is None else [self._finding(self._alarm, state, end)]

    @property
    def _no_alarm(self) -> str | None:
        """Why a broken promise would wake nobody; None where it would."""
        if self._alarm is None:
            return refusal(self._plan.metric)
        return self._alarm.refused

    def _next(self, at: int) -> int:
        return (at // self._plan.window + 1) * self._plan.window

    def tell(self, until: int) -> list[tuple[bytes, bytes]]:
        """Return messages for the `windows` topic: what is due by a time (microseconds).

        Slots before it have been closed. Nothing is told twice that has not changed.
        """
        out: list[tuple[bytes, bytes]] = []
        while self._due <= until:
            now = self._due
            out += self._tell(now)
            ends = [self._end(window) for window in self._windows]
            # With nothing new, there is nothing to tell before a window's labels are over.
            self._due = self._next(max(now, min(ends) - 1)) if ends else _DONE
        return out

    def _end(self, window: int) -> int:
        return window + self._plan.window + self._plan.label_horizon

    def _tell(self, now: int) -> list[tuple[bytes, bytes]]:
        maturity, delays = self._maturity(now)
        self._learn(now, maturity)
        over = {window for window in self._windows if self._end(window) <= now}
        over |= set(sorted(self._windows)[: max(0, len(self._windows) - MOST_WINDOWS)])
        out = [
            self._message(window, now, maturity, delays, final=window in over)
            for window in sorted(self._changed | over)
        ]
        for window in over:
            del self._windows[window]
        self._over = {w for w in self._over | over if self._end(w) + self._plan.window > now}
        self._changed.clear()
        return out

    def _maturity(self, now: int) -> tuple[Maturity, Delays]:
        """Estimate how far labels have come, over all windows that are followed."""
        delays = Delays()
        ages: dict[str, tuple[list[int], list[int]]] = {}
        for window, cell in self._windows.items():
            delays.merge(cell.delays)
            age = max(0, now - window - self._plan.window // 2)
            for name, count in _waiting(cell).items():
                if count > 0:
                    held = ages.setdefault(name, ([], []))
                    held[0].append(age)
                    held[1].append(count)
        delays.merge(Delays.still({n: (np.array(a), np.array(c)) for n, (a, c) in ages.items()}))
        return Maturity.of(delays, self._plan.label_horizon), delays

    def _learn(self, now: int, maturity: Maturity) -> None:
        """Calibrate scores on the first windows that are mature, once and for all."""
        if self._task.regression or self._calm_until is not None:
            return
        calm = Cell.empty(self._task)
        for window in sorted(self._windows):
            age = now - window - self._plan.window
            if age < 0 or not maturity.mature(age):
                break
            calm.merge(self._windows[window])
            if calm.card.rows >= CALM_ROWS:
                self._calm_until = window
                break
        if calm.card.rows >= LEAST_CALM_ROWS:
            self._calm = calm
            self._learnt = self._read_calm(calm)

    def _read_calm(self, calm: Cell) -> Calm | None:
        if not isinstance(calm.card, Scorecard) or calm.card.rows < LEAST_CALM_ROWS:
            return None
        positive = self._plan.positive
        learnt = Calibrations.learn(Reading(calm.card, positive))
        return Calm(learnt, evaluate(calm.card, positive=positive)) if learnt.by_class else None

    def _message(
        self, window: int, now: int, maturity: Maturity, delays: Delays, *, final: bool
    ) -> tuple[bytes, bytes]:
        cell = self._windows[window]
        end = window + self._plan.window
        age = now - end
        about = f"{self._contract.model}|quality|{window}"
        body = {
            "id": hashlib.sha256(f"{about}|{now}".encode()).hexdigest()[:16],
            "kind": "quality",
            "model": self._contract.model,
            "segment": {},
            "start": format_ts(window),
            "end": format_ts(end),
            "as_of": format_ts(now),
            "final": final,
            "metric": self._plan.metric,
            "at_least": self._plan.at_least,
            "at_most": self._plan.at_most,
            "no_alarm": self._no_alarm,
            "counts": dict(sorted(cell.counts.items())),
            **tell(cell, self._plan, self._learnt),
            "maturity": plain(float(maturity.coverage(max(age, 0)))),
            "mature": final or bool(age >= 0 and maturity.mature(age)),
            "never_labelled": None if maturity.never is None else plain(maturity.never),
            "label_delay_s": _seconds(maturity.delay(0.5)),
            "early_labels": tell_bias(early_bias(delays, "label")),
        }
        key = hashlib.sha256(about.encode()).hexdigest()[:16]
        return key.encode(), orjson.dumps(body)

    def _finding(
        self, alarm: Promised, state: Literal["raised", "cleared"], end: int
    ) -> Finding:
        plan = self._plan
        bound = plan.at_least if plan.at_least is not None else plan.at_most
        assert bound is not None
        change = alarm.change
        value, since, rows = (bound, end, 0)
        if change is not None:
            value, since, rows = change.value, change.since, change.rows
        began = min(self._began(bound), since)
        side = "at least" if plan.at_least is not None else "at most"
        text = f"{plan.metric} {value:.4g} over {rows:,} labels; promised {side} {bound:g}"
        if state == "cleared":
            text = f"{plan.metric} is as promised again ({side} {bound:g})"
        return Finding(
            state=state,
            model=self._contract.model,
            feature=None,
            kind="quality",
            detector="quality",
            severity="page",
            change_point=began,
            detected_at=end,
            effect=plain(value - bound) if state == "raised" else 0.0,
            effect_unit=plan.metric,
            text=text,
            log_e=None,
            evidence={
                "metric": plan.metric,
                "value": plain(value),
                "promised": bound,
                "labels": rows,
                "labels_since": format_ts(since),
            },
        )

    def _began(self, bound: float) -> int:
        """Return the start of the window of predictions from which on the promise is broken.

        Of all windows the one from which on rows times shortfall add up to most: labels come late,
        and what is to be found out is what happened when the predictions were made.
        """
        plan = self._plan
        sign = 1.0 if plan.at_least is not None else -1.0
        best, total, began = 0.0, 0.0, max(self._windows)
        for window in sorted(self._windows, reverse=True):
            card = self._windows[window].card
            if card.rows < LEAST_WINDOW_ROWS:
                continue
            value = evaluate(card, [plan.metric], positive=plan.positive)[plan.metric]
            if value is None:
                continue
            total += sign * (bound - value) * card.rows
            if total > best:
                best, began = total, window
        return began

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "alarm": None if self._alarm is None else self._alarm.snapshot(),
            "windows": [[w, cell.to_values()] for w, cell in sorted(self._windows.items())],
            "changed": sorted(self._changed),
            "over": sorted(self._over),
            "calm": self._calm.to_values(),
            "calm_until": self._calm_until,
            "due": self._due,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT)
        if self._alarm is not None:
            self._alarm.restore(state["alarm"])
        self._windows = {w: Cell.from_values(self._task, raw) for w, raw in state["windows"]}
        self._changed, self._over = set(state["changed"]), set(state["over"])
        self._calm = Cell.from_values(self._task, state["calm"])
        self._calm_until = state["calm_until"]
        self._learnt = self._read_calm(self._calm)
        self._due = state["due"]


def _alarm(plan: Plan, arl: float) -> Promised:
    return Promised(
        plan.metric, at_least=plan.at_least, at_most=plan.at_most, arl=arl, positive=plan.positive
    )


def _waiting(cell: Cell) -> dict[str, int]:
    """Return how many predictions of each class have no label yet."""
    labelled = {
        name: int(counts.weights.sum()) for name, counts in cell.delays.by_predicted.items()
    }
    if not isinstance(cell.card, Scorecard):
        made = {"all": cell.counts.get("predicted", 0)}
    else:
        made = cell.exposure.by_class()
    return {name: count - labelled.get(name, 0) for name, count in made.items()}


def _seconds(span: float | None) -> float | None:
    return None if span is None else plain(span / 1e6)
