"""JSON Schemas of everything that crosses the bus for others, made from the types."""

from __future__ import annotations

from typing import Any

import msgspec

from driftline.events.inputs import INPUTS
from driftline.events.outputs import OUTPUTS

__all__ = ["NAMES", "SHAPES", "components", "json_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SHAPES: dict[str, type[msgspec.Struct]] = {**INPUTS, **OUTPUTS}
NAMES = tuple(SHAPES)
"""The shapes that have a schema: the six inputs by event type, then the outputs."""


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one shape.

    Parameters
    ----------
    name
        One of `NAMES`.

    Raises
    ------
    KeyError
        There is no such shape.
    """
    shape = SHAPES[name]
    (top,), parts = msgspec.json.schema_components([shape], ref_template="#/$defs/{name}")
    own = parts.pop(top["$ref"].rpartition("/")[2])
    schema = {"$schema": DIALECT, **own, "title": name}
    if parts:
        schema["$defs"] = dict(sorted(parts.items()))
    return schema


def components() -> tuple[dict[str, str], dict[str, Any]]:
    """Return all schemas in one namespace, for documents that hold several.

    Returns
    -------
    names, schemas
        The schema's name by shape, and schemas by name; references are ``#/components/schemas/…``.
    """
    template = "#/components/schemas/{name}"
    tops, parts = msgspec.json.schema_components(list(SHAPES.values()), ref_template=template)
    names = {name: top["$ref"].rpartition("/")[2] for name, top in zip(SHAPES, tops, strict=True)}
    return names, dict(sorted(parts.items()))
