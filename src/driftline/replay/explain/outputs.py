"""What driftline has said, from a replay's folder or from the live topics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from driftline.bus.reader import read
from driftline.errors import DriftlineError
from driftline.events.time import read_ts
from driftline.replay.canonical import event_key
from driftline.replay.explain.case import Case, Dead
from driftline.replay.summary import drills_of, incidents_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from driftline.bus.config import Config
    from driftline.contract import Book
    from driftline.replay.summary import Found

__all__ = ["Folder", "Letter", "Outputs", "Topics", "incidents", "read_case"]

log = logging.getLogger(__name__)

BEFORE_US = 2 * 86_400_000_000
"""So long before the change, windows are read for what was told of the model."""
MOST_INCIDENTS = 100_000
MOST_ALERTS = 1_000
MOST_WINDOWS = 2_000
"""Of each kind; of more the oldest are left out."""
MOST_DEAD = 50
"""Faults that are told apart."""
MOST_LETTERS = 20_000
"""Dead letters that are read: of a flood its beginning says what it is."""


class Letter(NamedTuple):
    """A dead letter: ``at`` is microseconds, None where nobody knows when it was."""

    model: str
    message: str
    at: int | None
    topic: str


class Outputs(Protocol):
    """Where driftline's words are."""

    @property
    def alerts(self) -> Path:
        """A file of all alerts that are kept, one a line."""
        ...

    @property
    def feedback(self) -> Path:
        """The same of the feedback."""
        ...

    def windows(self, since: int) -> Iterable[bytes]:
        """Return windows that were told since a moment, microseconds, and maybe earlier ones."""
        ...

    def dead(self, first: int, last: int) -> Iterable[Letter]:
        """Return dead letters of a stretch of time, microseconds, and maybe others."""
        ...


@dataclass(frozen=True)
class Folder:
    """A replay's outputs, or what `driftline export` wrote.

    Raises
    ------
    DriftlineError
        It has no alerts.
    """

    path: Path

    def __post_init__(self) -> None:
        for path in (self.alerts, self.feedback):
            if not path.is_file():
                msg = f"{self.path}: expected a replay's outputs, got no {path.name}"
                raise DriftlineError(msg)

    @property
    def alerts(self) -> Path:
        """The file of alerts."""
        return self.path / "alerts.jsonl"

    @property
    def feedback(self) -> Path:
        """The file of feedback."""
        return self.path / "feedback.jsonl"

    def windows(self, since: int) -> Iterator[bytes]:  # noqa: ARG002 - a file is read whole
        """Return windows; see `Outputs`."""
        return self._lines("windows")

    def dead(self, first: int, last: int) -> Iterator[Letter]:  # noqa: ARG002
        """Return dead letters; see `Outputs`."""
        for line in self._lines("deadletters"):
            body = orjson.loads(line)
            yield Letter(
                body["model"] or "", body["message"], _time_in(body), body["source"]["topic"]
            )

    def _lines(self, name: str) -> Iterator[bytes]:
        path = self.path / f"{name}.jsonl"
        if path.is_file():
            with path.open("rb") as file:
                yield from file


@dataclass(frozen=True)
class Topics:
    """The live topics, each read up to its end as it is now.

    Parameters
    ----------
    spool
        Folder for what is read more than once; whoever made it removes it.
    """

    config: Config
    spool: Path

    @cached_property
    def alerts(self) -> Path:
        """The alerts, read when they are first asked for."""
        return self._spooled("alerts")

    @cached_property
    def feedback(self) -> Path:
        """The same of the feedback."""
        return self._spooled("feedback")

    def windows(self, since: int) -> Iterator[bytes]:
        """Return windows; see `Outputs`."""
        return self._values("windows", since)

    def dead(self, first: int, last: int) -> Iterator[Letter]:
        """Return dead letters; see `Outputs`."""
        broker, topic = self.config.broker, self.config.topic("deadletter")
        for _, records in read(broker, topic, start_us=first):
            for record in records:
                headers = record.headers  # type: ignore[attr-defined]
                told = {name: value.decode(errors="replace") for name, value in headers}
                stamp = told.get("source.timestamp")
                at = int(stamp) * 1_000 if stamp else None
                if at is not None and first <= at <= last:
                    source, message = told.get("source.topic", ""), told.get("error.message", "")
                    yield Letter(told.get("model", ""), message, at, source)

    def _spooled(self, name: str) -> Path:
        path = self.spool / f"{name}.jsonl"
        with path.open("wb") as file:
            for value in self._values(name, None):
                try:
                    event_key(value)
                except DriftlineError as error:
                    # Somebody else's message must not stand between a person and an incident.
                    log.warning("%s: passed over: %s", self.config.topic(name), error)
                    continue
                file.write(value + b"\n")
        return path

    def _values(self, name: str, since: int | None) -> Iterator[bytes]:
        for _, records in read(self.config.broker, self.config.topic(name), start_us=since):
            for record in records:
                if record.value is not None:
                    yield bytes(record.value)


def incidents(outputs: Outputs) -> list[Found]:
    """Return all incidents, those that opened first first."""
    found = incidents_of(outputs.alerts)
    found.sort(key=lambda each: (each.detected_at, each.incident))
    return found[-MOST_INCIDENTS:]


def read_case(outputs: Outputs, found: list[Found], one: Found, book: Book) -> Case:
    """Read what has been said of an incident, its model and the time around it.

    Parameters
    ----------
    found
        All incidents.
    one
        That which is to be explained.
    """
    alerts = _events(outputs.alerts, {"incident": one.incident})
    mine = [alert for alert in alerts if alert["data"]["incident"] == one.incident]
    # A worker that was killed says its last words once more.
    once = {alert["data"]["number"]: alert for alert in mine}
    case = Case(
        alerts=[once[number] for number in sorted(once)][-MOST_ALERTS:],
        found=one,
        others=[each for each in found if each is not one],
        contract=book.of(one.model) if one.model in book else None,
    )
    case.drills = [drill for drill in drills_of(outputs.feedback) if drill.model == one.model]
    said = _events(outputs.feedback, {"model": one.model})
    case.feedback = [event for event in said if event["data"]["model"] == one.model]
    case.feedback.sort(key=lambda event: str(event["time"]))
    model = orjson.dumps({"model": one.model})[1:-1]
    _windows(case, outputs.windows(case.around.first - BEFORE_US), model)
    _dead(case, outputs)
    return case


def _events(path: Path, about: dict[str, str]) -> list[dict[str, Any]]:
    """Read the events of a file that hold a field's value somewhere."""
    wanted = orjson.dumps(about)[1:-1]
    with path.open("rb") as file:
        return [orjson.loads(line) for line in file if wanted in line]


def _windows(case: Case, values: Iterable[bytes], model: bytes) -> None:
    held: dict[str, dict[str, dict[str, Any]]] = {}
    first, _, last = case.around
    for value in values:
        if model not in value:
            continue
        window = orjson.loads(value)
        kind = window.get("kind", "")
        if window["model"] != case.found.model or window.get("segment"):
            continue
        if not kind and (read_ts(window["end"]) < first - BEFORE_US):
            continue
        if not kind and read_ts(window["start"]) > last:
            continue
        # What is told again takes the place of what was told; of a history all of it counts.
        key = window["id"] if kind == "lifecycle" else window.get("start", "")
        key = f"{key}/{window['length_s']}" if not kind else key
        mine = held.setdefault(kind, {})
        if window.get("number", 0) < mine.get(key, {}).get("number", 0):
            continue
        mine.pop(key, None)
        mine[key] = window
        if len(mine) > MOST_WINDOWS:
            del mine[next(iter(mine))]
    for kind, mine in held.items():
        told = sorted(mine.values(), key=lambda w: str(w.get("as_of") or w["end"]))
        if kind:
            case.told[kind] = sorted(told, key=lambda w: str(w.get("start") or w["as_of"]))
        else:
            case.windows = sorted(told, key=lambda w: (w["length_s"], w["start"]))


def _dead(case: Case, outputs: Outputs) -> None:
    held: dict[tuple[str, str], Dead] = {}
    first, _, last = case.around
    for model, message, at, topic in islice(outputs.dead(first, last), MOST_LETTERS):
        if model not in {"", case.found.model} or (at is not None and not first <= at <= last):
            continue
        known = held.get((topic, message))
        if known is None and (at is None or len(held) >= MOST_DEAD):
            continue
        begun = at if known is None else min(known.at, at if at is not None else known.at)
        assert begun is not None
        held[topic, message] = Dead(topic, message, begun, 1 if known is None else known.count + 1)
    case.dead = sorted(held.values(), key=lambda dead: dead.at)


def _time_in(body: dict[str, Any]) -> int | None:
    """Return when a dead letter of a file was, where its bytes still say so."""
    try:
        return read_ts(orjson.loads(body.get("value") or b"")["ts"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
