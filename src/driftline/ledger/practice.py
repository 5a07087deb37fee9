"""Whether people act on a model as they did in its first healthy windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from driftline.contract.quantities import format_duration
from driftline.detect.plain import plain
from driftline.ledger.acted import actor_name, direction_name, excess, strictness
from driftline.ledger.acts import ACTOR, Acts, at_once
from driftline.ledger.disputes import Disputes
from driftline.ledger.habit import Bar, Habit, risen, vanished
from driftline.ledger.pace import FLOOR, Automatic, pace_median
from driftline.ledger.sequences import rates

if TYPE_CHECKING:
    from driftline.ledger.advice import Advice
    from driftline.ledger.pairs import Integers

__all__ = ["NOBODY_ACTS", "Alarm", "Practice"]

NOBODY_ACTS = 0.9
"""Share of predictions without decision from which on nobody acts: that is a page."""
LEAST_DUE = 20
"""Predictions that must have asked for a decision before it is said that nobody takes any."""
WORTH = {"ignored": 0.1, "late": 0.1, "overridden": 0.05}
"""By how much a share has to rise to be worth telling."""
PARTS = {"ignored": 0.1, "late": 0.1, "hasty": 0.1, "overridden": 0.2, "unquestioned": 0.5}
"""Of the budget. Overrides are few, and that they vanish is told from the least rows."""
MOST_QUICK = 0.5
"""Share of people's decisions in calm windows that may come at once for haste to be news."""

Severity = Literal["page", "notice"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What changed about how people act.

    Attributes
    ----------
    name
        ``ignored``, ``late``, ``hasty``, ``unquestioned``, ``overridden``, ``corrected`` or
        ``untaken``.
    since
        Start of the window from which on it is so, microseconds.
    effect
        The share now less the calm one.
    log_e
        Logarithm of the evidence; None where it is certain.
    """

    name: str
    state: Literal["raised", "cleared"]
    severity: Severity
    since: int
    effect: float
    text: str
    log_e: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


class Practice:
    """Judges windows one after the other, each when its decisions are due.

    What it says, each once until it is over:

    - ``untaken``: no decision has ever come, though the contract names one. Certain. Over with the
      first decision.
    - ``ignored``: predictions that ask for a decision got none. The share has risen by twice and
      10 points against the calm windows; or, where the contract tells of a prediction whether it
      asks for a decision, it is above `NOBODY_ACTS` for certain, whatever it was. A page where at
      least that many have none. While decisions come late, those that have not come may still: then
      only that is told.
    - ``late``: of the decisions, so many more (by twice and 10 points) came after ``within``.
    - ``hasty``: people take their decisions in less than `pace.FLOOR`, at least half of them, and
      did not before. Actors that decided by machine in the calm windows already are no people and
      no news; one that takes the place of people later is, and is named.
    - ``unquestioned``: people override a quarter or less of what they did, where that was clearly
      above zero.
    - ``overridden``: overrides have risen by twice and 5 points.

      Of the last two it is made up for who decided: some people override more than others, and a
      day's rate is measured by what these same people did in calm windows.
    - ``corrected``: overrides with a label are right more often than the model (`disputes`).

    What is usual is learnt from windows that look usual in every share: overrides as rare as in a
    day that was rubber-stamped must not become the measure of other days. So while one of them is
    raised, or there is evidence for it, nothing is learnt of any. (Overrides that are right say
    nothing against the window they came in.)

    The five shares that are learnt divide the budget (`PARTS`, `habit`). Of a simulated office of
    ten people with 200 (2,000) decisions a day, who override 8 % and take 20 minutes, so many of
    ten runs told a change with its first window, `arl` being 300:

    ============  ======================================================
    ignored       3 % to 13 %: 1 (7), to 20 %: 10 (10)
    late          taking 2 times as long: 0 (1), 3: 7 (10), 4: 10 (10)
    hasty         in 10 s: 0 (0), in 5 s: 6 (4), in 4 s: 10 (10)
    unquestioned  overriding 2 %: 2 (6), 1 %: 9 (10)
    overridden    12 %: 0 (0), 16 %: 3 (8), 20 %: 7 (10), 24 %: 9 (10)
    ============  ======================================================

    Parameters
    ----------
    arl
        Mean number of windows to a false alarm of all of them together.
    taken
        Whether decisions have come before.
    """

    def __init__(self, advice: Advice, arl: float, *, taken: bool = False) -> None:
        self._advice = advice
        bars = {name: risen(worth) for name, worth in WORTH.items()}
        bars |= {"hasty": _hasty, "unquestioned": vanished}
        self._habits = {name: Habit(bar, arl / PARTS[name]) for name, bar in bars.items()}
        self._alpha = PARTS["ignored"] / arl
        self.automatic = Automatic()
        self._disputes = Disputes()
        self._calm = Acts.empty()
        self._told: dict[str, Severity] = {}
        self._since: dict[str, int] = {}
        self._due = 0
        self.taken = taken
        """Whether any decision has ever come."""

    @property
    def calm(self) -> dict[str, Any] | None:
        """Shares in calm windows as JSON values; None while they are being learnt."""
        if not self._habits["ignored"].learnt:
            return None
        told = {
            name: None if (rate := self._habits[name].calm) is None else plain(rate)
            for name in ("ignored", "late", "overridden")
        }
        median = pace_median(self._people(self._calm)[len(ACTOR) :])
        return told | {"median_latency_s": None if median is None else plain(median)}

    @property
    def open(self) -> list[str]:
        """What is raised, in order."""
        return sorted(self._told)

    def come(self, came: Acts, start: int) -> list[Alarm]:
        """Take what was joined in a slot of the window that starts then, judged or not."""
        alarms = []
        if not self.taken and came.total("decided") > 0:
            self.taken = True
            if "untaken" in self._told:
                alarms.append(self._clear("untaken", "a decision has come"))
        state = self._disputes.step(came)
        if state == "raised":
            alarms.append(self._corrected(start))
        elif state == "cleared":
            alarms.append(self._clear("corrected", "overrides are right no more often than not"))
        return alarms

    def judge(self, acts: Acts, start: int) -> list[Alarm]:
        """Take a window whose decisions are due; windows come in order of their start."""
        due = acts.total("due")
        missed = max(0, due - acts.total("due_decided"))
        self._due += max(0, due)
        if not self.taken:
            if self._due < LEAST_DUE or "untaken" in self._told:
                return []
            return [self._untaken(start)]
        nobody = (
            self._advice.told
            and due >= LEAST_DUE
            and float(rates(missed, due, alpha=self._alpha)[0]) > NOBODY_ACTS
        )
        nothing = self._advice.told and missed >= NOBODY_ACTS * due > 0
        nothing |= acts.total("decided") <= 0
        if nothing and not self._habits["ignored"].learnt:
            return self._ignored(start, missed, due, nobody=nobody)  # not to be learnt from
        if not self._habits["hasty"].learnt:
            self.automatic.meet({name: acts.latencies(name) for name in acts.actors})
        people = self._people(acts)
        followed, overridden = acts.total("followed"), acts.total("overridden")
        own = int(people[ACTOR["followed"]]), int(people[ACTOR["overridden"]])
        strict, strict_people = strictness(acts, self._calm, self.automatic)
        shares = {
            "ignored": (missed, due, 1.0),
            "late": (acts.total("late"), acts.total("decided"), 1.0),
            "hasty": (at_once(people), int(people[ACTOR["decided"]]), 1.0),
            "unquestioned": (own[0], sum(own), 1 / strict_people),
            "overridden": (overridden, followed + overridden, strict),
        }
        alarms = []
        for name, (ones, rows, shift) in shares.items():
            state = self._habits[name].step(ones, rows, start, shift)
            if name == "ignored":
                continue  # told below, as what is late is known then
            if state == "raised":
                alarms.append(self._raise(name, acts))
            elif state == "cleared":
                alarms.append(self._clear(name, _OVER[name]))
        alarms = self._ignored(start, missed, due, nobody=nobody) + alarms
        if self._told.keys() <= {"corrected"} and all(h.usual for h in self._habits.values()):
            if not self._habits["ignored"].settled:
                self._calm.merge(acts)
            for name, (ones, rows, _) in shares.items():
                self._habits[name].learn(ones, rows)
        return alarms

    def _people(self, acts: Acts) -> Integers:
        return acts.over(name for name in acts.actors if name not in self.automatic)

    def _ignored(self, start: int, missed: int, due: int, *, nobody: bool) -> list[Alarm]:
        """Say that predictions are ignored, that nobody acts at all by now, or that it is over."""
        habit = self._habits["ignored"]
        share = missed / due if due > 0 else 0.0
        waits = self._habits["late"].open and share < NOBODY_ACTS
        told = self._told.get("ignored")
        if told is None and ((habit.open and not waits) or nobody):
            change = habit.change
            page = nobody or (change is not None and change.value >= NOBODY_ACTS)
            since = start if change is None else change.since
            return [self._say_ignored(since, share, due, page=page)]
        if told == "notice" and share >= NOBODY_ACTS and due >= LEAST_DUE:
            return [self._say_ignored(start, share, due, page=True)]
        # What was never learnt has no rate to come back to: half of them will do.
        calm = habit.middle if habit.learnt else 0.5
        if told is not None and due > 0 and not habit.open and share < (calm or 0.5):
            return [self._clear("ignored", _OVER["ignored"])]
        return []

    def _say_ignored(self, since: int, share: float, due: int, *, page: bool) -> Alarm:
        habit = self._habits["ignored"]
        many = f"{share:.1%} of {due:,} predictions that ask for a decision"
        text = f"{'nobody acts' if page else 'ignored'}: {many} had none{self._in_time()}"
        text += _before(habit)
        return self._open("ignored", since, share, text, page=page, rows=due)

    def _in_time(self) -> str:
        within = self._advice.within
        return "" if within is None else f" {format_duration(within)} after their window"

    def _untaken(self, start: int) -> Alarm:
        text = f"nobody takes them: no decision has ever come, for {self._due:,} predictions"
        return self._open("untaken", start, 1.0, text, rows=self._due)

    def _corrected(self, start: int) -> Alarm:
        found = self._disputes.found
        rows = found.person + found.model
        text = (
            f"overrides are right: where a label tells, the person was right and not the model in "
            f"{found.person:,} of {rows:,} (at least {found.low:.0%} for certain)"
        )
        sides = [
            {"recommended": said, "action": done, "person": person, "model": model}
            for said, done, person, model in self._disputes.directions[:5]
            if person + model
        ]
        if sides:
            best = self._disputes.directions[0]
            text += f"; most are {direction_name(*best[:2])}"
        share = found.share or 0.0
        return self._open("corrected", start, share, text, rows=rows, calm=0.5, directions=sides)

    def _raise(self, name: str, acts: Acts) -> Alarm:
        habit = self._habits[name]
        change = habit.change
        assert change is not None
        many = f"of {change.rows:,}"
        people = self._people(acts)
        median, before = (
            pace_median(each[len(ACTOR) :]) for each in (people, self._people(self._calm))
        )
        medians = f"; median {_span(median)}, {_span(before)} before"
        more: dict[str, Any] = {}
        if name == "late":
            within = format_duration(self._advice.within or 0)
            text = f"late: {change.value:.1%} {many} decisions came after {within}"
            text += _before(habit) + medians
        elif name == "hasty":
            text = (
                f"rubber-stamped: people took {change.value:.1%} {many} decisions in less than "
                f"{format_duration(FLOOR)}{_before(habit)}{medians}"
            )
            if (who := self._hastiest(acts)) is not None:
                text += f"; most by {who}"
        elif name == "unquestioned":
            calm = 1 - (habit.calm or 0.0)
            text = (
                f"rubber-stamped: people overrode {1 - change.value:.1%} {many} recommendations; "
                f"{calm:.1%} in calm windows"
            )
        else:
            parts = excess(acts, self._calm)
            text = f"overridden: {change.value:.1%} {many} decisions{_before(habit)}"
            if parts:
                text += "; most " + ", ".join(part.words().strip() for part in parts)
            more["where"] = [
                {**part._asdict(), "what": part.what or "direction", "part": plain(part.part)}
                for part in parts
            ]
        if name in {"late", "hasty"}:
            more["median_latency_s"] = [
                None if each is None else plain(each) for each in (before, median)
            ]
        return self._open(name, change.since, change.value, text, rows=change.rows, **more)

    def _hastiest(self, acts: Acts) -> str | None:
        """Return who took more than half of what people decided at once; None where nobody did."""
        quick = {
            actor_name(name): at_once(row)
            for name, row in acts.actors.items()
            if name not in self.automatic
        }
        most = max(sorted(quick), key=quick.__getitem__, default=None)
        return most if most is not None and 2 * quick[most] > sum(quick.values()) else None

    def _open(
        self, name: str, since: int, share: float, text: str, *, page: bool = False, **evidence: Any
    ) -> Alarm:
        self._told[name] = "page" if page else "notice"
        self._since.setdefault(name, since)
        habit = self._habits.get(name)
        calm = habit.calm if habit is not None and habit.learnt else evidence.pop("calm", None)
        log_e = None
        if habit is not None and habit.open:
            log_e, evidence["log_threshold"] = (plain(each) for each in habit.evidence)
        known = {"share": plain(share), "calm": None if calm is None else plain(calm)}
        return Alarm(
            name=name,
            state="raised",
            severity=self._told[name],
            since=self._since[name],
            effect=plain(share - (calm or 0.0)),
            text=text,
            log_e=log_e,
            evidence=known | evidence,
        )

    def _clear(self, name: str, text: str) -> Alarm:
        return Alarm(name, "cleared", self._told.pop(name), self._since.pop(name), 0.0, text)

    def close(self) -> list[Alarm]:
        """Return that everything raised is over, as another practice begins."""
        return [self._clear(name, "what is usual is learnt anew") for name in self.open]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes."""
        return {
            "habits": {name: habit.snapshot() for name, habit in self._habits.items()},
            "automatic": self.automatic.snapshot(),
            "disputes": self._disputes.snapshot(),
            "calm": self._calm.to_values(),
            "told": dict(self._told),
            "since": dict(self._since),
            "due": self._due,
            "taken": self.taken,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name, habit in self._habits.items():
            habit.restore(state["habits"][name])
        self.automatic.restore(state["automatic"])
        self._disputes.restore(state["disputes"])
        self._calm = Acts.from_values(state["calm"])
        self._told, self._since = dict(state["told"]), dict(state["since"])
        self._due, self.taken = int(state["due"]), bool(state["taken"])


_OVER = {
    "ignored": "predictions are acted on again",
    "late": "decisions come in time again",
    "hasty": "people take their time again",
    "unquestioned": "people override again",
    "overridden": "overrides are as rare as they were",
}


def _hasty(ones: int, rows: int) -> Bar | None:
    """Return the bar for haste: half of what took its time takes none now."""
    calm = ones / rows
    return None if calm >= MOST_QUICK else Bar.at(calm, (1 + calm) / 2)


def _before(habit: Habit) -> str:
    return f"; {habit.calm:.1%} in calm windows" if habit.learnt and habit.calm is not None else ""


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "none"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"
