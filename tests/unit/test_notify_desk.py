"""What is told to whom, when: the desk, without any clock or network."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit._watched import START, Watched

from driftline.contract.types import DAY, HOUR, MINUTE, SECOND, Owner
from driftline.events.outputs import Alert
from driftline.events.time import format_ts
from driftline.notify.desk import Desk
from driftline.notify.routes import (
    Alertmanager,
    Match,
    Pagerduty,
    Route,
    Routes,
    Secret,
    Stdout,
)
from driftline.notify.text import text_of

if TYPE_CHECKING:
    from driftline.notify.message import Message

NOW = 1_800_000_000 * SECOND
OUT = Route(name="out", target=Stdout())
PAGER = Route(name="pager", target=Pagerduty(routing_key=Secret(variable="KEY")))
PROMETHEUS = Route(name="am", target=Alertmanager(urls=("http://am",)))


class Office:
    """A desk, and what its routes have received."""

    def __init__(self, *routes: Route) -> None:
        self.routes = routes or (OUT,)
        self.desk = Desk(self.routes)
        self.now = NOW
        self.received: list[Message] = []

    def hears(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.desk.on_alert(alert, self.now)

    def after(self, us: int, *, deliver: bool = True) -> list[tuple[str, str]]:
        """Let time pass; return what was sent at its end: state and title."""
        self.now += us
        sent = []
        for route in self.routes:
            while (message := self.desk.next(route.name, self.now)) is not None:
                sent.append(message)
                if deliver:
                    self.desk.done(message, self.now)
        self.received += sent
        return [(message.state, message.cause.title) for message in sent]

    def restarted(self, records: dict[str, Any]) -> Office:
        found = Office(*self.routes)
        found.now = self.now
        found.desk.restore(records, self.now)
        return found


class Kept(dict[str, Any]):
    """The compacted topic."""

    def keep(self, desk: Desk) -> Kept:
        for cause, record in desk.records():
            self.pop(cause, None)
            if record is not None:
                self[cause] = orjson.loads(orjson.dumps(record))
        return self


def test_ten_models_are_one_message_after_the_wait():
    office = Office()
    for number in range(10):
        assert office.after(SECOND) == []
        office.hears(*Watched(f"m{number}").says("income", 0))
    assert office.after(SECOND) == [("opened", "`income` moved in 10 models")]
    assert office.desk.idle


def test_what_joins_later_is_an_update_and_not_too_often():
    office, models = Office(), [Watched(f"m{number}") for number in range(4)]
    office.hears(*models[0].says("income", 0))
    office.after(MINUTE)
    for model in models[1:]:
        office.hears(*model.says("income", 0))
        assert office.after(MINUTE) == []
    assert office.after(MINUTE) == []
    assert office.after(MINUTE) == [("updated", "`income` moved in 4 models")]
    assert office.desk.idle


def test_resolved_then_back_is_told_as_such():
    office, one = Office(), Watched("m")
    office.hears(*one.says("income", 0))
    office.after(MINUTE)
    office.hears(*one.clears("income", HOUR))
    assert office.after(10 * SECOND) == [("resolved", "`income` moved in m")]
    office.hears(*one.says("income", 3 * HOUR))
    assert office.after(10 * SECOND) == [("reopened", "`income` moved in m")]
    assert len({message.key for message in office.received}) == 1
    assert [message.number for message in office.received] == [1, 2, 3]
    # Over and back before anybody heard that it was over.
    office.hears(*one.clears("income", 4 * HOUR), *one.says("income", 5 * HOUR))
    assert office.after(10 * SECOND) == [("reopened", "`income` moved in m")]


def test_what_is_over_before_it_was_told_is_not_told():
    office, one = Office(), Watched("m")
    office.hears(*one.says("income", 0), *one.clears("income", MINUTE))
    assert office.after(HOUR) == []
    assert office.desk.idle


def test_a_route_for_pages_hears_of_a_notice_when_it_becomes_one():
    office = Office(Route(name="pages", target=Stdout(), match=Match(severity="page")))
    one, two = Watched("one"), Watched("two")
    office.hears(*one.says("income", 0, severity="notice"))
    assert office.after(HOUR) == []
    office.hears(*two.says("income", 0))
    assert office.after(10 * SECOND) == [("opened", "`income` moved in 2 models")]
    # What was told is told to its end.
    office.hears(*two.clears("income", HOUR))
    office.after(HOUR)
    office.hears(*one.clears("income", HOUR))
    assert office.after(10 * SECOND)[0][0] == "resolved"


def test_a_team_hears_of_its_own_models_and_that_there_are_others():
    risk = Route(name="risk", target=Stdout(), match=Match(teams=("risk-*",)))
    office = Office(risk, Route(name="prices", target=Stdout(), match=Match(models=("prices",))))
    office.hears(*Watched("credit", owner=Owner(team="risk-ml")).says("income", 0))
    office.hears(*Watched("other", owner=Owner(team="ops")).says("income", 0))
    office.hears(*Watched("nobodys").says("income", 0))
    assert office.after(MINUTE) == [("opened", "`income` moved in credit")]
    assert office.received[0].beyond == 2


def test_worse_is_told_at_once():
    office, one = Office(), Watched("m")
    office.hears(*one.says("income", 0, severity="notice"))
    office.after(MINUTE)
    office.hears(*one.says("income", MINUTE))
    assert office.after(10 * SECOND) == [("escalated", "`income` moved in m")]


def test_repeats_and_left_out_states():
    often = Route(name="often", target=Stdout(), repeat=HOUR)
    office = Office(often, Route(name="ends", target=Stdout(), states=("resolved",)))
    one = Watched("m")
    office.hears(*one.says("income", 0))
    assert [m for m, _ in office.after(MINUTE)] == ["opened"]
    assert office.after(59 * MINUTE) == []
    assert [m for m, _ in office.after(MINUTE)] == ["repeated"]
    assert [m for m, _ in office.after(HOUR)] == ["repeated"]
    assert office.desk.idle
    office.hears(*one.clears("income", HOUR))
    assert [m for m, _ in office.after(MINUTE)] == ["resolved", "resolved"]


def test_alertmanager_is_sent_what_is_open_again_and_again():
    office, one = Office(PROMETHEUS), Watched("m")
    office.hears(*one.says("income", 0, severity="notice"))
    assert [m for m, _ in office.after(10 * SECOND)] == ["opened"]
    assert [m for m, _ in office.after(MINUTE)] == ["repeated"]
    assert office.received[-1].before is None
    office.hears(*one.says("income", MINUTE))
    assert [m for m, _ in office.after(10 * SECOND)] == ["escalated"]
    worse = office.received[-1]
    assert (worse.before or {})["severity"] == "notice"
    assert worse.labels == {**(worse.before or {}), "severity": "page"}
    office.hears(*one.clears("income", HOUR))
    assert [m for m, _ in office.after(10 * SECOND)] == ["resolved"]
    assert office.after(HOUR) == []


def test_a_merged_cause_goes_on_under_the_name_that_is_known():
    office = Office()
    one, two, three = (Watched(name) for name in ("one", "two", "three"))
    office.hears(*one.says("income", 0), *two.says("age", 0))
    assert len(office.after(MINUTE)) == 2
    office.hears(*three.says("income", 0), *three.says("age", 0))
    assert office.after(HOUR) == [
        ("merged", "`age` moved in two"),
        ("updated", "`age`, `income` moved in 3 models"),
    ]
    first, second, merged, updated = office.received
    assert (merged.key, updated.key) == (second.key, first.key)
    assert merged.into == "`age`, `income` moved in 3 models"
    assert office.desk.idle

    # A route that knew the second one alone has nothing to close and nothing to open.
    office = Office(Route(name="two", target=Stdout(), match=Match(models=("t*",))))
    one, two, three = (Watched(name) for name in ("one", "two", "three"))
    office.hears(*one.says("income", 0), *two.says("age", 0))
    office.after(MINUTE)
    office.hears(*three.says("income", 0), *three.says("age", 0))
    assert [state for state, _ in office.after(HOUR)] == ["updated"]
    assert len({message.key for message in office.received}) == 1


def test_pages_go_first():
    office = Office()
    office.hears(*Watched("a").says("age", 0, severity="notice"))
    office.hears(*Watched("b").says("income", 0))
    assert [title for _, title in office.after(MINUTE)] == [
        "`income` moved in b",
        "`age` moved in a",
    ]


def test_alerts_are_settled_when_every_route_has_told_them():
    office = Office(OUT, Route(name="slow", target=Stdout(), wait=HOUR))
    one, two = Watched("one"), Watched("two")
    office.hears(*one.says("income", 0))
    assert office.desk.settled == 0
    office.after(10 * SECOND)
    assert office.desk.settled == 0
    office.hears(*two.says("age", 0))
    office.now += HOUR - 10 * SECOND
    message = office.desk.next("slow", office.now)
    assert message is not None
    assert office.desk.settled == 0
    # What comes while a message is on its way is not told with it.
    office.hears(*one.says("zip", 10 * SECOND))
    office.desk.done(message, office.now)
    assert office.desk.settled == 1
    office.after(2 * HOUR)
    assert office.desk.settled == 3
    assert office.desk.idle


def test_a_restart_tells_nothing_twice_and_forgets_nothing():
    office, one, two = Office(), Watched("one"), Watched("two")
    kept = Kept()
    office.hears(*one.says("income", 0))
    office.after(MINUTE)
    office.hears(*two.says("age", 0))
    kept.keep(office.desk)
    again = office.restarted(kept)
    assert again.desk.settled == -1
    assert again.after(10 * SECOND) == [("opened", "`age` moved in two")]
    assert again.desk.settled == 0
    # What was not acknowledged comes once more.
    again.hears(*[m for w in (one, two) for m in _all(w)])
    assert again.after(HOUR) == []
    again.hears(*one.clears("income", HOUR))
    assert again.after(HOUR) == [("resolved", "`income` moved in one")]
    # After a day it is forgotten there, and here.
    again.hears(*one.says("zip", 2 * DAY))
    again.after(HOUR)
    assert len(kept.keep(again.desk)) == 2


def _all(watched: Watched) -> list[Alert]:
    return [msgspec.json.decode(value, type=Alert) for _, value in watched.messages]


ENDS = Route(name="ends", target=Stdout(), states=("opened", "reopened", "resolved"))
ROUTES = (OUT, PAGER, ENDS)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1).map(random.Random))
def test_every_receiver_ends_with_what_is_so(chance):
    """However alerts, deliveries, crashes and restarts fall, what is open there is what is open."""
    office, kept = Office(*ROUTES), Kept()
    models = [Watched(f"m{number}") for number in range(4)]
    alerts: list[Alert] = []
    acknowledged = heard = 0
    shown: dict[str, dict[str, bool]] = {route.name: {} for route in ROUTES}
    marks: list[tuple[int, int]] = []

    def sent(message: Message) -> None:
        shown[message.route][message.key] = message.open

    for step in range(40):
        model, at = chance.choice(models), step * 20 * SECOND
        speak = model.clears if chance.random() < 0.4 else model.says
        alerts += speak(chance.choice(["income", "age", "zip"]), at)
        if chance.random() < 0.7:
            while heard < len(alerts):
                number = office.desk.on_alert(alerts[heard], office.now)
                heard += 1
                marks.append((number, heard))
        office.now += chance.randrange(20) * SECOND
        for route in ROUTES:
            message = office.desk.next(route.name, office.now)
            if message is not None:
                kept.keep(office.desk)
                sent(message)  # it has arrived, whether we learn of it or not
                if chance.random() < 0.8:
                    office.desk.done(message, office.now)
                else:
                    office = office.restarted(kept)
                    heard, marks = acknowledged, []
                    break
        if chance.random() < 0.5:
            settled = office.desk.settled
            kept.keep(office.desk)
            while marks and marks[0][0] <= settled:
                acknowledged = marks.pop(0)[1]
    office.hears(*alerts[acknowledged:])
    for _ in range(50):
        office.now += HOUR
        for route in ROUTES:
            while (message := office.desk.next(route.name, office.now)) is not None:
                sent(message)
                office.desk.done(message, office.now)
    assert office.desk.idle
    open_now = {c.id for c in office.desk.causes.all if c.open}
    for route in ROUTES:
        assert sum(shown[route.name].values()) == len(open_now)


def test_when_somebody_is_on_it_pagerduty_is_told_and_the_others_are_left_in_peace():
    often = Route(name="often", target=Stdout(), repeat=HOUR)
    office = Office(often, PAGER, PROMETHEUS)
    one, two = Watched("one"), Watched("two")
    office.hears(*one.says("income", 0))
    office.after(MINUTE)
    office.hears(*one.does("incident_acknowledged", MINUTE))
    told = office.after(30 * SECOND)
    assert told == [("acknowledged", "`income` moved in one")]
    assert office.received[-1].route == "pager"
    # More of the same is not told while somebody is on it; Alertmanager goes on being sent it.
    office.hears(*two.says("income", 0))
    office.after(3 * HOUR)
    assert {(m.route, m.state) for m in office.received[4:]} == {("am", "repeated")}
    office.hears(*one.clears("income", HOUR), *two.clears("income", HOUR))
    assert [state for state, _ in office.after(MINUTE)] == ["resolved"] * 3
    assert office.desk.idle


def test_what_is_silenced_is_not_told_before_the_silence_is_over():
    office, one = Office(OUT, PAGER), Watched("one")
    (opened,) = one.says("income", 0)
    until = format_ts(START + 2 * HOUR)
    office.hears(opened, *one.does("incident_silenced", SECOND, until=until))
    assert office.after(HOUR) == []
    assert office.desk.idle
    office = Office(OUT, PAGER)
    office.hears(opened)
    office.after(MINUTE)
    two = Watched("one")
    two.says("income", 0)
    office.hears(*two.does("incident_silenced", SECOND, until=until))
    assert office.after(MINUTE) == [("silenced", "`income` moved in one")]


def test_a_page_that_nobody_answers_is_told_again():
    owner = Owner(team="risk", escalation="chief", escalate_after=HOUR)
    office, one = Office(), Watched("one", owner=owner)
    office.hears(*one.says("income", 0))
    office.after(MINUTE)
    office.hears(*one.passes(2 * HOUR))
    assert [state for state, _ in office.after(MINUTE)] == ["escalated"]
    assert "Nobody has acknowledged it: chief is asked to." in str(
        text_of(office.received[-1], Routes(routes=()))
    )
