"""A message for the topic `windows`, whatever it tells of."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

__all__ = ["window_event"]


def window_event(about: str, body: dict[str, Any], *, at: int | None = None) -> tuple[bytes, bytes]:
    """Write a message.

    Parameters
    ----------
    about
        What it is about. Its hash is the key, so that what is told anew overwrites what was told.
    body
        What it says, JSON values; an ``id`` is put before it.
    at
        When it is told, microseconds, where the same is told again as more is known: each telling
        has an id of its own then.

    Returns
    -------
    (key, value)
    """
    key = _short_hash(about)
    name = key if at is None else _short_hash(f"{about}|{at}")
    return key.encode(), orjson.dumps({"id": name, **body})


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
