"""PagerDuty, Events API v2: a cause is one incident there too, by its ``dedup_key``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from driftline.notify.web import post

if TYPE_CHECKING:
    import aiohttp

    from driftline.notify.message import Message
    from driftline.notify.routes import Pagerduty
    from driftline.notify.text import Text

__all__ = ["PagerdutySender", "payload"]

PATH = "/v2/enqueue"
LONGEST = 1_024
"""Characters of a summary."""
ACTIONS = {
    "acknowledged": "acknowledge",
    "silenced": "acknowledge",
    "resolved": "resolve",
    "merged": "resolve",
}
"""What is not here triggers: on an open incident that is one more line in its log, and wakes nobody
anew; on a resolved one it opens the next."""


class PagerdutySender:
    """Sends events for one integration key."""

    def __init__(self, target: Pagerduty, session: aiohttp.ClientSession) -> None:
        self._url = target.url.rstrip("/") + PATH
        self._key = target.routing_key.read()
        self._session = session

    async def send(self, message: Message, text: Text) -> str:
        """Send a message; return what PagerDuty answers."""
        body = orjson.dumps({"routing_key": self._key, **payload(message, text)})
        return await post(self._session, self._url, body, {})


def payload(message: Message, text: Text) -> dict[str, Any]:
    """Return the body of the request, but for the key."""
    action = ACTIONS.get(message.state, "trigger")
    event: dict[str, Any] = {"event_action": action, "dedup_key": f"driftline-{message.key}"}
    if action != "trigger":
        return event
    cause = message.cause
    lead = cause.lead.data
    event["payload"] = {
        "summary": text.first[:LONGEST],
        "source": "driftline",
        "severity": "critical" if cause.severity == "page" else "warning",
        "timestamp": cause.change_point,
        "component": lead.model,
        "class": cause.kind,
        "custom_details": {
            "text": "\n".join(text.lines),
            "models": list(cause.models),
            "features": list(cause.features),
        },
    }
    links = [{"href": lead.runbook, "text": "Runbook"}] if lead.runbook else []
    if text.page is not None:
        links.append({"href": text.page, "text": "Page"})
        event |= {"client": "driftline", "client_url": text.page}
    return event | ({"links": links} if links else {})
