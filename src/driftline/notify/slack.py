"""Slack: an incoming webhook with the first line as text and the rest as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from driftline.notify.web import Refused, post

if TYPE_CHECKING:
    import aiohttp

    from driftline.notify.message import Message
    from driftline.notify.routes import Slack
    from driftline.notify.text import Text

__all__ = ["SlackSender"]

LONGEST = 2_900
"""Characters of a section's text; Slack takes 3,000."""


class SlackSender:
    """Sends to one incoming webhook. Slack knows no ids: what is sent twice stands there twice."""

    def __init__(self, target: Slack, session: aiohttp.ClientSession) -> None:
        self._url = target.url.read()
        self._session = session

    async def send(self, message: Message, text: Text) -> str:
        """Send a message; return what is known of its arrival."""
        answer = await post(self._session, self._url, orjson.dumps(payload(message, text)), {})
        # Slack answers "ok"; others say the same in their own words, or nothing.
        if answer.startswith("invalid") or answer == "no_text":
            raise Refused(f"slack: {answer}", final=True)  # noqa: EM102
        return answer


def payload(message: Message, text: Text) -> dict[str, Any]:
    """Return the body of the request.

    The first line is what a phone's notification shows.
    """
    del message
    section = f"*{_escaped(text.first)}*"
    rest = _escaped("\n".join(text.lines))
    if rest:
        section = f"{section}\n{rest}"
    if len(section) > LONGEST:
        section = f"{section[:LONGEST]}…"
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": section}},
    ]
    if text.page is not None:
        button = {"type": "plain_text", "text": "Open the page"}
        blocks.append(
            {
                "type": "actions",
                "elements": [{"type": "button", "text": button, "url": text.page}],
            }
        )
    return {"text": _escaped(text.first), "blocks": blocks}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
