"""What a SOURCE argument names: a file or a topic, and the type of its events."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.events.fields import EVENT_TYPES
from driftline.events.mapping import type_named
from driftline.replay.errors import SourceError
from driftline.replay.packed import SUFFIXES, suffix_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.frame import EventType

__all__ = ["NamedFile", "NamedTopic", "parse_source", "parse_sources", "type_of_stem"]

TRUTH = "truth.json"
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
    folder
        That was named in its place.
    """

    path: Path
    type: EventType | None
    name: str
    folder: Path | None = None


@dataclass(frozen=True)
class NamedTopic:
    """A topic, ``bootstrap`` being host:port, several separated by commas."""

    bootstrap: str
    topic: str
    type: EventType | None


def parse_sources(arguments: Sequence[str]) -> list[NamedFile | NamedTopic]:
    """Read all SOURCE arguments; a folder stands for all files below it, in order of name.

    Files of one name in two folders keep their folders.

    Raises
    ------
    SourceError
        For the first that names nothing, or that is named twice.
    """
    if not arguments:
        msg = "expected at least one SOURCE: a file, a folder, or kafka://host:port/topic"
        raise SourceError(msg)
    named = [(argument, source) for argument in arguments for source in _parse(argument)]
    places = Counter(_place(source) for _, source in named)
    for argument, source in named:
        if places[_place(source)] > 1:
            twice = f" ({_place(source)} is in it)" if _is_folder(argument) else ""
            msg = f"{argument}: named twice{twice}"
            raise SourceError(msg)
    names = Counter(source.name for _, source in named if isinstance(source, NamedFile))
    return [
        replace(source, name=_longer(argument, source))
        if isinstance(source, NamedFile) and names[source.name] > 1
        else source
        for argument, source in named
    ]


def _place(source: NamedFile | NamedTopic) -> Path | str:
    return source.path.resolve() if isinstance(source, NamedFile) else source.topic


def _longer(argument: str, source: NamedFile) -> str:
    """Return a name with the folder in it."""
    kind, rest = _split_type(argument)
    if not Path(rest).is_dir():
        return argument
    return f"{argument.removesuffix(rest) if kind else ''}{source.path}"


def _is_folder(argument: str) -> bool:
    return Path(_split_type(argument)[1]).is_dir()


def _parse(argument: str) -> Sequence[NamedFile | NamedTopic]:
    return _parse_folder(argument) or [parse_source(argument)]


def _parse_folder(argument: str) -> list[NamedFile]:
    """Return the files below a folder, in order of name; none where it is no folder.

    What begins with a dot or an underscore is passed over, as programs that write folders of
    tables leave their own notes under such names; and what `driftline simulate` notes beside its
    events.
    """
    kind, rest = _split_type(argument)
    folder = Path(rest)
    if not folder.is_dir():
        return []
    prefix = argument.removesuffix(rest)
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != TRUTH
        and not any(part[0] in "._" for part in path.relative_to(folder).parts)
    )
    if not found:
        msg = f"{rest}: expected a folder with files of events, got an empty one"
        raise SourceError(msg)
    wrong = next((path for path in found if suffix_of(path.name) is None), None)
    if wrong is not None:
        msg = f"{wrong}: expected only files ending in {', '.join(SUFFIXES)} in {rest}"
        raise SourceError(msg)
    return [NamedFile(p, kind, prefix + p.relative_to(folder).as_posix(), folder) for p in found]


def parse_source(argument: str) -> NamedFile | NamedTopic:
    """Read one SOURCE argument: ``[type=]path`` or ``[type=]kafka://host:port/topic``."""
    kind, rest = _split_type(argument)
    if rest.startswith(_KAFKA):
        return _topic(argument, rest, kind)
    path = Path(rest)
    if path.is_dir():
        msg = f"{rest}: expected a file, got a folder"
        raise SourceError(msg)
    if not path.exists():
        msg = f"{rest}: no such file"
        raise SourceError(msg)
    if suffix_of(path.name) is None:
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
