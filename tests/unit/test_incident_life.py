"""What becomes of incidents by people, by time and by coming back: each turn, wherever it stops."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import Contract, parse
from driftline.contract.types import DAY, HOUR, MINUTE, SECOND
from driftline.detect.protocol import Finding
from driftline.events.outputs import Alert, AlertState, Feedback
from driftline.events.time import format_ts
from driftline.events.windows import AlarmsWindow
from driftline.incidents import Context, Incidents

if TYPE_CHECKING:
    from driftline.incidents import Step

START = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z
CONTRACT = parse(
    "{model: m, owner: {team: t, contact: '#t', escalation: chief, escalate_after: 30m},"
    " budget: {false_pages: 1 per 30d}, alerts: {flapping: 3 per 6h}}",
    "m.yaml",
)


class Story:
    """The incidents of one model, put away and taken up again before each thing that happens."""

    def __init__(self, contract: Contract = CONTRACT, *, stops: bool = True) -> None:
        self.contract = contract
        self.stops = stops
        self.incidents = Incidents(contract)
        self.alerts: list[dict[str, Any]] = []
        self.times: list[str] = []
        self.feedback: list[dict[str, Any]] = []
        self.alarms: list[dict[str, Any]] = []

    def happens(
        self, at: int, *found: str, feature: str = "age", since: int | None = None
    ) -> list[tuple[str, str, str]]:
        """Take findings ("page", "notice", "clear") or nothing at a time, microseconds from START.

        Parameters
        ----------
        since
            When what was found has begun; at once if left out.

        Returns
        -------
        State, severity and reason of each alert that follows.
        """
        findings = [
            Finding(
                state="cleared" if each == "clear" else "raised", model="m", feature=feature,
                kind="drift", detector="evidence",
                severity="notice" if each == "notice" else "page",
                change_point=START + (at if since is None else since), detected_at=START + at,
                effect=0.8, effect_unit="sd", text="41 → 52",
            )
            for each in found
        ]  # fmt: skip
        self._resume()
        return self._take(self.incidents.step(findings, Context(START + at)))

    def does(self, at: int, kind: str, **told: Any) -> list[tuple[str, str, str]]:
        """Take an act of Ana's on the incident, or on the one named."""
        self._resume()
        given = {"incident": self.alerts[-1]["incident"]} if self.alerts else {}
        told = {**given, "by": "ana", **told}
        return self._take(self.incidents.on_act(kind, START + at, told, Context(START + at)))

    def passes(self, at: int) -> list[tuple[str, str, str]]:
        """Let time pass without a slot."""
        self._resume()
        return self._take(self.incidents.on_time(Context(START + at)))

    def _resume(self) -> None:
        if self.stops:
            state = orjson.loads(orjson.dumps(self.incidents.snapshot()))
            self.incidents = Incidents(self.contract)
            self.incidents.restore(state)

    def _take(self, step: Step) -> list[tuple[str, str, str]]:
        for messages, shape in (
            (step.alerts, Alert), (step.feedback, Feedback), (step.windows, AlarmsWindow)
        ):  # fmt: skip
            for _, value in messages:
                decoded = msgspec.json.decode(value, type=shape)
                # Nothing is written that the shape does not name.
                assert msgspec.to_builtins(decoded) == orjson.loads(value)
        events = [orjson.loads(value) for _, value in step.alerts]
        self.times += [event["time"] for event in events]
        alerts = [event["data"] for event in events]
        self.alerts += alerts
        self.feedback += [orjson.loads(value) for _, value in step.feedback]
        self.alarms += [orjson.loads(value) for _, value in step.windows]
        return [(a["state"], a["severity"], a["reason"]) for a in alerts]

    @property
    def told(self) -> dict[str, Any]:
        """The last alert."""
        return self.alerts[-1]

    @property
    def refused(self) -> list[tuple[str, str, str]]:
        """Path, expected and got of the acts that were not done."""
        data = [e["data"] for e in self.feedback if e["type"].endswith("act_refused")]
        return [(each["path"], each["expected"], each["got"]) for each in data]


def instant(at: int) -> str:
    return format_ts(START + at)


def test_times_of_changes_never_go_back() -> None:
    story = Story()
    story.happens(HOUR, "page")
    # The slot of the all-clear ended before the verdict was given, and was closed after it.
    assert story.does(HOUR + 50 * SECOND, "incident_judged", verdict="true")[0][0] == "judged"
    assert story.happens(HOUR + MINUTE // 2, "clear")[0][0] == "resolved"
    assert story.told["resolved_at"] == format_ts(START + HOUR + MINUTE // 2)
    assert story.times == sorted(story.times)


def test_somebody_acknowledges_it_and_when_it_comes_back_it_is_open_anew():
    story = Story()
    assert story.happens(0, "page") == [("opened", "page", "first finding")]
    assert "acknowledged" not in story.told
    assert story.does(5 * MINUTE, "incident_acknowledged", why="on it") == [
        ("acknowledged", "page", "acknowledged by ana: on it")
    ]
    word = {"by": "ana", "at": instant(5 * MINUTE), "why": "on it"}
    assert story.told["acknowledged"] == word
    assert story.happens(HOUR, "page", feature="income", since=0)[0][0] == "updated"
    assert story.told["acknowledged"] == word
    story.happens(2 * HOUR, "clear")
    assert story.happens(2 * HOUR, "clear", feature="income")[0][0] == "resolved"
    assert story.happens(3 * HOUR, "page") == [("reopened", "page", "it came back")]
    assert "acknowledged" not in story.told
    assert [a["number"] for a in story.alerts] == list(range(1, 6))


def test_the_same_word_twice_is_one():
    story = Story()
    story.happens(0, "page")
    assert story.does(MINUTE, "incident_acknowledged")
    assert story.does(MINUTE, "incident_acknowledged") == []
    assert story.does(2 * MINUTE, "incident_acknowledged", by="ben")[0][0] == "acknowledged"


def test_a_page_that_nobody_answers_is_escalated_once():
    story = Story()
    story.happens(0, "page")
    assert story.passes(30 * MINUTE - 1) == []
    assert story.passes(HOUR) == [
        ("escalated", "page", "nobody has acknowledged it for 30m: calling chief")
    ]
    assert story.told["escalate_to"] == "chief"
    assert story.passes(9 * HOUR) == []
    story.happens(10 * HOUR, "clear")
    story.happens(11 * HOUR, "page")
    assert story.does(11 * HOUR + MINUTE, "incident_acknowledged")
    assert story.passes(20 * HOUR) == []


@pytest.mark.parametrize("how", ["step", "time"])
def test_time_passes_alike_in_slots_and_between_them(how: str):
    story = Story()
    story.happens(0, "page")
    pass_to = story.happens if how == "step" else story.passes
    pass_to(12 * HOUR)
    assert story.told["state"] == "escalated"
    assert story.alerts[1:] == [story.alerts[-1]]


def test_a_silence_keeps_what_grows_from_being_told_and_ends_by_itself():
    story = Story()
    story.happens(0, "page")
    assert story.does(MINUTE, "incident_silenced", until=instant(2 * HOUR), why="known") == [
        ("silenced", "page", f"silenced until {instant(2 * HOUR)} by ana: known")
    ]
    assert story.told["silenced"]["until"] == instant(2 * HOUR)
    assert story.happens(HOUR, "page", feature="income", since=0) == []
    assert story.passes(2 * HOUR - 1) == []
    assert story.passes(2 * HOUR) == [("updated", "page", "its silence is over, and it is not")]
    assert story.told["features"] == ["age", "income"]
    assert "silenced" not in story.told
    # It waits for an answer from then on.
    assert story.passes(2 * HOUR + 30 * MINUTE)[0][0] == "escalated"


def test_a_silence_ends_by_a_word():
    story = Story()
    story.happens(0, "page")
    story.does(MINUTE, "incident_silenced", until=instant(DAY))
    assert story.does(HOUR, "incident_unsilenced", why="it spreads") == [
        ("updated", "page", "no longer silenced, by ana: it spreads")
    ]
    assert story.does(HOUR + 1, "incident_unsilenced") == []
    assert story.refused == [("$.incident", "an incident that is silenced", "one that is not")]
    assert story.passes(HOUR + 30 * MINUTE)[0][0] == "escalated"


def test_a_silence_of_a_notice_does_not_hide_a_page():
    story = Story()
    story.happens(0, "notice")
    story.does(MINUTE, "incident_silenced", until=instant(DAY))
    assert story.happens(HOUR, "page") == [("escalated", "page", "it is a page now")]
    assert "silenced" not in story.told


def test_a_silence_outlives_that_it_is_resolved_and_holds_back_what_comes_back():
    story = Story()
    story.happens(0, "page")
    story.does(MINUTE, "incident_silenced", until=instant(4 * HOUR))
    assert story.happens(HOUR, "clear")[0][0] == "resolved"
    assert story.happens(2 * HOUR, "page") == [("reopened", "notice", "it came back")]
    assert story.told["silenced"]["until"] == instant(4 * HOUR)
    over = "it is a page: its silence is over, and it is not"
    assert story.passes(4 * HOUR) == [("escalated", "page", over)]
    assert story.alarms[-1]["pages"]["told"] == 2


def planned(windows: str) -> Contract:
    return parse(
        f"{{model: m, maintenance: [{windows}], alerts: {{flapping: 3 per 6h}}}}", "m.yaml"
    )


NIGHTLY = planned("{since: 2026-03-01T02:00Z, every: 1d, lasts: 2h, why: a backup}")


@pytest.mark.parametrize("by", ["contract", "word"])
def test_in_maintenance_a_page_is_a_notice_until_it_outlasts_it(by: str):
    story = Story(NIGHTLY if by == "contract" else CONTRACT)
    if by == "word":
        since, until = instant(2 * HOUR), instant(4 * HOUR)
        story.does(HOUR, "maintenance", incident=None, since=since, until=until, why="a backup")
    assert story.happens(3 * HOUR, "page") == [("opened", "notice", "first finding")]
    assert story.told["silenced"] == {
        "by": "ana" if by == "word" else None, "at": instant(3 * HOUR),
        "until": instant(4 * HOUR), "why": "a backup", "maintenance": True,
    }  # fmt: skip
    assert story.happens(3 * HOUR + 1, "page", feature="income") == []
    assert (story.alarms[-1]["pages"]["told"], story.alarms[-1]["withheld"]) == (0, 1)
    assert story.passes(4 * HOUR) == [
        ("escalated", "page", "it is a page: the maintenance is over, and it is not")
    ]
    assert (story.alarms[-1]["pages"]["told"], story.alarms[-1]["withheld"]) == (1, 0)


def test_what_is_over_before_the_maintenance_is_never_was_a_page():
    story = Story(NIGHTLY)
    story.happens(3 * HOUR, "page")
    assert story.happens(3 * HOUR + MINUTE, "clear")[0][:2] == ("resolved", "notice")
    assert story.passes(DAY) == []
    figures = story.alarms[-1]
    assert (figures["pages"]["told"], figures["notices"]["told"], figures["withheld"]) == (0, 0, 1)
    assert story.happens(5 * HOUR, "page") == [("reopened", "page", "it came back")]


def test_a_notice_that_becomes_a_page_in_maintenance_is_held_back():
    story = Story(NIGHTLY)
    story.happens(HOUR, "notice")
    (turn,) = story.happens(3 * HOUR, "page")
    assert turn[:2] == ("silenced", "notice")
    assert "held back" in turn[2]
    assert story.passes(4 * HOUR)[0][:2] == ("escalated", "page")


def test_maintenance_reaches_what_began_in_it_and_the_last_word_counts():
    story = Story()
    story.happens(HOUR, "page")
    told = story.does(2 * HOUR, "maintenance", since=instant(0), until=instant(9 * HOUR))
    assert told == [("silenced", "page", f"maintenance until {instant(9 * HOUR)}")]
    told = story.does(3 * HOUR, "maintenance", until=instant(3 * HOUR + SECOND))
    assert told[0][2] == f"maintenance until {instant(3 * HOUR + SECOND)}"
    assert story.passes(3 * HOUR + SECOND)[0][:2] == ("updated", "page")
    later = story.happens(3 * HOUR + MINUTE, "page", feature="other")
    assert later == [("opened", "page", "first finding")]


def test_one_maintenance_after_another_is_one():
    windows = "{since: 2026-03-02, until: 2026-03-03}, {since: 2026-03-03, until: 2026-03-04}"
    story = Story(planned(windows))
    story.happens(HOUR, "page")
    assert story.passes(DAY) == [("silenced", "notice", f"maintenance until {instant(2 * DAY)}")]
    assert story.passes(2 * DAY)[0][:2] == ("escalated", "page")


def test_flapping_is_told_once_and_then_when_it_is_calm():
    story = Story()
    told = []
    for n in range(8):
        told += story.happens(n * HOUR // 2, "page")
        told += story.happens(n * HOUR // 2 + 10 * MINUTE, "clear")
    reopened = ("reopened", "page", "it came back")
    resolved = ("resolved", "page", "everything in it has cleared")
    assert told == [
        ("opened", "page", "first finding"), resolved, reopened, resolved, reopened, resolved,
        ("reopened", "page", "it is flapping: it came back 3 times within 6h"),
        ("escalated", "page", "nobody has acknowledged it for 30m: calling chief"),
    ]  # fmt: skip
    assert story.told["flapping"]["since"] == instant(3 * HOUR // 2)
    assert len(story.told["flapping"]["returns"]) == 3
    assert story.incidents.open
    last = 7 * HOUR // 2 + 10 * MINUTE
    assert story.passes(last + 2 * HOUR - 1) == []
    assert story.passes(last + 2 * HOUR) == [
        ("resolved", "page", "it has not come back for 2h")
    ]  # fmt: skip
    assert "flapping" not in story.told
    assert story.alarms[-1]["pages"]["told"] == 4


def test_what_flaps_as_a_notice_is_still_escalated():
    story = Story()
    for n in range(4):
        story.happens(n * HOUR, "notice")
        story.happens(n * HOUR + MINUTE, "clear")
    assert story.told["state"] == "reopened"
    assert story.happens(4 * HOUR, "notice") == []
    assert story.happens(4 * HOUR + MINUTE, "page")[0][:2] == ("escalated", "page")


def test_verdicts_are_counted_beside_the_promise_and_may_come_late():
    story = Story()
    story.happens(0)
    names = []
    for n in range(14):
        story.happens(n * 6 * DAY, "page", feature=f"f{n}")
        names.append(story.told["incident"])
        story.happens(n * 6 * DAY + MINUTE, "clear", feature=f"f{n}")
    verdicts = ["false"] * 2 + ["true"] * 10 + ["expected"]
    for n, verdict in enumerate(verdicts):
        (told,) = story.does(80 * DAY, "incident_judged", incident=names[n], verdict=verdict)
        assert told == ("judged", "page", f"judged {verdict} by ana")
        assert story.told["resolved_at"] is not None
        assert story.told["verdict"] == {
            "verdict": verdict, "by": "ana", "at": instant(80 * DAY), "why": None,
        }  # fmt: skip
    figures = story.alarms[-1]
    assert figures["pages"] == {
        "told": 14, "true": 10, "false": 2, "expected": 1, "unjudged": 1,
        "precision": 10 / 12, "promised_false": 80 / 30,
    }  # fmt: skip
    # Somebody changes their mind.
    story.does(80 * DAY + 1, "incident_judged", incident=names[0], verdict="true")
    assert story.alarms[-1]["pages"]["false"] == 1
    # What came more than 90 days ago does not count, and cannot be judged any more.
    story.happens(95 * DAY, "page", feature="last")
    assert story.alarms[-1]["pages"]["told"] == 14
    story.does(95 * DAY, "incident_judged", incident=names[0], verdict="true")
    assert story.refused == [
        ("$.incident", "an incident of this model, open or resolved within 90 days",
         f'"{names[0]}"')
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "told", "path", "got"),
    [
        ("incident_judged", {"verdict": "maybe"}, "$.verdict", '"maybe"'),
        ("incident_judged", {}, "$.verdict", "nothing"),
        ("incident_acknowledged", {"incident": None}, "$.incident", "nothing"),
        ("incident_acknowledged", {"incident": "nobody's"}, "$.incident", '"nobody\'s"'),
        ("incident_silenced", {}, "$.until", "nothing"),
        ("incident_silenced", {"until": instant(0)}, "$.until", instant(0)),
        ("incident_silenced", {"until": instant(31 * DAY)}, "$.until", instant(31 * DAY)),
        ("incident_silenced", {"until": "tomorrow"}, "$.until", '"tomorrow"'),
        ("maintenance", {"since": instant(HOUR), "until": instant(HOUR)}, "$.until", instant(HOUR)),
    ],
)
def test_what_cannot_be_done_is_said(kind: str, told: dict[str, Any], path: str, got: str):
    story = Story()
    story.happens(0, "page")
    before = story.incidents.snapshot()
    assert story.does(MINUTE, kind, **told) == []
    ((at, expected, came),) = story.refused
    assert (at, came) == (path, got)
    assert expected in story.feedback[-1]["data"]["text"]
    assert story.incidents.snapshot() == before


def test_a_resolved_incident_cannot_be_acknowledged():
    story = Story()
    story.happens(0, "page")
    story.happens(HOUR, "clear")
    assert story.does(2 * HOUR, "incident_acknowledged") == []
    got = f"one that was resolved at {instant(HOUR)}"
    assert story.refused == [("$.incident", "an incident that is open", got)]


def test_severity_is_what_the_contract_says_of_a_kind():
    story = Story(parse("{model: m, alerts: {severity: {drift: notice, schema: page}}}", "m.yaml"))
    assert story.happens(0, "page") == [("opened", "notice", "first finding")]


ACTS = st.sampled_from(
    ["incident_acknowledged", "incident_silenced", "incident_unsilenced", "incident_judged",
     "maintenance"]
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("find"), st.sampled_from(["page", "notice", "clear"])),
    st.tuples(st.just("act"), ACTS),
    st.tuples(st.just("pass"), st.just("")),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(STEPS, st.sampled_from([SECOND, 10 * MINUTE, HOUR, 7 * HOUR])), max_size=40)
)
def test_in_any_order_of_things_a_life_is_consistent(steps: list[tuple[tuple[str, str], int]]):
    """And it is the same life wherever it is put away and taken up again."""
    stopped, straight = Story(NIGHTLY), Story(NIGHTLY, stops=False)
    now = 0
    for (what, which), later in steps:
        now += later
        until = instant(now + 3 * HOUR)
        for story in (stopped, straight):
            if what == "find":
                story.happens(now, which)
            elif what == "pass":
                story.passes(now)
            else:
                story.does(now, which, until=until, verdict="true")
    assert stopped.alerts == straight.alerts
    assert stopped.alarms == straight.alarms
    assert stopped.incidents.snapshot() == straight.incidents.snapshot()
    lives: dict[str, list[dict[str, Any]]] = {}
    for alert in straight.alerts:
        lives.setdefault(alert["incident"], []).append(alert)
    for life in lives.values():
        assert [alert["number"] for alert in life] == list(range(1, len(life) + 1))
        assert [alert["state"] == "opened" for alert in life] == [True] + [False] * (len(life) - 1)
        for before, after in pairwise(life):
            is_open = before["resolved_at"] is None
            assert (after["state"] == "reopened") <= (not is_open)
            assert (after["state"] == "resolved") <= is_open
            assert (after["resolved_at"] is None) <= (is_open or after["state"] == "reopened")
            assert after["state"] in get_args(AlertState)
        last = life[-1]
        is_open = any(i.id == last["incident"] for i in straight.incidents.open)
        # The last word on the topic says whether it is open.
        assert is_open == (last["resolved_at"] is None)
    for incident in straight.incidents.open:
        assert not incident.held or (
            incident.silenced is not None and incident.severity == "notice"
        )
        assert incident.unattended is None or incident.severity == "page"
        assert incident.silenced is None or incident.unattended is None
