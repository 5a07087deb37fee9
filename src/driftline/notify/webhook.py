"""Any receiver: JSON, signed as Standard Webhooks has it (standardwebhooks.com).

The headers are ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``; the signature is
``v1,`` and the base64 of the HMAC-SHA256 of ``id.timestamp.body``. There are libraries that check
it, for a dozen languages. The same message has the same id, however often it is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from driftline.errors import UsageError
from driftline.notify.web import post

if TYPE_CHECKING:
    import aiohttp

    from driftline.notify.message import Message
    from driftline.notify.routes import Webhook
    from driftline.notify.text import Text

__all__ = ["WebhookSender", "payload", "signature"]

PREFIX = "whsec_"


class WebhookSender:
    """Sends to one address.

    The secret is base64 after ``whsec_``, as the standard writes it; any other text is the key as
    it stands.
    """

    def __init__(self, target: Webhook, session: aiohttp.ClientSession) -> None:
        self._url = target.url
        self._key = _key(target.secret.read(), target.secret.place)
        self._session = session

    async def send(self, message: Message, text: Text) -> str:
        """Send a message; return what the receiver answers."""
        body = orjson.dumps(payload(message, text))
        at = int(time.time())
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(self._key, message.id, at, body),
        }
        return await post(self._session, self._url, body, headers)


def payload(message: Message, text: Text) -> dict[str, Any]:
    """Return the body of the request.

    ``alerts`` are those of the incidents, as on the topic, without evidence, members, reference and
    window.
    """
    cause = message.cause
    return {
        "id": message.id,
        "state": message.state,
        "test": message.trial,
        "cause": {
            "id": message.key,
            "title": cause.title,
            "severity": cause.severity,
            "open": message.open,
            "kind": cause.kind,
            "models": cause.models,
            "features": cause.features,
            "change_point": cause.change_point,
            "resolved_at": cause.resolved_at,
            "acknowledged": cause.acknowledged,
            "silenced": cause.silenced,
        },
        "text": str(text),
        "page": text.page,
        "alerts": msgspec.to_builtins(cause.members),
    }


def signature(key: bytes, name: str, at: int, body: bytes) -> str:
    """Return the signature of a message.

    Parameters
    ----------
    at
        Seconds since the epoch.
    """
    signed = f"{name}.{at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _key(secret: str, place: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        msg = f"{place}: expected base64 after {PREFIX}, got something else"
        raise UsageError(msg) from error
