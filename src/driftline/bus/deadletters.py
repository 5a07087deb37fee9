"""A dead letter as a Kafka message: the original bytes, and in the headers why and where from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.bus.delivery import Message

if TYPE_CHECKING:
    from driftline.events.frame import DeadLetter

__all__ = ["to_message"]

LONGEST = 1_024
"""Bytes of a header; what came can be anything and of any length."""


def to_message(topic: str, dead: DeadLetter) -> Message:
    """Return the message for a dead letter; a tombstone's value is empty."""
    headers = {
        "error.code": dead.code,
        "error.path": dead.path,
        "error.expected": dead.expected,
        "error.got": dead.got,
        "error.message": dead.message,
        "source.topic": dead.source.topic,
        "source.partition": str(dead.source.partition),
        "source.offset": str(dead.offset),
        "source.index": str(dead.index),
        "source.timestamp": "" if dead.timestamp is None else str(dead.timestamp),
        "model": dead.model or "",
    }
    return Message(
        topic,
        dead.id.encode(),
        dead.value,
        headers=tuple(
            (name, text.encode(errors="backslashreplace")[:LONGEST])
            for name, text in headers.items()
        ),
    )
