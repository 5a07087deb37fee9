"""What crosses the bus: the shapes of events, reading them, and their schemas."""

from __future__ import annotations

from driftline.events.codec import Decoder
from driftline.events.errors import Fault, MappingError
from driftline.events.frame import DeadLetter, Decoded, EventType, Frame, Kind, Segment
from driftline.events.layouts import Layouts
from driftline.events.limits import Limits
from driftline.events.mapping import InputSpec
from driftline.events.record import RawRecord, Record, Source
from driftline.events.time import format_ts, parse_ts

__all__ = [
    "DeadLetter",
    "Decoded",
    "Decoder",
    "EventType",
    "Fault",
    "Frame",
    "InputSpec",
    "Kind",
    "Layouts",
    "Limits",
    "MappingError",
    "RawRecord",
    "Record",
    "Segment",
    "Source",
    "format_ts",
    "parse_ts",
]
