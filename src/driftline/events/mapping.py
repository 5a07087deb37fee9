"""Where an input topic keeps the fields of an event: ours, or any existing one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from driftline.events.errors import MappingError
from driftline.events.fields import EVENT_TYPES, FIELDS, FIXABLE, required

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.events.fields import Check
    from driftline.events.frame import EventType

__all__ = ["REST", "InputSpec", "spec_of", "type_named"]

_WORDS: Mapping[str, EventType] = {
    **{name: name for name in EVENT_TYPES},
    **{f"{name}s": name for name in EVENT_TYPES if not name.endswith("s")},
}

REST = "*"
"""As the place of `features`: all top-level fields that are not mapped to something else."""
MODEL_CHARS = 200
SOURCES = ("serving", "training")


@dataclass(frozen=True)
class InputSpec:
    """One input topic: what its events are and where they keep their fields.

    Parameters
    ----------
    topic
        The topic, or a file's path.
    type
        The type of all its events; None where each carries a field ``type``.
    fields
        Dotted path by field name, for fields that are not at the top level under their own name:
        ``{"prediction_id": "request.id", "features": "*"}``. ``features: "*"`` takes all top-level
        fields that are not mapped to something else. A path that goes through the place of
        `features` (``features: request``, ``prediction_id: request.id``) is no feature.
    fixed
        Values for fields the events do not carry: ``{"model": "credit-risk"}``. What an event
        holds under such a name is an unknown field (or with ``features: "*"`` a feature).

    Raises
    ------
    MappingError
        With every fault found.
    """

    topic: str
    type: EventType | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = tuple(self._faults())
        if faults:
            raise MappingError(str(self.topic), faults)

    def places(self, type_: EventType) -> dict[str, tuple[str, ...]]:
        """Return the keys that lead to each field of an event type; none for ``features: "*"``.

        A field that is at its default place is left out where a mapped one has taken that place.
        """
        names = [name for name in _names(self, type_) if name not in self.fixed]
        stated = {name: self._path(name) for name in names if name in self.fields}
        free: dict[str, tuple[str, ...]] = {
            name: (name,)
            for name in names
            if name not in stated
            and not any(_overlap(name, (name,), other, path) for other, path in stated.items())
        }
        taken = {**stated, **free}
        return {name: taken[name] for name in names if name in taken}

    def _path(self, name: str) -> tuple[str, ...]:
        place = self.fields.get(name, name)
        return () if place == REST else tuple(place.split("."))

    def types(self) -> tuple[EventType, ...]:
        """Return the event types that may come."""
        return EVENT_TYPES if self.type is None else (self.type,)

    def _faults(self) -> list[str]:
        if self.type is not None and self.type not in EVENT_TYPES:
            names = ", ".join(EVENT_TYPES)
            return [f"type: expected one of {names}, or none at all, got {self.type!r}"]
        for block in ("fields", "fixed"):
            if not isinstance(getattr(self, block), Mapping):
                return [f"{block}: expected a mapping of names to strings"]
        known: dict[str, Check] = {}
        for name in self.types():
            known |= FIELDS[name]
        faults = [f"topic: expected a name, got {self.topic!r}"] if not self.topic else []
        faults += self._place_faults({**known, "type": "type"} if self.type is None else known)
        faults += self._fixed_faults(known)
        return faults or self._overlaps()

    def _place_faults(self, known: Mapping[str, Check]) -> list[str]:
        faults = []
        for name, place in self.fields.items():
            key = f"fields.{name}"
            if name not in known:
                faults.append(f"{key}: {_unknown(name, known)}")
            elif not isinstance(place, str) or not all(place.split(".")):
                faults.append(f"{key}: expected a dotted path such as 'request.id', got {place!r}")
            elif place == REST and name != "features":
                faults.append(f"{key}: only features can take all other fields ('*')")
            elif REST in place and place != REST:
                faults.append(f"{key}: '*' stands alone, got {place!r}")
        return faults

    def _fixed_faults(self, known: Mapping[str, Check]) -> list[str]:
        faults = []
        for name, value in self.fixed.items():
            key = f"fixed.{name}"
            if name not in known:
                faults.append(f"{key}: {_unknown(name, known)}")
            elif known[name] not in FIXABLE:
                able = ", ".join(sorted(n for n, check in known.items() if check in FIXABLE))
                faults.append(f"{key}: cannot be fixed; these can: {able}")
            elif not isinstance(value, str) or not value:
                faults.append(f"{key}: expected a non-empty string, got {value!r}")
            elif name == "model" and len(value) > MODEL_CHARS:
                faults.append(f"{key}: expected at most {MODEL_CHARS} characters")
            elif known[name] == "source" and value not in SOURCES:
                faults.append(f"{key}: expected 'serving' or 'training', got {value!r}")
            elif name in self.fields:
                faults.append(f"{key}: also mapped to {self.fields[name]!r}; one of the two")
        return faults

    def _overlaps(self) -> list[str]:
        """Find mapped fields in each other's way, and required ones left without a place."""
        faults = []
        stated = sorted(self.fields)
        for i, name in enumerate(stated):
            faults += [
                f"fields.{name}: {self.fields[name]!r} and the place of {other}, "
                f"{self.fields[other]!r}, overlap"
                for other in stated[i + 1 :]
                if _overlap(name, self._path(name), other, self._path(other))
            ]
        if self.type is not None:
            have = {*self.places(self.type), *self.fixed}
            faults += [
                f"fields.{name}: its default place is taken; say where it is"
                for name in sorted(required(self.type) - have)
            ]
        return faults


def _names(spec: InputSpec, type_: EventType) -> list[str]:
    return [*FIELDS[type_], "type"] if spec.type is None else [*FIELDS[type_]]


def _overlap(name: str, here: tuple[str, ...], other: str, there: tuple[str, ...]) -> bool:
    """Return whether one field lies at or inside the other; features may hold other fields."""
    if here == there:
        return True
    if len(here) > len(there):
        name, here, other, there = other, there, name, here
    return name != "features" and there[: len(here)] == here


def _unknown(name: str, known: Mapping[str, Check]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else f"; these are: {', '.join(sorted(known))}"
    return f"no such field{hint}"


def type_named(word: str) -> EventType | None:
    """Return the event type that a word stands for, singular or plural."""
    return _WORDS.get(word.lower())


def spec_of(topic: str, known: Iterable[InputSpec]) -> InputSpec:
    """Return what a topic's events are: as configured, else by the last word of its name.

    ``driftline.predictions`` holds predictions; where the name says nothing each event has to.
    """
    for spec in known:
        if spec.topic == topic:
            return spec
    return InputSpec(topic, type_named(re.split(r"[._-]", topic)[-1]))
