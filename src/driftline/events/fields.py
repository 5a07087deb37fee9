"""Which fields each type of event has, and what may stand in them: the one table of the codec."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

from driftline.events.frame import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMMON", "EVENT_TYPES", "FIELDS", "FIXABLE", "Check", "required"]

Check = Literal[
    "model",  # the model's name
    "type",  # the event type, where the topic mixes them
    "time",  # RFC 3339, epoch seconds or milliseconds
    "segment",  # object of strings
    "features",  # object of scalars: becomes columns
    "prediction",  # number, string, boolean, or object class → probability: becomes columns
    "score",  # number: becomes a column
    "id",  # non-empty string, or an integer that is taken as its digits
    "word",  # non-empty string
    "text",  # any string
    "mark",  # string, or an integer that is taken as its digits
    "number",  # finite number, or missing
    "measure",  # finite number, never missing
    "scalar",  # finite number, string or boolean, never missing
    "source",  # serving or training
]

EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)

COMMON: Final[Mapping[str, Check]] = MappingProxyType(
    {"model": "model", "ts": "time", "version": "mark", "segment": "segment"}
)

_OWN: dict[EventType, dict[str, Check]] = {
    "prediction": {
        "prediction_id": "id",
        "prediction": "prediction",
        "score": "score",
        "features": "features",
        "arm": "text",
        "propensity": "number",
        "entity_id": "mark",
    },
    "features": {"prediction_id": "id", "features": "features", "source": "source"},
    "label": {"prediction_id": "id", "label": "scalar", "weight": "number"},
    "decision": {
        "prediction_id": "id",
        "action": "word",
        "recommended": "text",
        "actor": "text",
        "reason": "text",
        "arm": "text",
        "propensity": "number",
    },
    "outcome": {"prediction_id": "id", "value": "measure", "kind": "text"},
    "lifecycle": {"kind": "word", "feature": "text", "why": "text", "by": "text"},
}

FIELDS: Final[Mapping[EventType, Mapping[str, Check]]] = MappingProxyType(
    {name: MappingProxyType({**COMMON, **own}) for name, own in _OWN.items()}
)
"""Fields by event type. A lifecycle event may carry any others as well."""

FIXABLE: Final[frozenset[Check]] = frozenset({"model", "source", "word", "text", "mark"})
"""What a fixed value of an input may stand for: whatever is a string."""

_REQUIRED: dict[EventType, frozenset[str]] = {
    "prediction": frozenset({"model", "prediction_id", "prediction"}),
    "features": frozenset({"model", "features"}),
    "label": frozenset({"model", "prediction_id", "label"}),
    "decision": frozenset({"model", "prediction_id", "action"}),
    "outcome": frozenset({"model", "prediction_id", "value"}),
    "lifecycle": frozenset({"model", "kind"}),
}


def required(type_: EventType) -> frozenset[str]:
    """Return the fields without which an event of this type is a dead letter."""
    return _REQUIRED[type_]
