"""How faults are worded: JSON paths and short renderings of what came instead."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["ROOT", "brief", "child", "inside"]

ROOT = "$"
"""The path of an element as a whole."""
GOT_CHARS = 80
PATH_CHARS = 60
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def brief(value: Any) -> str:
    """Render a JSON value so that it fits into one line of a report."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _cut(json.dumps(value, ensure_ascii=True), GOT_CHARS)
        case dict():
            return f"an object of {len(value)} keys"
        case list():
            return f"an array of {len(value)}"
        case _:
            return _cut(repr(value), GOT_CHARS)


def child(path: str, key: str) -> str:
    """Return the path of a member of the object at `path`."""
    if _PLAIN.match(key) and len(key) <= PATH_CHARS:
        return f"{path}.{key}"
    return f"{path}[{_cut(json.dumps(key, ensure_ascii=True), PATH_CHARS)}]"


def inside(index: int | None, path: str) -> str:
    """Return a path within an element as a path within its message."""
    return path if index is None else f"$[{index}]{path[1:]}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
