"""What a SOURCE argument names: a file or a topic, and the type of its events."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.events.fields import EVENT_TYPES
from driftline.events.mapping import type_named
from driftline.replay.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.frame import EventType

__all__ = ["NamedFile", "NamedTopic", "parse_source", "parse_sources"]

SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".parquet")
_KAFKA = "kafka://"
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")
_BOOTSTRAP = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+):\d{1,5}\Z")


@dataclass(frozen=True)
class NamedFile:
    """A file of events.

    Attributes
    ----------
    type
        Type of all its events; None where each row says.
    name
        What it is called in the outputs: as it was named, without the folder, so that they do not
        depend on where it lies.
    """

    path: Path
    type: EventType | None
    name: str


@dataclass(frozen=True)
class NamedTopic:
    """A topic, ``bootstrap`` being host:port, several separated by commas."""

    bootstrap: str
    topic: str
    type: EventType | None


def parse_sources(arguments: Sequence[str]) -> list[NamedFile | NamedTopic]:
    """Read all SOURCE arguments; files of one name in two folders keep their folders.

    Raises
    ------
    SourceError
        For the first that names nothing, or that is named twice.
    """
    if not arguments:
        msg = "expected at least one SOURCE: a file, or kafka://host:port/topic"
        raise SourceError(msg)
    named = [parse_source(argument) for argument in arguments]
    places = [n.path.resolve() if isinstance(n, NamedFile) else n.topic for n in named]
    for argument, place in zip(arguments, places, strict=True):
        if places.count(place) > 1:
            msg = f"{argument}: named twice"
            raise SourceError(msg)
    files = [n.name for n in named if isinstance(n, NamedFile)]
    return [
        replace(n, name=argument) if isinstance(n, NamedFile) and files.count(n.name) > 1 else n
        for argument, n in zip(arguments, named, strict=True)
    ]


def parse_source(argument: str) -> NamedFile | NamedTopic:
    """Read one SOURCE argument: ``[type=]path`` or ``[type=]kafka://host:port/topic``."""
    kind, rest = _split_type(argument)
    if rest.startswith(_KAFKA):
        return _topic(argument, rest, kind)
    path = Path(rest)
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), None)
    if path.is_dir():
        msg = f"{rest}: expected a file, got a folder"
        raise SourceError(msg)
    if not path.exists():
        msg = f"{rest}: no such file"
        raise SourceError(msg)
    if suffix is None:
        msg = f"{rest}: expected a file ending in {', '.join(SUFFIXES)}"
        raise SourceError(msg)
    prefix = argument.removesuffix(rest)
    return NamedFile(path, kind, prefix + path.name)


def _split_type(argument: str) -> tuple[EventType | None, str]:
    word, equals, rest = argument.partition("=")
    if not equals or rest == "" or Path(argument).exists():
        return None, argument
    kind = type_named(word)
    if kind is None and "/" not in word and not argument.startswith(_KAFKA):
        msg = f"{argument}: expected one of {', '.join(EVENT_TYPES)} before '=', got {word!r}"
        raise SourceError(msg)
    return (kind, rest) if kind is not None else (None, argument)


def _topic(argument: str, url: str, kind: EventType | None) -> NamedTopic:
    bootstrap, _, topic = url.removeprefix(_KAFKA).partition("/")
    servers = bootstrap.split(",")
    if not all(_BOOTSTRAP.match(server) for server in servers) or not _TOPIC.match(topic):
        msg = f"{argument}: expected kafka://host:port/topic"
        raise SourceError(msg)
    return NamedTopic(bootstrap, topic, kind or type_of_stem(topic))


def type_of_stem(name: str) -> EventType | None:
    """Return the type that a file's or topic's name ends with: ``driftline.predictions``."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return type_named(re.split(r"[._-]", name)[-1])
