"""Real receivers of messages: an Alertmanager, a mail server, an HTTP server that is strict."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import jsonschema
from aiohttp import web
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook, WebhookVerificationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SLACK_PATH = "/services/T000/B000/secret"
WAIT_S = 30.0

SLACK = {
    "type": "object",
    "required": ["text", "blocks"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 3000},
        "blocks": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "oneOf": [
                    {
                        "required": ["type", "text"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "section"},
                            "text": {
                                "required": ["type", "text"],
                                "properties": {
                                    "type": {"const": "mrkdwn"},
                                    "text": {"type": "string", "minLength": 1, "maxLength": 3000},
                                },
                            },
                        },
                    },
                    {
                        "required": ["type", "elements"],
                        "properties": {"type": {"const": "actions"}},
                    },
                ]
            },
        },
    },
}
PAGERDUTY = {
    "type": "object",
    "required": ["routing_key", "event_action", "dedup_key"],
    "additionalProperties": False,
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "client": {"type": "string"},
        "client_url": {"type": "string"},
        "links": {"type": "array", "items": {"required": ["href"]}},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "additionalProperties": False,
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string"},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {"type": "string", "pattern": "^[0-9]{4}-[0-9-]+T[0-9:.]+Z$"},
                "component": {"type": "string"},
                "group": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
        },
    },
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
}
"""As the Events API v2 documents them, with their limits."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(condition: Callable[[], Any], wait_s: float = WAIT_S, what: str = "") -> Any:
    """Wait for something to be true, and return it."""
    end = time.monotonic() + wait_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {wait_s:g} s: {what}"
        time.sleep(0.05)
    return found


class Http:
    """What stands for Slack, PagerDuty and one's own receiver: refuses what they would refuse."""

    def __init__(self) -> None:
        self.port = free_port()
        self.slack: list[dict[str, Any]] = []
        self.pagerduty: list[dict[str, Any]] = []
        self.webhook: list[dict[str, Any]] = []
        self.from_alertmanager: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.answers: list[web.Response] = []
        """Given first, one a request, whatever it says."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        ready = threading.Event()

        def serve() -> None:
            loop = asyncio.new_event_loop()
            self._loop = loop
            runner = web.AppRunner(self._app())
            loop.run_until_complete(runner.setup())
            loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
            ready.set()
            loop.run_forever()
            loop.run_until_complete(runner.cleanup())
            loop.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        assert ready.wait(WAIT_S)

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(WAIT_S)
            self._loop = self._thread = None

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._in_turn])
        app.router.add_post(SLACK_PATH, self._slack)
        app.router.add_post("/v2/enqueue", self._pagerduty)
        app.router.add_post("/hook", self._webhook)
        app.router.add_post("/am", self._alertmanager)
        return app

    @web.middleware
    async def _in_turn(self, request: web.Request, handler: Any) -> web.StreamResponse:
        return self.answers.pop(0) if self.answers else await handler(request)

    async def _slack(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not self._fits(body, SLACK):
            return web.Response(status=400, text="invalid_blocks")
        self.slack.append(body)
        return web.Response(text="ok")

    async def _pagerduty(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not self._fits(body, PAGERDUTY):
            return web.json_response({"status": "invalid event"}, status=400)
        self.pagerduty.append(body)
        answer = {"status": "success", "message": "Event processed", "dedup_key": body["dedup_key"]}
        return web.json_response(answer, status=202)

    async def _webhook(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            body = Webhook(SECRET).verify(raw, dict(request.headers))
        except WebhookVerificationError as error:
            self.refused.append(f"webhook: {error}")
            return web.Response(status=401)
        self.webhook.append({**body, "webhook-id": request.headers["webhook-id"]})
        return web.Response(status=204)

    async def _alertmanager(self, request: web.Request) -> web.Response:
        self.from_alertmanager.append(await request.json())
        return web.Response()

    def _fits(self, body: Any, schema: dict[str, Any]) -> bool:
        try:
            jsonschema.validate(body, schema)
        except jsonschema.ValidationError as error:
            self.refused.append(error.message)
            return False
        return True


class Mailbox:
    """A mail server that keeps what it is given; with more, it wants encryption and a log-in."""

    def __init__(self, **more: Any) -> None:
        self.port = free_port()
        self._more = more
        self.letters: list[EmailMessage] = []
        self._controller: Controller | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append(letter)  # type: ignore[arg-type]
        return "250 OK"

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **self._more)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


def alertmanager_program() -> str | None:
    return shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


class AlertmanagerProcess:
    """A real Alertmanager, which tells `url` what it would tell people."""

    def __init__(self, program: str, folder: Path, url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        config = folder / "alertmanager.yml"
        config.write_text(
            "route: {receiver: us, group_by: [cause], group_wait: 0s, group_interval: 1s}\n"
            f"receivers: [{{name: us, webhook_configs: [{{url: '{url}/am'}}]}}]\n"
        )
        self._command = [
            program,
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "alertmanager.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(self._ready, what="Alertmanager is ready")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WAIT_S)
            self._process = None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """Return what it holds for open."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found
