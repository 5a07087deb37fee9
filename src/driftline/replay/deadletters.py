"""Dead letters of a replay, as lines of JSON: the original bytes, why, and where from."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson

from driftline.replay.canonical import Key

if TYPE_CHECKING:
    from driftline.events.frame import DeadLetter

__all__ = ["deadletter_key", "deadletter_line"]


def deadletter_key(dead: DeadLetter, row: int) -> Key:
    """Return what a dead letter is sorted by: its source, then where it stood in it."""
    return Key(0, dead.source.topic, f"{dead.source.partition:010d}", row, f"{dead.index:010d}")


def deadletter_line(dead: DeadLetter, row: int) -> bytes:
    """Write a dead letter as one line of JSON.

    Parameters
    ----------
    row
        Its offset, or its row in the file, from 0.
    """
    value = dead.value
    try:
        text = {"value": None if value is None else value.decode()}
    except UnicodeDecodeError:
        text = {"value_base64": base64.b64encode(value).decode()}
    return orjson.dumps(
        {
            "source": {
                "topic": dead.source.topic,
                "partition": dead.source.partition,
                "offset": row,
                "index": dead.index,
            },
            "model": dead.model,
            "code": dead.code,
            "path": dead.path,
            "expected": dead.expected,
            "got": dead.got,
            "message": dead.message,
            **text,
        }
    )
