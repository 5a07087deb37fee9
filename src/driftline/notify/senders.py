"""What sends, for each kind of target."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from driftline.notify import alertmanager, mail, pagerduty, slack, webhook
from driftline.notify.routes import Alertmanager, Mail, Pagerduty, Slack, Stdout, Webhook

if TYPE_CHECKING:
    import aiohttp

    from driftline.notify.message import Message
    from driftline.notify.routes import Route, Target
    from driftline.notify.text import Text

__all__ = ["Sender", "preview", "sender_of"]


class Sender(Protocol):
    """Sends messages to one target."""

    async def send(self, message: Message, text: Text) -> str:
        """Send a message; return what the receiver says to it, in a few words.

        Raises
        ------
        driftline.notify.web.Refused
            It was not taken.
        """
        ...


class StdoutSender:
    """Writes to standard output."""

    def __init__(self, target: Stdout) -> None:
        self._target = target

    async def send(self, message: Message, text: Text) -> str:
        """Write a message."""
        if self._target.format == "json":
            line = orjson.dumps(webhook.payload(message, text)).decode()
        else:
            line = f"{text}\n"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        return "written"


def sender_of(route: Route, session: aiohttp.ClientSession) -> Sender:
    """Return what sends to a route's target.

    Raises
    ------
    UsageError
        A secret is not where it is said to be.
    """
    match route.target:
        case Slack():
            return slack.SlackSender(route.target, session)
        case Webhook():
            return webhook.WebhookSender(route.target, session)
        case Alertmanager():
            return alertmanager.AlertmanagerSender(route.target, session)
        case Pagerduty():
            return pagerduty.PagerdutySender(route.target, session)
        case Mail():
            return mail.MailSender(route.target)
        case Stdout():
            return StdoutSender(route.target)


def preview(target: Target, message: Message, text: Text) -> tuple[str, Any]:
    """Return where a message would go, and as what; no secret is read."""
    match target:
        case Slack():
            return f"slack, address in {target.url.place}", slack.payload(message, text)
        case Webhook():
            return f"webhook {target.url}", webhook.payload(message, text)
        case Alertmanager():
            body = alertmanager.payload(message, text, target.resend)
            return f"alertmanager {', '.join(target.urls)}", body
        case Pagerduty():
            where = f"pagerduty {target.url}, key in {target.routing_key.place}"
            return where, pagerduty.payload(message, text)
        case Mail():
            where = f"mail {', '.join(target.to)} through {target.host}:{target.port}"
            return where, mail.letter(message, text, target).as_string()
        case Stdout():
            return "stdout", str(text)
