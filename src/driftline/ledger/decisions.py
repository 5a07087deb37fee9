"""Whether anybody acts on a model: its windows of predictions, and what was done about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.detect.plain import plain
from driftline.detect.protocol import Finding
from driftline.detect.state import check
from driftline.events.time import format_ts
from driftline.events.window_event import window_event
from driftline.ledger.acted import tell_acts
from driftline.ledger.acts import Acts
from driftline.ledger.advice import MOST_WAITING, Advice, decision_span, judging_span
from driftline.ledger.practice import Practice
from driftline.ledger.segments import about, gather, most_segments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.ledger.practice import Alarm

__all__ = ["Decisions"]

FORMAT = 1
MOST_WINDOWS = MOST_WAITING + 10
"""Windows kept; of more, the oldest ones are judged at once and let go."""
_DONE = 2**62


class Decisions:
    """Follows the windows of one model, and says when its predictions are not acted on as before.

    Call order: `tell` what is due at a slot's start, then `step` with what was joined in it, for
    each slot in ascending order.

    A window of predictions (`advice.decision_span`: that of quality, or a day) has three moments.
    At its *end* it is told as far as decisions have come. It is *ripe*, and told again, when the
    contract's ``within`` has passed since (where it says none, as long as a window is), at the next
    multiple of `Contract.step`: all that came in time has been joined then. It is *over* a window's
    length later, and told for the last time: what came late is in it. What comes after that changes
    no window; labels still tell which overrides were right.

    Judged is a day at a time, or a window where that is longer (`advice.judging_span`): when its
    last window is ripe, from all of its windows as they were when they became ripe.

    Parameters
    ----------
    arl
        Mean number of days judged to a false alarm (`detect.budget.run_of_decisions`).

    Notes
    -----
    What a window comes to depends on the slots, never on when it was looked at. Bounded: of
    `MOST_WINDOWS` windows at most, each of 200 kB at most (usually 2).
    Costs 1.5 ms a window.
    """

    def __init__(self, contract: Contract, arl: float) -> None:
        self._contract = contract
        self._advice = Advice.of(contract)
        self._most = most_segments(contract)
        self.span = decision_span(contract)
        """Length of a window, microseconds."""
        self._days = judging_span(contract)
        within = self._advice.within
        self._wait = self.span if within is None else within
        self._arl = arl
        self._practice = self._begin(taken=False)
        self._windows: dict[int, Acts] = {}
        self._told: dict[int, int] = {}
        self._ripe: set[int] = set()
        self._day: tuple[int, Acts] | None = None
        self._last = -_DONE

    def _begin(self, *, taken: bool) -> Practice:
        return Practice(self._advice, self._arl, taken=taken)

    @property
    def due(self) -> int:
        """Event time at which there is something to tell, microseconds."""
        waiting = (self._moments(w)[0] for w in self._windows if not self._told.get(w, 0))
        return min(waiting, default=_DONE)

    @property
    def open(self) -> list[str]:
        """What is raised now, by name."""
        return self._practice.open

    def _moments(self, window: int) -> tuple[int, int, int]:
        """Return when a window ends, is ripe, and is over."""
        end, step = window + self.span, self._contract.step
        ripe = -(-(end + self._wait) // step) * step
        return end, ripe, ripe + self.span

    def step(self, start: int, end: int, cells: Mapping[int, Acts]) -> list[Finding]:
        """Take what was joined in a slot; return what was raised or cleared before and by it.

        Parameters
        ----------
        cells
            By start of the predictions' window, microseconds: a window of `span`, or a part of one
            that starts then. Their segments are told beside them.
        """
        alarms: list[Alarm] = []
        beyond = set(sorted(self._windows)[: max(0, len(self._windows) - MOST_WINDOWS)])
        for window in sorted(self._windows):
            _, ripe, over = self._moments(window)
            if (ripe <= start or window in beyond) and window not in self._ripe:
                self._ripe.add(window)
                alarms += self._gather(window, self._windows[window])
            if over <= start or window in beyond:
                del self._windows[window]
                self._ripe.discard(window)
                self._told.pop(window, None)
        if self._day is not None:
            last = self._day[0] + self._days - self.span
            if self._moments(last)[1] <= start:
                alarms += self._judge()
        for at, acts in sorted(cells.items()):
            window = at // self.span * self.span
            if self._moments(window)[2] > start:
                held = self._windows.setdefault(window, Acts.empty())
                held.merge(acts)
                # Of few rows other segments may have been the first in order.
                gather(held.segments, {}, self._most, Acts.empty)
            alarms += self._practice.come(acts, window)
        return [self._finding(alarm, end) for alarm in alarms]

    def _gather(self, window: int, acts: Acts) -> list[Alarm]:
        """Put a ripe window to the others of its day; return what the day before it came to."""
        start = window // self._days * self._days
        alarms = self._judge() if self._day is not None and self._day[0] < start else []
        if start <= self._last:
            return alarms  # too old to judge
        if self._day is None:
            self._day = start, Acts.empty()
        day = self._day[1]
        day.merge(acts)
        gather(day.segments, {}, self._most, Acts.empty)
        return alarms

    def _judge(self) -> list[Alarm]:
        assert self._day is not None
        (self._last, acts), self._day = self._day, None
        return self._practice.judge(acts, self._last)

    def tell(self, until: int, *, passed: bool) -> list[tuple[bytes, bytes]]:
        """Return messages for the `windows` topic: what is due by a time (microseconds).

        Slots before it have been closed. Of each window there are three messages at most, and
        as many of each segment in it.

        Parameters
        ----------
        passed
            Whether the model's own events have come so far. Where only the clock has (or the end of
            what is replayed was reached), decisions may well be on their way: a window may have
            ended, but none is ripe then.
        """
        out: list[tuple[int, int, tuple[bytes, bytes]]] = []
        for window, acts in self._windows.items():
            moments = self._moments(window)[: 3 if passed else 1]
            told = self._told.get(window, 0)
            for number in range(told, len(moments)):
                if moments[number] > until:
                    break
                self._told[window] = number + 1
                for segment, part in [((), acts), *acts.segments.items()]:
                    if part or not segment:
                        message = self._message(window, segment, part, number)
                        out.append((moments[number], window, message))
        return [message for _, _, message in sorted(out)]

    def renew(self, at: int) -> list[Finding]:
        """Learn anew what is usual, and return that what was raised is over.

        For when a change of practice is accepted.

        Parameters
        ----------
        at
            Days that start before it are not judged any more, microseconds.
        """
        alarms = self._practice.close()
        self._practice = self._begin(taken=self._practice.taken)
        self._last = max(self._last, at - 1)
        if self._day is not None and self._day[0] <= self._last:
            self._day = None
        return [self._finding(alarm, at) for alarm in alarms]

    def _message(
        self, window: int, segment: Segment, acts: Acts, number: int
    ) -> tuple[bytes, bytes]:
        moments = self._moments(window)
        name = about(f"{self._contract.model}|decisions|{window}", segment)
        within = self._advice.within
        body = {
            "kind": "decisions",
            "model": self._contract.model,
            "segment": dict(segment),
            "start": format_ts(window),
            "end": format_ts(moments[0]),
            "as_of": format_ts(moments[number]),
            "judged": number > 0,
            "final": number > 1,
            "action": self._advice.action,
            "within_s": None if within is None else plain(within / 1e6),
            **tell_acts(acts, self._practice.automatic),
            # What is usual is learnt of all together, and only that can be raised.
            "calm": None if segment else self._practice.calm,
            "open": [] if segment else self._practice.open,
        }
        return window_event(name, body, at=moments[number])

    def _finding(self, alarm: Alarm, end: int) -> Finding:
        return Finding(
            state=alarm.state,
            model=self._contract.model,
            feature=None,
            kind="decision",
            detector=alarm.name,
            severity=alarm.severity,
            change_point=alarm.since,
            detected_at=end,
            effect=alarm.effect,
            effect_unit=f"share {alarm.name}",
            text=alarm.text,
            log_e=alarm.log_e,
            evidence=alarm.evidence,
        )

    @property
    def _of(self) -> list[Any]:
        """What windows and shares are of: they cannot be taken up where it is another."""
        advice = self._advice
        of = [advice.action, advice.positive, advice.baseline, advice.within]
        of = [self._days, *of, advice.column, advice.compare, str(advice.bound)]
        # Where they are one, as they were when only windows were judged.
        return of if self.span == self._days else [*of, self.span]

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as JSON values and bytes."""
        return {
            "format": FORMAT,
            "of": self._of,
            "windows": [[each, acts.to_values()] for each, acts in sorted(self._windows.items())],
            "told": [list(each) for each in sorted(self._told.items())],
            "judged": sorted(self._ripe),
            "day": None if self._day is None else [self._day[0], self._day[1].to_values()],
            "last": self._last,
            "practice": self._practice.snapshot(),
        }

    def can_restore(self, state: dict[str, Any] | None) -> bool:
        """Return whether a state is of windows and a policy like these; contracts change."""
        return state is not None and state["of"] == self._of

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave; raise `StateError` for anything else."""
        check(state, format=FORMAT, of=self._of)
        self._windows = {window: Acts.from_values(raw) for window, raw in state["windows"]}
        self._told = dict(state["told"])
        self._ripe = set(state["judged"])
        day = state.get("day")
        self._day = None if day is None else (int(day[0]), Acts.from_values(day[1]))
        self._last = int(state["last"])
        self._practice.restore(state["practice"])
