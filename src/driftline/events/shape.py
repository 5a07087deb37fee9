"""The tree of an event: which key leads to which field, and what all other keys are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from driftline.events.frame import EventType
    from driftline.events.mapping import InputSpec

__all__ = ["RESERVED", "Rest", "Shape", "column_name", "shape_of", "type_shape"]

Rest = Literal["unknown", "ignored", "feature", "value"]
"""What a key that leads to no field is: counted, passed over, a feature, or kept as it is."""

RESERVED = frozenset({"prediction", "score"})


@dataclass(slots=True)
class Shape:
    """One JSON object on the way to the fields.

    Attributes
    ----------
    children
        By key: the name of the field that stands there, or the object that is gone through.
    rest
        What all other keys are.
    """

    rest: Rest
    children: dict[str, Shape | str] = field(default_factory=dict)

    def put(self, path: tuple[str, ...], name: str) -> None:
        """Let a field be found at the end of a path."""
        node = self._object(path[:-1])
        node.children[path[-1]] = name

    def open_features(self, path: tuple[str, ...]) -> None:
        """Take all keys of the object at a path that lead to no field as features."""
        self._object(path).rest = "feature"

    def _object(self, path: tuple[str, ...]) -> Shape:
        node = self
        for key in path:
            found = node.children.get(key)
            if not isinstance(found, Shape):
                found = node.children[key] = Shape("ignored")
            node = found
        return node


def shape_of(spec: InputSpec, type_: EventType) -> Shape:
    """Return the tree that an input's events of one type are read by."""
    root = Shape("value" if type_ == "lifecycle" else "unknown")
    for name, path in spec.places(type_).items():
        if name == "features":
            root.open_features(path)
        else:
            root.put(path, name)
    return root


def type_shape(spec: InputSpec) -> Shape:
    """Return the tree that leads to the type alone, for inputs that mix types."""
    root = Shape("ignored")
    root.put(tuple(spec.fields.get("type", "type").split(".")), "type")
    return root


def column_name(feature: str) -> str:
    """Return the column of a feature; only the prediction's own names are spoken for.

    Different features never share a column: what looks like an evaded name evades once more.

    Examples
    --------
    >>> column_name("age"), column_name("score"), column_name("features.score")
    ('age', 'features.score', 'features.features.score')
    """
    bare = feature
    while bare.startswith("features."):
        bare = bare.removeprefix("features.")
    spoken_for = bare in RESERVED or bare.startswith("prediction.")
    return f"features.{feature}" if spoken_for else feature
