"""The careful path: one element at a time, every rule spelt out, every fault named.

What an event means is decided here; the fast path has to give the same or refuse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from driftline.events.checks import check_name, check_value, classes, members, segment, typed_value
from driftline.events.errors import Fault
from driftline.events.fields import EVENT_TYPES, FIELDS, required
from driftline.events.parse import parse_element
from driftline.events.shape import Shape, column_name, shape_of, type_shape
from driftline.events.time import format_ts, parse_ts
from driftline.events.wording import ROOT, brief, child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.events.frame import EventType, Kind, Segment
    from driftline.events.layouts import Layouts
    from driftline.events.limits import Limits
    from driftline.events.mapping import InputSpec

__all__ = ["SHOWN_CLASSES", "Event", "Reader", "stamp_us"]

SHOWN_CLASSES = 10
"""Up to so many classes each get a column; of more only the likeliest is kept."""
KNOWN_NAMES = 10_000
"""Feature names whose columns are remembered; beyond that they are worked out each time."""
_EARLIEST_STAMP = 100_000_000_000
_LATEST_STAMP = 7_258_118_400_000
_NO_KINDS: dict[str, Kind] = {}


@dataclass(slots=True)
class Event:
    """One good event, by value; `document` is the JSON object it was read from."""

    model: str
    type: EventType
    ts: int
    document: dict[str, Any]
    columns: dict[str, Any] = field(default_factory=dict)
    invalid: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    featured: bool = False
    id: str | None = None
    segment: Segment = ()
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    """What one walk over the document came across."""

    fields: dict[str, tuple[Any, str]] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    features_path: str | None = None
    unknown: list[str] = field(default_factory=list)
    rest: dict[str, Any] = field(default_factory=dict)


def stamp_us(stamp: int | None) -> int | None:
    """Return a record's timestamp (milliseconds) in microseconds; None where it tells no time."""
    if stamp is None or not _EARLIEST_STAMP <= stamp < _LATEST_STAMP:
        return None
    return stamp * 1000


class Reader:
    """Read single elements of one input."""

    def __init__(self, spec: InputSpec, layouts: Layouts, limits: Limits) -> None:
        self._spec = spec
        self._layouts = layouts
        self._limits = limits
        self._shapes = {name: shape_of(spec, name) for name in spec.types()}
        self._type_shape = type_shape(spec)
        self._column_names: dict[str, str] = {}

    def shape(self, type_: EventType) -> Shape:
        """Return the tree that events of a type are read by."""
        return self._shapes[type_]

    def read(self, data: bytes, stamp: int | None) -> Event:
        """Read one element.

        Parameters
        ----------
        data
            Its bytes.
        stamp
            The record's timestamp, milliseconds since the epoch; negative or None where absent.

        Raises
        ------
        Fault
            The element is a dead letter.
        """
        limits = self._limits
        if len(data) > limits.element_bytes:
            expected = f"at most {limits.element_bytes} bytes"
            raise Fault(ROOT, expected, f"{len(data)} bytes", code="too_large")
        document = members(parse_element(data, limits.depth), ROOT, "an object")
        type_ = self._type(document)
        found = _Found()
        self._walk(document, self._shapes[type_], "$", found)
        model = self._model(found)
        try:
            return self._event(document, type_, model, found, stamp)
        except Fault as fault:
            fault.model = model
            raise

    def _place(self, name: str) -> str:
        """Return the path at which a field would have stood."""
        return f"$.{self._spec.fields.get(name, name)}"

    def _type(self, document: dict[str, Any]) -> EventType:
        if self._spec.type is not None:
            return self._spec.type
        found = _Found()
        self._walk(document, self._type_shape, ROOT, found)
        value, path = found.fields.get("type", (None, self._place("type")))
        if value in EVENT_TYPES:
            name: EventType = value
            return name
        got = brief(value) if found.fields else "nothing"
        raise Fault(path, f"one of {', '.join(EVENT_TYPES)}", got, code="unknown_type")

    def _walk(self, document: dict[str, Any], shape: Shape, path: str, found: _Found) -> None:
        if shape.rest == "feature":
            found.features_path = path
        for key, value in document.items():
            leads_to = shape.children.get(key)
            if leads_to is None:
                match shape.rest:
                    case "feature":
                        found.features[key] = value
                    case "unknown":
                        found.unknown.append(key)
                    case "value":
                        found.rest[key] = value
                    case "ignored":
                        pass
            elif isinstance(leads_to, str):
                found.fields[leads_to] = value, child(path, key)
            elif value is not None:
                here = child(path, key)
                self._walk(members(value, here, "an object"), leads_to, here, found)

    def _model(self, found: _Found) -> str:
        fixed = self._spec.fixed.get("model")
        if fixed is not None:
            return fixed
        value, path = found.fields.get("model", (None, self._place("model")))
        longest = self._limits.model_chars
        if isinstance(value, str) and 1 <= len(value) <= longest:
            return value
        expected = f"a model name of 1 to {longest} characters"
        if "model" not in found.fields:
            raise Fault(path, expected, "nothing", code="missing")
        raise Fault(path, expected, brief(value))

    def _event(
        self,
        document: dict[str, Any],
        type_: EventType,
        model: str,
        found: _Found,
        stamp: int | None,
    ) -> Event:
        if not self._layouts.accepts(model):
            path = found.fields.get("model", (None, "$"))[1]
            got = f"unknown model {brief(model)}"
            raise Fault(path, "a model with a contract", got, code="unknown_model")
        event = Event(model, type_, self._time(model, found, stamp), document)
        event.unknown = found.unknown
        kinds = self._layouts.kinds(model) or _NO_KINDS
        needed = required(type_)
        for name, check in FIELDS[type_].items():
            if check in {"model", "time", "features"}:
                continue
            value, path = found.fields.get(name, (self._spec.fixed.get(name), self._place(name)))
            if value is None and name in needed:
                got = "null" if name in found.fields else "nothing"
                raise Fault(path, f"a value for {name}", got, code="missing")
            match check:
                case "segment":
                    event.segment = segment(value, path, self._limits)
                case "prediction":
                    self._prediction(event, value, path, kinds)
                case "score":
                    _put(event, "score", value, "numeric")
                case "id":
                    event.id = check_value(check, value, path, self._limits)
                case "source":
                    event.values[name] = check_value(check, value, path, self._limits) or "serving"
                case _:
                    event.values[name] = check_value(check, value, path, self._limits)
        if "features" in FIELDS[type_]:
            self._features(event, found, kinds)
        for name, value in found.rest.items():
            if name not in event.values:
                event.values[name] = value
        return event

    def _time(self, model: str, found: _Found, stamp: int | None) -> int:
        value, path = found.fields.get("ts", (None, self._place("ts")))
        produced = stamp_us(stamp)
        if value is None:
            if produced is None:
                got = (
                    "nothing, and no timestamp on the record"
                    if not stamp or stamp < 0
                    else (f"nothing, and the record's timestamp {stamp} ms")
                )
                raise Fault(path, "a time", got, code="time")
            return produced
        ts = parse_ts(value, path)
        ahead = self._layouts.max_ahead(model)
        if produced is not None and ts > produced + ahead:
            expected = f"at most {_duration(ahead)} ahead of the record's timestamp"
            expected += f" {format_ts(produced)}"
            raise Fault(path, expected, brief(value), code="time")
        return ts

    def _prediction(self, event: Event, value: Any, path: str, kinds: Mapping[str, Kind]) -> None:
        if isinstance(value, dict):
            shares = classes(value, path, self._limits)
            likeliest = max(shares, key=shares.__getitem__)
            _put(event, "prediction", likeliest, kinds.get("prediction"))
            if len(shares) <= SHOWN_CLASSES:
                for name, share in shares.items():
                    event.columns[f"prediction.{name}"] = share
            return
        try:
            check_value("scalar", value, path, self._limits)
        except Fault as fault:
            expected = "a finite number, a string, a boolean or an object of class probabilities"
            raise Fault(path, expected, fault.got, code=fault.code) from None
        _put(event, "prediction", value, kinds.get("prediction"))

    def _features(self, event: Event, found: _Found, kinds: Mapping[str, Kind]) -> None:
        if found.features_path is None:
            if "features" in required(event.type):
                path = self._place("features")
                raise Fault(path, "an object of features", "nothing", code="missing")
            return
        path, limits = found.features_path, self._limits
        if len(found.features) > limits.features:
            expected, got = f"at most {limits.features} features", str(len(found.features))
            raise Fault(path, expected, got, code="too_large")
        event.featured = True
        known = self._column_names
        for name, value in found.features.items():
            column = known.get(name)
            if column is None:
                check_name(name, path, limits)
                column = column_name(name)
                if len(known) < KNOWN_NAMES:
                    known[name] = column
            _put(event, column, value, kinds.get(column))


def _put(event: Event, column: str, value: Any, kind: Kind | None) -> None:
    kept, wrong = typed_value(value, kind)
    if wrong:
        event.invalid.append(column)
    event.columns[column] = kept


def _duration(us: int) -> str:
    seconds, rest = divmod(us, 1_000_000)
    if rest:
        return f"{us / 1e6:g}s"
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
