"""`driftline notify` as a process: alerts on a real broker, messages at real receivers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families
from tests.integration._receivers import (
    ROUTING_KEY,
    SECRET,
    SLACK_PATH,
    AlertmanagerProcess,
    Http,
    Mailbox,
    alertmanager_program,
    free_port,
    until,
)
from tests.unit._watched import Watched

from driftline.cli import main
from driftline.contract.types import HOUR, MINUTE, SECOND, Owner
from driftline.notify.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import Kafka

pytestmark = pytest.mark.slow

FEATURES = [f"feed_{number:02d}" for number in range(20)]
PARTITIONS = 4


class Place:
    """A topic of alerts, the receivers, and the process between them."""

    def __init__(self, kafka: Kafka, prefix: str, folder: Path) -> None:
        self.kafka, self.prefix, self.folder = kafka, prefix, folder
        self.http, self.mailbox = Http(), Mailbox()
        program = alertmanager_program()
        self.alertmanager = (
            None if program is None else AlertmanagerProcess(program, folder, self.http.url)
        )
        self.routes = folder / "routes.yaml"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []
        kafka.create(f"{prefix}alerts", PARTITIONS, cleanup_policy="compact")

    @property
    def servers(self) -> list[Any]:
        return [s for s in (self.http, self.mailbox, self.alertmanager) if s is not None]

    def write_routes(self, **more: str) -> None:
        routes = {
            "slack": "slack: {url_env: SLACK_URL}",
            "hook": f"webhook: {{url: '{self.http.url}/hook', secret_env: HOOK_SECRET}}",
            "pager": f"pagerduty: {{url: '{self.http.url}', routing_key_env: PD_KEY}}",
            "mail": f"mail: {{host: 127.0.0.1, port: {self.mailbox.port}, security: none, "
            "from: d@x.org, to: [a@x.org]}",
            "out": "stdout: {format: json}",
        }
        if self.alertmanager is not None:
            routes["am"] = f"alertmanager: {{urls: ['{self.alertmanager.url}'], resend: 2s}}"
        lines = [
            f"  {name}: {{wait: 1s, {more.get(name, '')}{target}}}"
            for name, target in routes.items()
        ]
        self.routes.write_text("routes:\n" + "\n".join(lines) + "\n")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SLACK_URL": self.http.url + SLACK_PATH,
            "HOOK_SECRET": SECRET,
            "PD_KEY": ROUTING_KEY,
        }

    @property
    def options(self) -> list[str]:
        where = ["--bootstrap", self.kafka.bootstrap, "--prefix", self.prefix]
        return ["--routes", str(self.routes), *where]

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        number = len(self.processes)
        self.ports.append(free_port())
        log, out = (self.folder / f"{name}-{number}" for name in ("log", "out"))
        with log.open("wb") as err, out.open("wb") as std:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "driftline", "notify", *self.options, *more),
                    *("--health-port", str(self.ports[-1])),
                ],
                env=os.environ | self.environment,
                stdout=std,
                stderr=err,
            )
        self.processes.append(process)
        return process

    def log(self, number: int = -1) -> str:
        number %= len(self.processes)
        return (self.folder / f"log-{number}").read_text()

    def measured(self, name: str, number: int = -1) -> dict[str, float]:
        """Return what a process says of a metric, by route; nothing before it listens."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports[number]}/metrics", timeout=10) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except URLError:
            return {}
        return {
            sample.labels.get("route", ""): sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"driftline_notify_{name}"
        }

    def out(self) -> list[dict[str, Any]]:
        found = [
            (self.folder / f"out-{number}").read_text() for number in range(len(self.processes))
        ]
        return [json.loads(line) for line in "".join(found).splitlines() if line]

    def publish(self, models: list[Watched]) -> None:
        """Put what the models have published on the topic, as a worker would."""
        messages = [message for model in models for message in model.messages]
        for model in models:
            model.messages.clear()
        asyncio.run(self._publish(messages))

    async def _publish(self, messages: list[tuple[bytes, bytes]]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap) as producer:
            for key, value in messages:
                await producer.send(f"{self.prefix}alerts", value, key)

    def counts(self) -> dict[str, int]:
        """Return how many messages each route has received."""
        return {
            "slack": len(self.http.slack),
            "hook": len(self.http.webhook),
            "pager": len(self.http.pagerduty),
            "mail": len(self.mailbox.letters),
            "out": len(self.out()),
        }

    def all_have(self, count: int) -> bool:
        return set(self.counts().values()) == {count}

    def in_alertmanager(self) -> int:
        return 0 if self.alertmanager is None else len(self.alertmanager.alerts())


@pytest.fixture
def place(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> Iterator[Place]:
    found = Place(kafka, topic_prefix, tmp_path)
    for server in found.servers:
        server.start()
    yield found
    for process in found.processes:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    for server in found.servers:
        server.stop()


def ten_models() -> list[Watched]:
    owner = Owner(team="risk-ml", contact="#risk")
    return [Watched(f"model-{n}", owner=owner, runbook="https://wiki/feed") for n in range(10)]


def broken(models: list[Watched], at: int) -> list[Watched]:
    """Let one feed break all models in twenty features each, within a minute."""
    for delay, feature in enumerate(FEATURES):
        for late, model in enumerate(models):
            model.says(feature, at + (delay + late) * SECOND)
    return models


def mended(models: list[Watched], at: int) -> list[Watched]:
    for model in models:
        for feature in FEATURES:
            model.clears(feature, at)
    return models


@pytest.mark.timeout(240)
def test_one_fault_in_ten_models_is_one_message_on_each_route(place: Place) -> None:
    place.write_routes()
    models = ten_models()
    process = place.start()
    place.publish(broken(models, 0))
    until(lambda: place.all_have(1), what=f"one message each: {place.counts()}")
    title = "`feed_00`, `feed_01`, `feed_02` and 17 more moved in 10 models"
    assert place.http.slack[0]["text"].startswith(f"PAGE: {title}, since")
    assert place.http.webhook[0]["cause"]["models"] == sorted(m.model for m in models)
    assert len(place.http.webhook[0]["alerts"]) == 10
    if place.alertmanager is not None:
        (alert,) = until(place.alertmanager.alerts, what="Alertmanager has it")
        assert title in alert["annotations"]["summary"]

    # All receivers are away while the fault is mended.
    for server in place.servers:
        server.stop()
    place.publish(mended(models, HOUR))
    until(lambda: place.log().count("attempt 2 failed") >= 3, what="they are tried again")
    waiting = place.measured("waiting_seconds")
    assert min(waiting[name] for name in ("slack", "hook", "pager", "mail")) > 0
    assert sum(place.measured("failed_total").values()) >= 6
    for server in place.servers:
        server.start()
    until(lambda: place.all_have(2), what=f"each heard that it is over: {place.counts()}")
    until(lambda: place.in_alertmanager() == 0, what="it is over in Alertmanager")
    until(lambda: not any(place.measured("waiting").values()), what="nobody waits")
    assert set(place.measured("buried_total").values()) == {0}
    assert {body["state"] for body in place.http.webhook} == {"opened", "resolved"}

    # The process dies, the fault comes back, another process takes over.
    process.kill()
    process.wait(10)
    place.publish(broken(models, 3 * HOUR))
    place.start()
    until(lambda: place.all_have(3), what=f"each heard that it is back: {place.counts()}")
    assert place.http.webhook[-1]["state"] == "reopened"
    assert place.http.slack[-1]["text"].startswith(f"PAGE again: {title}")
    assert len({body["cause"]["id"] for body in place.http.webhook}) == 1
    assert len({body["dedup_key"] for body in place.http.pagerduty}) == 1
    assert len({letter["Message-ID"] for letter in place.mailbox.letters}) == 3
    assert [letter["In-Reply-To"] for letter in place.mailbox.letters[1:]] == (
        [place.mailbox.letters[0]["Message-ID"]] * 2
    )
    assert place.http.refused == []

    place.processes[-1].send_signal(signal.SIGTERM)
    assert place.processes[-1].wait(30) == 0
    # Nothing is left: a third one has nothing to tell, and no secret was ever logged.
    assert place.start("--until-idle", "2").wait(60) == 0
    assert place.all_have(3)
    logs = "".join(place.log(number) for number in range(3))
    assert not [word for word in (SLACK_PATH, ROUTING_KEY, SECRET) if word in logs]


@pytest.mark.timeout(240)
def test_another_process_stands_by_and_takes_over(place: Place) -> None:
    place.write_routes()
    first = place.start()
    until(lambda: "at work" in place.log(0), what="the first is at work")
    second = place.start()
    one = Watched("one")
    one.says("income", 0)
    place.publish([one])
    until(lambda: place.all_have(1), what=f"told once: {place.counts()}")
    assert "at work" not in place.log(1)
    until(lambda: place.measured("at_work", 1) == {"": 0}, what="the second stands by")
    assert place.measured("at_work", 0) == {"": 1}
    first.terminate()
    assert first.wait(30) == 0
    until(lambda: "at work: 1 causes known" in place.log(1), what="the second is at work")
    one.clears("income", HOUR)
    place.publish([one])
    until(lambda: place.all_have(2), what=f"the second tells on: {place.counts()}")
    assert place.measured("at_work", 1) == {"": 1}
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 0


def deadletters(place: Place) -> list[Message]:
    records = place.kafka.consume(f"{place.prefix}notify-deadletter")
    return [msgspec.json.decode(record.value, type=Message) for record in records]


@pytest.mark.timeout(240)
def test_what_cannot_be_delivered_is_kept_and_can_be_sent_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write_routes(slack="give_up_after: 2s, ")
    one = Watched("one")
    one.says("income", 0)
    place.publish([one])
    environment = place.environment | {"SLACK_URL": "http://127.0.0.1:1/services/secret"}
    run = subprocess.run(
        [sys.executable, "-m", "driftline", "notify", *place.options, "--until-idle", "3"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert run.returncode == 0, run.stderr
    assert "given up after" in run.stderr
    assert "services/secret" not in run.stderr
    (kept,) = deadletters(place)
    assert (kept.route, kept.state, kept.cause.title) == (
        "slack", "opened", "`income` moved in one",
    )  # fmt: skip
    assert len(place.mailbox.letters) == 1

    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert main(["notify", "redeliver", *place.options]) == 0
    assert capsys.readouterr().out.startswith("1 delivered, 0 failed again")
    assert place.http.slack[0]["text"].startswith("Late, of ")
    assert main(["notify", "redeliver", *place.options]) == 0
    assert len(place.http.slack) == 1


def test_a_topic_that_is_not_there_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.routes.write_text("routes: {out: {stdout: {}}}")
    options = [*place.options[:-1], f"{place.prefix}no-"]
    for more in ([], ["--dry-run"]):
        assert main(["notify", *options, *more]) == 1
        assert "no-alerts: expected a topic, found none; `driftline t" in capsys.readouterr().err


@pytest.mark.timeout(240)
def test_a_dry_run_and_a_test_message(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.write_routes()
    one, two = Watched("one"), Watched("two")
    one.says("income", 0)
    two.says("age", 0)
    two.clears("age", MINUTE)
    place.publish([one, two])
    for name in place.environment:
        monkeypatch.delenv(name, raising=False)
    assert main(["notify", *place.options, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["first"].partition(",")[0] for each in found} == {"PAGE: `income` moved in one"}
    assert {each["route"] for each in found} >= {"slack", "hook", "pager", "mail", "out"}
    assert place.all_have(0)

    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    for route in ("slack", "hook", "pager", "mail"):
        assert main(["notify", "test", route, "--routes", str(place.routes)]) == 0
    assert place.http.slack[0]["text"].startswith("Test: ")
    # What keeps things open is told that the test is over.
    assert [each["event_action"] for each in place.http.pagerduty] == ["trigger", "resolve"]
    place.http.answers = [web.Response(status=404, text="no_team")]
    capsys.readouterr()
    assert main(["notify", "--routes", str(place.routes), "test", "slack"]) == 1
    assert capsys.readouterr().err == "driftline: error: 127.0.0.1: 404 Not Found: no_team\n"
