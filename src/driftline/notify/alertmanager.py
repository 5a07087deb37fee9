"""Prometheus Alertmanager, API v2: what is open is sent again and again, as it expects it.

An alert is what its labels are: they stay the same from the first message to the last, but for the
severity; where that changes, the alert of the old severity ends with the message that begins the
new one. While a cause is open, ``endsAt`` lies four resends ahead, as Prometheus has it: should
driftline be gone, Alertmanager says so by holding the alert for resolved.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.time import format_ts, read_ts
from driftline.notify.web import Refused, post

if TYPE_CHECKING:
    import aiohttp

    from driftline.notify.message import Message
    from driftline.notify.routes import Alertmanager
    from driftline.notify.text import Text

__all__ = ["AlertmanagerSender", "payload"]

PATH = "/api/v2/alerts"
RESENDS = 4


class AlertmanagerSender:
    """Sends to all members of a cluster; they settle among themselves who tells people."""

    def __init__(self, target: Alertmanager, session: aiohttp.ClientSession) -> None:
        self._target = target
        self._urls = [url.rstrip("/") + PATH for url in target.urls]
        token = None if target.token is None else target.token.read()
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._session = session

    async def send(self, message: Message, text: Text) -> str:
        """Send a message; return which members did not take it, where another one did."""
        body = orjson.dumps(payload(message, text, self._target.resend))
        answers = await asyncio.gather(
            *[post(self._session, url, body, self._headers) for url in self._urls],
            return_exceptions=True,
        )
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, Refused):
                raise answer
        if len(refused) == len(answers):
            raise refused[0]
        return "; ".join(str(each) for each in refused)


def payload(message: Message, text: Text, resend: int) -> list[dict[str, Any]]:
    """Return the body of the request.

    Parameters
    ----------
    resend
        How often it is sent while it is open, microseconds.
    """
    cause = message.cause
    starts = min(read_ts(cause.change_point), message.at)
    annotations = {"summary": text.first, "description": "\n".join(text.lines)}
    ends = message.at + RESENDS * resend if message.open else message.at
    told = [_alert(message.labels, annotations, starts, ends, text.page)]
    if message.before is not None:
        told.append(_alert(message.before, annotations, starts, message.at, text.page))
    return told


def _alert(
    labels: dict[str, str], annotations: dict[str, str], starts: int, ends: int, page: str | None
) -> dict[str, Any]:
    return {
        "labels": labels,
        "annotations": annotations,
        # It refuses what ends before it starts.
        "startsAt": format_ts(min(starts, ends)),
        "endsAt": format_ts(ends),
        **({"generatorURL": page} if page is not None else {}),
    }
