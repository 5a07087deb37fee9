"""What a message says: the first line says it all."""

from __future__ import annotations

from string import Template
from typing import Any

import msgspec
from tests.unit._watched import Watched

from driftline.contract.types import DAY, HOUR, MINUTE, SECOND, Owner
from driftline.incidents import Causes
from driftline.notify.alertmanager import payload
from driftline.notify.message import Message, trial
from driftline.notify.routes import Routes
from driftline.notify.text import FIELDS, LONGEST, lasting, text_of

ROUTES = Routes(routes=(), page_url="https://page", kafka="kafka:9092")
NOW = 1_800_000_000 * SECOND


def message(state: str = "opened", models: int = 1, **more: Any) -> Message:
    held = Causes()
    for number in range(models):
        owner = Owner(team=f"team-{number % 2}", contact="#risk")
        model = Watched(f"m{number}", owner=owner, runbook="https://wiki")
        alerts = model.says("income", 0, delay=90 * SECOND)
        if state == "resolved":
            alerts += model.clears("income", HOUR + 3 * MINUTE)
        for alert in alerts:
            held.on_alert(alert)
    (cause,) = held.all
    given = {"id": "i", "route": "r", "state": state, "key": "k", "number": 1, "at": NOW}
    return Message(cause=cause, **{**given, **more})


def test_all_of_it():
    found = text_of(message(models=7, beyond=2), ROUTES)
    assert str(found).splitlines() == [
        "PAGE: `income` moved in 7 models, since 23:58 UTC: median 41 → 52",
        "Since 2026-03-01 23:58:30 UTC, noticed 1 min later.",
        "m0: `income` median 41 → 52",
        "m1: `income` median 41 → 52",
        "m2: `income` median 41 → 52",
        "m3: `income` median 41 → 52",
        "m4: `income` median 41 → 52",
        "… and 2 more",
        "The same cause is seen in 2 models beyond this route.",
        "Owner: team-0 #risk; team-1 #risk",
        "Do: https://wiki",
        f"Page: https://page/incidents/{found.page.rpartition('/')[2]}",
        found.lines[-1],
    ]
    assert found.lines[-1].startswith('Replay: driftline replay "kafka://kafka:9092/feeds.pred')


def test_first_lines():
    def first(state: str, **more: Any) -> str:
        return text_of(message(state, **more), ROUTES).first

    ending = "`income` moved in m0, since 23:58 UTC: median 41 → 52"
    assert first("updated") == f"PAGE, more: {ending}"
    assert first("escalated") == f"PAGE now: {ending}"
    assert first("reopened") == f"PAGE again: {ending}"
    assert first("repeated") == f"PAGE, still open: {ending}"
    assert first("resolved") == "Resolved after 1 h 4 min: `income` moved in m0"
    assert first("opened", late=True).startswith("Late, of 2027-01-15 08:00:00 UTC: PAGE: ")
    assert "over since 2026-03-02 01:03:00 UTC" in text_of(message("resolved"), ROUTES).lines[0]
    assert text_of(trial("r", NOW), ROUTES).first.startswith("Test: ")


def test_one_line_stays_one_line_of_a_bearable_length():
    held = Causes()
    (alert,) = Watched("m").says("a\nb" * 200, 0)
    held.on_alert(alert)
    given = message()
    found = text_of(msgspec.structs.replace(given, cause=held.all[0]), ROUTES)
    assert "\n" not in found.first
    assert len(found.first) == LONGEST


def test_a_template_may_name_every_field():
    template = Template(" | ".join(f"${name}" for name in FIELDS) + "\nsecond line")
    routes = Routes(routes=(), page_url="https://p/{cause}?i={incident}")
    found = text_of(message(), routes, template)
    assert "| `income` moved in m0 | opened | page | 2026-03-01 23:58:30 UTC | " in found.first
    assert found.lines == ["second line"]
    cause = message().cause
    assert found.page == f"https://p/{cause.id}?i={cause.lead.data.incident}"


def test_how_long_it_lasted():
    assert [lasting(us) for us in (0, 59 * SECOND, 90 * MINUTE, 2 * HOUR, DAY + HOUR, 3 * DAY)] == [
        "0 s", "59 s", "1 h 30 min", "2 h", "1 d 1 h", "3 d",
    ]  # fmt: skip


def test_alertmanager_is_told_of_no_alert_that_ends_before_it_begins():
    # Event time may be ahead of the wall clock.
    early = message(at=1_000 * SECOND, labels={"cause": "k"}, before={"cause": "k", "s": "notice"})
    for body in (
        payload(early, text_of(early, ROUTES), MINUTE),
        payload(msgspec.structs.replace(early, state="resolved"), text_of(early, ROUTES), MINUTE),
    ):
        assert len(body) == 2
        assert all(alert["startsAt"] <= alert["endsAt"] for alert in body)
