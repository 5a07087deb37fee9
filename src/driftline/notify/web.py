"""Posting JSON: what an answer means, and never a secret in what is said about it."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Refused", "open_session", "post"]

TIMEOUT_S = 30.0
MOST_READ = 2_000
"""Bytes of an answer that are looked at."""
OF_THE_MESSAGE = frozenset({400, 413, 415, 422})
"""Answers that say that this very message is wrong. All others may be mended while it is tried
again: a key that is renewed, a channel that is taken out of the archive, a server that comes back.
"""


class Refused(DriftlineError):  # noqa: N818 - reads as what happened
    """A message was not taken.

    Attributes
    ----------
    after_s
        Seconds that the receiver asks to wait; None where it says nothing.
    final
        Whether it will never be taken.

    Operator action: the text says which receiver and why; what was given up stands on the topic
    `notify-deadletter`, and ``driftline notify redeliver`` sends it again.
    """

    def __init__(self, why: str, *, after_s: float | None = None, final: bool = False) -> None:
        super().__init__(why)
        self.after_s = after_s
        self.final = final


def open_session() -> aiohttp.ClientSession:
    """Open what posts; a proxy is taken from the environment, as other programs take it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        trust_env=True,
        headers={"User-Agent": "driftline"},
    )


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> str:
    """Post JSON; return the answer's text.

    Redirects are not followed: a secret goes where it was meant to go.

    Raises
    ------
    Refused
        Any answer but 2xx, or none.
    """
    host = urlsplit(url).hostname
    try:
        async with session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", **headers},
            allow_redirects=False,
        ) as answer:
            raw = await answer.content.read(MOST_READ)
    except TimeoutError as error:
        msg = f"{host}: no answer within {TIMEOUT_S:.0f} s"
        raise Refused(msg) from error
    except (aiohttp.ClientError, OSError) as error:
        # The text of some of these holds the whole address.
        cause = getattr(error, "os_error", None) or error.__cause__
        why = f": {cause.strerror or type(cause).__name__}" if isinstance(cause, OSError) else ""
        msg = f"{host}: {type(error).__name__}{why}"
        raise Refused(msg) from error
    said = " ".join(raw.decode(errors="replace").split())
    if 200 <= answer.status < 300:
        return said
    msg = f"{host}: {answer.status} {answer.reason or ''}: {said[:200]}".rstrip(": ")
    raise Refused(
        msg,
        after_s=_seconds(answer.headers.get("Retry-After")),
        final=answer.status in OF_THE_MESSAGE,
    )


def _seconds(text: str | None) -> float | None:
    """Read ``Retry-After``: seconds, or a date."""
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
