"""From the event that a call handed over to bytes that driftline can read, or a fault.

The fast path looks at exact types and at names that were seen before; whatever it does not know for
certain takes the careful one, which is the codec's own (`driftline.events.careful.Reader`). So
there is one set of rules, and an event that leaves here is no dead letter there.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import orjson

from driftline.contract.types import HOUR
from driftline.events.careful import Reader
from driftline.events.checks import SOURCE_NAMES
from driftline.events.errors import Fault
from driftline.events.fields import FIELDS, required
from driftline.events.layouts import AnyModel
from driftline.events.limits import Limits
from driftline.events.mapping import InputSpec
from driftline.events.time import parse_ts
from driftline.events.wording import ROOT, child
from driftline.publish.values import Unsayable, as_mapping, kind_of, scalar, text_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.events.fields import Check
    from driftline.events.frame import EventType

__all__ = ["Encoder", "TooLarge"]

OPTIONS = (
    orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
)
MODEL_CHARS = Limits().model_chars
FIRST_S, AHEAD_S = 1e8, HOUR / 1e6
"""From where on a float is seconds since the epoch, and how far ahead of now it may be."""
KNOWN_NAMES = 20_000
"""Names of features, models and segments that are remembered. An event with others takes the
careful path each time: six times as long for 20 features, twenty times where many go at one go."""
FLOATS = frozenset({float, np.float64, np.float32, np.float16})
INTEGERS = frozenset({int, *(np.dtype(code).type for code in "bhilqBHILQ")})
BOOLEANS = frozenset({bool, np.bool_})
FEATURES = child(ROOT, "features")
NUMERIC: frozenset[Check] = frozenset({"prediction", "score", "number", "measure", "scalar"})
TEXTUAL: frozenset[Check] = frozenset({"id", "word", "text", "mark", "scalar", "prediction"})
TRUTH: frozenset[Check] = frozenset({"prediction", "scalar"})
MARKED: frozenset[Check] = frozenset({"id", "mark"})


class TooLarge(Fault):
    """The event is sound but larger than one may be."""


class Encoder:
    """Encode events of all types; remembers the names it has seen. For one thread.

    Attributes
    ----------
    mended
        Values sent as missing, and fields of no meaning sent along, by what was wrong. Whoever
        reads it may clear it.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._readers = {
            type_: Reader(InputSpec("publisher", type_), AnyModel(HOUR), self._limits)
            for type_ in FIELDS
        }
        self._checks: dict[EventType, dict[str, Check]] = {
            type_: dict(fields) for type_, fields in FIELDS.items()
        }
        self._needed = {type_: required(type_) for type_ in FIELDS}
        self._models: set[str] = set()
        self._names: set[str] = set()
        self._segments: set[tuple[tuple[str, str], ...]] = set()
        self.mended: Counter[str] = Counter()

    def encode(self, type_: EventType, event: dict[str, Any]) -> bytes:
        """Return an event as JSON.

        Parameters
        ----------
        event
            Its fields; it belongs to the encoder from now on.

        Raises
        ------
        Fault
            driftline could not read it: path, what was expected and what came.
        TooLarge
            It would be more than `Limits.element_bytes`.
        """
        try:
            nested = self._nested(type_, event)
            if nested is not None:
                data = orjson.dumps(event, _default, OPTIONS)
                if len(data) <= self._limits.element_bytes and _flat(data, nested, 1):
                    return data
        except Exception:  # noqa: BLE001, S110 - the careful path says what is wrong with it
            pass
        return self._careful(type_, event)

    def encode_many(self, type_: EventType, events: list[dict[str, Any]]) -> bytes | None:
        """Return several events of one model as JSON, separated by commas, at one go.

        Returns
        -------
        bytes or None
            None where any of them has to be looked at closely: then each goes through `encode`.
        """
        objects = 0
        try:
            for event in events:
                nested = self._nested(type_, event)
                if nested is None:
                    return None
                objects += nested
            data = orjson.dumps(events, _default, OPTIONS)[1:-1]
        except Exception:  # noqa: BLE001 - the careful path says what is wrong, and with which
            return None
        fine = len(data) <= self._limits.element_bytes and _flat(data, objects, len(events))
        return data if fine else None

    def _nested(self, type_: EventType, event: dict[str, Any]) -> int | None:
        """Return how many objects the event's JSON has; None if it has to be looked at closely."""
        checks, needed, nested = self._checks[type_], self._needed[type_], 1
        if type_ == "lifecycle" or not needed <= event.keys():
            return None
        for name, value in event.items():
            check, kind = checks.get(name), type(value)
            if kind is str:
                if check == "model":
                    fine = value in self._models
                elif check == "time":
                    fine = self._in_time(value)
                elif check == "source":
                    fine = value in SOURCE_NAMES
                else:
                    fine = check in TEXTUAL and 0 < len(value) <= MODEL_CHARS
            elif kind in FLOATS:
                fine = (
                    FIRST_S <= value <= time.time() + AHEAD_S
                    if check == "time"
                    else check in NUMERIC and isfinite(value)
                )
            elif kind is dict:
                nested += 1
                fine = self._object(check, value)
            elif kind in INTEGERS:
                fine = (
                    check in NUMERIC
                    or (check in MARKED and kind is int)
                    or (check == "time" and self._in_time(value))
                )
            elif kind in BOOLEANS:
                fine = check in TRUTH
            elif kind is UUID:
                fine = check in MARKED
            elif kind is dt.datetime:
                fine = check == "time" and self._in_time(value.isoformat())
            else:
                fine = value is None and name not in needed
            if not fine:
                return None
        return nested

    def _object(self, check: Check | None, value: dict[Any, Any]) -> bool:
        if check == "features":
            return len(value) <= self._limits.features and self._names.issuperset(value)
        if check == "segment":
            return tuple(value.items()) in self._segments
        if check == "prediction":
            shares = value.values()
            return (
                1 <= len(value) <= self._limits.features
                and self._names.issuperset(value)
                and FLOATS.issuperset(map(type, shares))
                and all(0 <= share <= 1 for share in shares)
            )
        return False

    def _in_time(self, value: Any) -> bool:
        # As the call's own clock; what is far ahead would be a dead letter.
        return parse_ts(value) <= (time.time() + 1) * 1e6 + HOUR

    def _careful(self, type_: EventType, event: dict[str, Any]) -> bytes:
        document = self._tidy(type_, event)
        data = _dumped(document)
        if len(data) > self._limits.element_bytes:
            got = f"{len(data)} bytes"
            raise TooLarge(ROOT, f"at most {self._limits.element_bytes} bytes", got)
        read = self._readers[type_].read(data, time.time_ns() // 1_000_000)
        for name in read.unknown:
            self.mended[f"no field {name[:40]!r} in a {type_} event"] += 1
        self._remember(document)
        return data

    def _remember(self, document: dict[str, Any]) -> None:
        """Note names that the codec has let through."""
        if len(self._models) < KNOWN_NAMES:
            self._models.add(document["model"])
        segment = document.get("segment")
        if segment and len(self._segments) < KNOWN_NAMES:
            self._segments.add(tuple(segment.items()))
        for field in ("features", "prediction"):
            held = document.get(field)
            if isinstance(held, dict) and len(self._names) < KNOWN_NAMES:
                self._names.update(held)

    def _tidy(self, type_: EventType, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event in plain values."""
        tidy: dict[str, Any] = {}
        for name, value in event.items():
            check = self._checks[type_].get(name)
            if value is None:
                continue
            if check == "features":
                tidy[name] = self._features(value)
            elif check == "segment" or (check == "prediction" and _is_row(value)):
                tidy[name] = _plain_object(name, value)
            elif check is None:
                tidy[name] = self._unknown(name, value)
            else:
                tidy[name] = _plain(child(ROOT, name), value)
                if tidy[name] is None and name in self._needed[type_]:
                    raise _fault(child(ROOT, name), f"a value for {name}", repr(value)[:80])
        return tidy

    def _features(self, value: Any) -> dict[str, Any]:
        tidy: dict[str, Any] = {}
        for key, held in _row("features", value).items():
            name = _key("features", key)
            if name in tidy:
                raise _fault(child(FEATURES, name), "each name once", "the name twice")
            try:
                tidy[name] = scalar(held)
                orjson.dumps(tidy[name])
            except (Unsayable, orjson.JSONEncodeError):
                self.mended[f"a feature value of type {kind_of(held)[:60]}"] += 1
                tidy[name] = None
        return tidy

    def _unknown(self, name: str, value: Any) -> Any:
        """Keep a field that the type does not have: lifecycle events may hold anything."""
        try:
            return orjson.loads(orjson.dumps(value, _default, OPTIONS | orjson.OPT_NON_STR_KEYS))
        except (orjson.JSONEncodeError, orjson.JSONDecodeError) as error:
            raise _fault(child(ROOT, name), "a JSON value", kind_of(value)) from error


def _fault(path: str, expected: str, got: str) -> Fault:
    return Fault(path, expected, got)


def _flat(data: bytes, objects: int, events: int) -> bool:
    """Return whether compact JSON holds so many objects, so many of them events, and no array.

    A text may look like more of them.
    """
    return (b"[" not in data or b":[" not in data) and (
        data.count(b"{") == objects or data.count(b":{") == objects - events
    )


def _default(value: Any) -> Any:
    """Say to orjson what a value is that it does not know."""
    return scalar(value)


def _is_row(value: Any) -> bool:
    return not isinstance(value, str) and (hasattr(value, "keys") or hasattr(value, "_asdict"))


def _row(field: str, value: Any) -> Mapping[Any, Any]:
    try:
        return as_mapping(value)
    except Unsayable:
        raise _fault(child(ROOT, field), "an object", kind_of(value)) from None


def _key(field: str, key: Any) -> str:
    try:
        return text_key(key)
    except Unsayable:
        raise _fault(child(ROOT, field), "names that are strings", kind_of(key)) from None


def _plain(path: str, value: Any) -> Any:
    try:
        found = scalar(value)
    except Unsayable:
        raise _fault(path, "a JSON value", kind_of(value)) from None
    return None if isinstance(found, float) and not isfinite(found) else found


def _plain_object(field: str, value: Any) -> dict[str, Any]:
    return {
        (name := _key(field, key)): _plain(child(child(ROOT, field), name), held)
        for key, held in _row(field, value).items()
    }


def _dumped(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError as error:
        raise _fault(ROOT, "values that JSON can hold", str(error)[:200]) from error
