"""Programs that listen to alerts: nothing is lost, nothing stands twice where all goes well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import driftline
from driftline.bus.config import BrokerConfig
from driftline.bus.errors import BrokerUnreachable
from driftline.contract import HOUR, SECOND, Contract
from driftline.detect.protocol import Finding
from driftline.errors import UsageError
from driftline.events.outputs import Alert
from driftline.incidents import Context, Incidents

if TYPE_CHECKING:
    from tests.integration.conftest import Kafka

pytestmark = pytest.mark.slow

START = 1_772_409_600 * SECOND
WAIT_S = 2.0


def finding(model: str, at: int, **more: Any) -> Finding:
    given = {
        "state": "raised", "model": model, "feature": "age", "kind": "drift",
        "detector": "evidence", "severity": "page", "change_point": START + at,
        "detected_at": START + at, "effect": 0.8, "effect_unit": "reference sd",
        "text": "median 41 → 52", "log_e": 12.5, "evidence": {},
    }  # fmt: skip
    return Finding(**{**given, **more})


def alerts_of(model: str) -> list[bytes]:
    """What a model's incidents publish: a page that is resolved, and a notice that stays open."""
    incidents, out = Incidents(Contract(model=model)), []
    story = [
        (0, finding(model, 0)),
        (HOUR, finding(model, HOUR, state="cleared", text="back")),
        (30 * HOUR, finding(model, 30 * HOUR, kind="decision", severity="notice", feature=None)),
    ]
    for at, each in story:
        out += incidents.step([each], Context(now=START + at)).alerts
    return [value for _, value in out]


@pytest.fixture
def sent(kafka: Kafka, topic_prefix: str) -> list[Alert]:
    """What stands on the topic, in order, beside a message that is no alert."""
    topic = kafka.create(f"{topic_prefix}alerts")
    values = [*alerts_of("credit-risk"), *alerts_of("prices")]
    kafka.produce(topic, [values[0], b"no alert", *values[1:], None], key=b"one-partition")
    return [msgspec.json.decode(value, type=Alert) for value in values]


def test_all_alerts_come_in_order_typed_and_filtered(
    kafka: Kafka, topic_prefix: str, sent: list[Alert]
) -> None:
    def ids(**wanted: Any) -> list[str]:
        told = driftline.Alerts(kafka.bootstrap, prefix=topic_prefix, idle_s=WAIT_S, **wanted)
        with told as alerts:
            found = [alert.id for alert in alerts]
        assert alerts.unreadable == 1
        return found

    assert [alert.data.state for alert in sent[:3]] == ["opened", "resolved", "opened"]
    assert ids() == [alert.id for alert in sent]
    assert ids(models=["pri*"]) == [a.id for a in sent if a.data.model == "prices"]
    assert ids(severity="page") == [a.id for a in sent if a.data.severity == "page"]
    assert ids(kinds=["decision"], states=["opened"]) == [sent[2].id, sent[5].id]


def test_what_was_not_handled_comes_again_and_nothing_else(
    kafka: Kafka, topic_prefix: str, sent: list[Alert]
) -> None:
    group = f"{topic_prefix}pager"

    def told() -> driftline.Alerts:
        return driftline.Alerts(kafka.bootstrap, group=group, prefix=topic_prefix, idle_s=WAIT_S)

    def fail_at_the_third() -> None:
        with told() as alerts:
            for number, _ in enumerate(alerts):
                1 / (2 - number)

    with pytest.raises(ZeroDivisionError):
        fail_at_the_third()
    with told() as alerts:
        assert next(alerts).id == sent[2].id
        assert next(alerts).id == sent[3].id
    with told() as alerts:
        assert [alert.id for alert in alerts] == [alert.id for alert in sent[4:]]
    with told() as alerts:
        assert list(alerts) == []


def test_inside_a_loop(kafka: Kafka, topic_prefix: str, sent: list[Alert]) -> None:
    async def read() -> list[str]:
        told = driftline.AsyncAlerts(kafka.bootstrap, prefix=topic_prefix, idle_s=WAIT_S)
        async with told as alerts:
            return [alert.id async for alert in alerts]

    assert asyncio.run(read()) == [alert.id for alert in sent]


def test_what_is_open_now(kafka: Kafka, topic_prefix: str, sent: list[Alert]) -> None:
    found = driftline.open_incidents(kafka.bootstrap, prefix=topic_prefix)
    assert [alert.id for alert in found] == [sent[2].id, sent[5].id]
    assert not driftline.open_incidents(kafka.bootstrap, prefix=topic_prefix, severity="page")


def test_a_broker_that_does_not_answer_and_words_that_mean_nothing() -> None:
    nowhere = BrokerConfig(bootstrap="127.0.0.1:1", give_up_after=SECOND)
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1: "), driftline.Alerts(nowhere):
        pass
    with pytest.raises(UsageError, match="severity: expected some of page, notice, got loud"):
        driftline.Alerts(severity="loud")
    with pytest.raises(UsageError, match="alerts: expected to be used in a with block"):
        next(driftline.Alerts())
