"""How much one event may ask for before it is a dead letter."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

MIB = 1_048_576


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep one producer's rubbish from costing everybody memory.

    Attributes
    ----------
    element_bytes
        Largest event, in bytes of JSON.
    envelope_bytes, envelope_events
        Largest message that holds an array of events.
    features
        Most features (and classes of a prediction) in one event.
    name_bytes
        Longest name of a feature, class or segment.
    model_chars, id_chars
        Longest model name, and longest identifier.
    segments
        Most entries of one event's `segment`.
    depth
        Deepest nesting of objects and arrays; an event itself is 1.
    cells
        Most values (rows times columns) that one frame holds; a batch with more makes several
        frames.
    unknown_names
        Names of unknown fields a frame tells apart; further ones are counted together as ``…``.
    """

    element_bytes: int = MIB
    envelope_bytes: int = 16 * MIB
    envelope_events: int = 100_000
    features: int = 5_000
    name_bytes: int = 256
    model_chars: int = 200
    id_chars: int = 1_024
    segments: int = 16
    depth: int = 64
    cells: int = 4_000_000
    unknown_names: int = 100
