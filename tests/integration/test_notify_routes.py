"""Each route at a real server of its protocol, which checks what it is sent."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from aiosmtpd.smtp import AuthResult
from tests.integration._receivers import (
    ROUTING_KEY,
    SECRET,
    SLACK_PATH,
    AlertmanagerProcess,
    Http,
    Mailbox,
    alertmanager_program,
    until,
)
from tests.unit._watched import Watched

from driftline.contract.types import HOUR, SECOND, Owner
from driftline.notify.courier import Courier
from driftline.notify.desk import Desk
from driftline.notify.form import parse
from driftline.notify.measures import Metrics
from driftline.notify.message import Message
from driftline.notify.senders import sender_of
from driftline.notify.slack import payload as slack_payload
from driftline.notify.web import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from driftline.events.outputs import Alert
    from driftline.notify.routes import Routes
    from driftline.notify.text import Text

RUNBOOK = "https://wiki/credit?a=1&b=<2>"


@pytest.fixture
def http() -> Iterator[Http]:
    server = Http()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    server = Mailbox()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, http: Http) -> None:
    monkeypatch.setenv("SLACK_URL", http.url + SLACK_PATH)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("PD_KEY", ROUTING_KEY)


def routes_of(route: str, more: str = "") -> Routes:
    return parse(f"page_url: https://page\nroutes:\n  it: {{wait: 0s, {more}{route}}}", "routes")


class Line:
    """A desk and a courier, and alerts that come in."""

    def __init__(self, routes: Routes) -> None:
        (self.route,) = routes.routes
        self.routes = routes
        self.desk = Desk(routes.routes)
        self.metrics = Metrics([self.route.name])
        self.buried: list[tuple[Message, dict[str, str]]] = []

    async def bury(self, key: str, value: bytes, headers: Any) -> None:
        self.buried.append((msgspec.json.decode(value, type=Message), dict(headers)))

    def tells(self, *alerts: Alert) -> None:
        """Let alerts come in and everything be told; ends when nothing is left."""
        asyncio.run(asyncio.wait_for(self._tell(alerts), 40))

    async def _tell(self, alerts: tuple[Alert, ...]) -> None:
        def now() -> int:
            return time.time_ns() // 1_000

        async def keep() -> None:
            self.desk.records()

        async with open_session() as session:
            sender = sender_of(self.route, session)
            courier = Courier(self.route, self.routes, sender, self.bury, now, self.metrics)
            for alert in alerts:
                self.desk.on_alert(alert, now())
            work = asyncio.ensure_future(courier.run(self.desk, keep, lambda: None))
            while not self.desk.idle:
                assert not work.done(), work.result()
                await asyncio.sleep(0.02)
            courier.stopping.set()
            await work


def story() -> Iterator[tuple[Alert, ...]]:
    """Yield what is told of a model: it drifts, more of it does, it is over, it is back."""
    owner = Owner(team="risk-ml", contact="#risk", escalation="oncall")
    model = Watched("credit", owner=owner, runbook=RUNBOOK)
    yield tuple(model.says("income", 0))
    yield tuple(model.clears("income", HOUR))
    yield tuple(model.says("income", 2 * HOUR))


def test_slack(http: Http, secrets: None) -> None:
    line = Line(routes_of("slack: {url_env: SLACK_URL}"))
    for alerts in story():
        line.tells(*alerts)
    assert [body["text"] for body in http.slack] == [
        "PAGE: `income` moved in credit, since 23:59 UTC: median 41 → 52",
        "Resolved after 1 h: `income` moved in credit",
        "PAGE again: `income` moved in credit, since 01:59 UTC: median 41 → 52",
    ]
    section, action = http.slack[0]["blocks"]
    assert "Owner: risk-ml #risk (escalation: oncall)" in section["text"]["text"]
    assert "Do: https://wiki/credit?a=1&amp;b=&lt;2&gt;" in section["text"]["text"]
    assert action["elements"][0]["url"].startswith("https://page/incidents/")
    assert http.refused == []


def test_webhook_is_signed_and_the_same_message_has_the_same_id(http: Http, secrets: None) -> None:
    line = Line(routes_of(f"webhook: {{url: '{http.url}/hook', secret_env: HOOK_SECRET}}"))
    http.answers = [web.Response(status=503)]
    for alerts in story():
        line.tells(*alerts)
    assert [body["state"] for body in http.webhook] == ["opened", "resolved", "reopened"]
    assert all(body["id"] == body["webhook-id"] for body in http.webhook)
    assert len({body["cause"]["id"] for body in http.webhook}) == 1
    assert http.webhook[0]["cause"]["models"] == ["credit"]
    assert http.webhook[0]["alerts"][0]["data"]["runbook"] == RUNBOOK
    assert http.refused == []


def test_a_wrong_signature_is_refused_by_the_receiver(
    http: Http, secrets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_AAAA")
    url = f"webhook: {{url: '{http.url}/hook', secret_env: HOOK_SECRET}}"
    line = Line(routes_of(url, "give_up_after: 1s, "))
    line.tells(*next(story()))
    assert (http.webhook, http.refused) == ([], ["webhook: No matching signature found"] * 2)
    ((message, why),) = line.buried
    assert why["error.message"] == "127.0.0.1: 401 Unauthorized"
    assert message.cause.title == "`income` moved in credit"


def test_pagerduty(http: Http, secrets: None) -> None:
    line = Line(routes_of(f"pagerduty: {{routing_key_env: PD_KEY, url: '{http.url}'}}"))
    for alerts in story():
        line.tells(*alerts)
    assert [body["event_action"] for body in http.pagerduty] == ["trigger", "resolve", "trigger"]
    assert len({body["dedup_key"] for body in http.pagerduty}) == 1
    first = http.pagerduty[0]
    assert first["payload"]["severity"] == "critical"
    assert first["payload"]["summary"].startswith("PAGE: `income` moved in credit")
    assert [link["text"] for link in first["links"]] == ["Runbook", "Page"]
    assert http.refused == []


def test_what_somebody_has_acknowledged_is_acknowledged_at_pagerduty(
    http: Http, secrets: None
) -> None:
    line = Line(routes_of(f"pagerduty: {{routing_key_env: PD_KEY, url: '{http.url}'}}"))
    model = Watched("credit")
    line.tells(*model.says("income", 0))
    line.tells(*model.does("incident_acknowledged", SECOND))
    assert [body["event_action"] for body in http.pagerduty] == ["trigger", "acknowledge"]
    assert len({body["dedup_key"] for body in http.pagerduty}) == 1


def test_mail_is_one_thread(mailbox: Mailbox) -> None:
    route = f"mail: {{host: 127.0.0.1, port: {mailbox.port}, security: none, from: d@x.org, "
    line = Line(routes_of(route + "to: [a@x.org, b@x.org]}"))
    for alerts in story():
        line.tells(*alerts)
    first, second, third = mailbox.letters
    assert first["Subject"] == "PAGE: `income` moved in credit, since 23:59 UTC: median 41 → 52"
    assert first["To"] == "a@x.org, b@x.org"
    assert first["In-Reply-To"] is None
    assert second["In-Reply-To"] == third["In-Reply-To"] == first["Message-ID"]
    assert len({letter["Message-ID"] for letter in mailbox.letters}) == 3
    assert "driftline replay" in first.get_content()


def test_mail_with_encryption_and_log_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"ann", b"word"), handled=False)

    mailbox = Mailbox(
        tls_context=context, require_starttls=True, auth_required=True, authenticator=known
    )
    mailbox.start()
    server = f"host: localhost, port: {mailbox.port}, from: d@x.org, to: [a@x.org]"
    login = f"ca: {certificate}, username: ann, password_env: MAIL_WORD"
    route = f"mail: {{{server}, {login}}}"
    try:
        monkeypatch.setenv("MAIL_WORD", "word")
        line = Line(routes_of(route))
        line.tells(*next(story()))
        assert [letter["To"] for letter in mailbox.letters] == ["a@x.org"]
        # A password that is wrong may be mended: it is tried until the time is up.
        monkeypatch.setenv("MAIL_WORD", "wrong")
        line = Line(routes_of(route, "give_up_after: 1s, "))
        line.tells(*next(story()))
        ((_, why),) = line.buried
        assert why["error.message"].startswith("localhost: 535 ")
        assert int(why["attempts"]) > 1
        # Nor is anything sent to a server that nobody vouches for.
        line = Line(routes_of(route.replace(f"ca: {certificate}, ", ""), "give_up_after: 1s, "))
        line.tells(*next(story()))
        assert len(mailbox.letters) == len(line.buried) == 1
    finally:
        mailbox.stop()


def test_alertmanager(http: Http, tmp_path: Path) -> None:
    program = alertmanager_program()
    if program is None:
        pytest.skip("no prometheus-alertmanager on PATH")
    server = AlertmanagerProcess(program, tmp_path, http.url)
    server.start()
    try:
        # One member of the cluster is away: one that takes it is enough.
        urls = f"urls: ['{server.url}', 'http://127.0.0.1:1'], resend: 1s"
        line = Line(routes_of(f"alertmanager: {{{urls}}}"))
        opened, over, back = story()
        line.tells(*opened)
        (alert,) = server.alerts()
        assert alert["labels"]["model"] == "credit"
        assert alert["labels"]["team"] == "risk-ml"
        assert alert["annotations"]["summary"].startswith("PAGE: `income` moved in credit")
        assert alert["generatorURL"].startswith("https://page/incidents/")
        until(lambda: http.from_alertmanager, what="Alertmanager has told it")
        line.tells(*over)
        until(lambda: _statuses(http)[-1] == "resolved", what="it has told that it is over")
        line.tells(*back)
        (again,) = server.alerts()
        assert again["labels"] == alert["labels"]
        # Nobody sends it again: after four times the interval it counts as over.
        until(lambda: _statuses(http)[-1] == "firing", what="it has told that it is back")
        until(lambda: not server.alerts(), what="it has ended by itself")
    finally:
        server.stop()


def _statuses(http: Http) -> list[str]:
    return [each["status"] for each in http.from_alertmanager]


def test_a_receiver_that_asks_to_wait_is_left_alone(http: Http, secrets: None) -> None:
    line = Line(routes_of("slack: {url_env: SLACK_URL}"))
    later = formatdate(time.time() + 3, usegmt=True)
    http.answers = [
        web.Response(status=429, headers={"Retry-After": "2"}),
        web.Response(status=429, headers={"Retry-After": later}),
    ]
    began = time.monotonic()
    line.tells(*next(story()))
    assert len(http.slack) == 1
    assert time.monotonic() - began > 3


def test_what_is_wrong_with_the_message_is_not_tried_again(
    http: Http, secrets: None, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(routes_of("slack: {url_env: SLACK_URL}"))
    http.answers = [web.Response(status=400, text="invalid_blocks")]
    opened, over, _ = story()
    with caplog.at_level(logging.DEBUG):
        line.tells(*opened)
    ((message, why),) = line.buried
    assert (message.state, why["attempts"]) == ("opened", "1")
    assert why["error.message"] == "127.0.0.1: 400 Bad Request: invalid_blocks"
    # What it would have said counts as told, and what comes after is.
    line.tells(*over)
    assert http.slack[0]["text"].startswith("Resolved")
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("driftline")]
    assert ours
    assert not [text for text in ours if "secret" in text]


def test_a_fault_in_one_message_does_not_hold_up_the_next(
    http: Http, secrets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def payload(message: Message, text: Text) -> dict[str, Any]:
        return {1 / (message.cause.models != ("bad",)): 0} and slack_payload(message, text)

    monkeypatch.setattr("driftline.notify.slack.payload", payload)
    line = Line(routes_of("slack: {url_env: SLACK_URL}"))
    line.tells(*Watched("bad").says("age", 0), *Watched("good").says("income", 0))
    assert [body["text"][:29] for body in http.slack] == ["PAGE: `income` moved in good,"]
    ((message, why),) = line.buried
    assert message.cause.models == ("bad",)
    assert why["error.message"].startswith("unexpected ZeroDivisionError: ")


def test_an_outage_is_ridden_out(http: Http, mailbox: Mailbox, secrets: None) -> None:
    mail = f"mail: {{host: 127.0.0.1, port: {mailbox.port}, security: none, from: d@x.org, "
    for route, server, arrived in (
        ("slack: {url_env: SLACK_URL}", http, http.slack),
        (mail + "to: [a@x.org]}", mailbox, mailbox.letters),
    ):
        line = Line(routes_of(route))
        server.stop()  # type: ignore[attr-defined]

        async def back(line: Line = line, server: Any = server) -> None:
            telling = asyncio.ensure_future(line._tell(next(story())))
            await asyncio.sleep(4)
            assert not telling.done()
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(telling, 20)

        asyncio.run(back())
        assert len(arrived) == 1  # type: ignore[arg-type]
        assert line.buried == []


def test_a_limit_makes_messages_wait(http: Http, secrets: None) -> None:
    line = Line(routes_of("slack: {url_env: SLACK_URL}", "limit: 2 per 4s, "))
    began = time.monotonic()
    line.tells(*[a for name in "abcd" for a in Watched(f"m-{name}").says(name, 0)])
    assert len(http.slack) == 4
    assert 3.5 < time.monotonic() - began < 10


def test_the_time_between_attempts() -> None:
    from driftline.notify.courier import delay_s

    assert [delay_s(n, 1.0) for n in (1, 2, 3, 7, 99)] == [1, 2, 4, 30, 30]
    assert [delay_s(n, 0.0) for n in (1, 2)] == [0.5, 1.0]
    assert delay_s(1, 0.5, 90.0) == 90.0
    assert SECOND == 1_000_000
