"""The careful path's rules for single fields: what may stand there and what it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.errors import Fault
from driftline.events.parse import Doubled, finite
from driftline.events.wording import brief, child

if TYPE_CHECKING:
    from driftline.events.fields import Check
    from driftline.events.frame import Kind, Segment
    from driftline.events.limits import Limits

__all__ = ["SOURCE_NAMES", "check_value", "classes", "members", "segment", "typed_value"]

SOURCE_NAMES = ("serving", "training")
INTEGERS = range(-(2**63), 2**64)
"""Integers that may stand for an identifier: those a 64-bit producer can mean."""


def members(value: Any, path: str, expected: str) -> dict[str, Any]:
    """Return a JSON object whose keys each come once."""
    if not isinstance(value, dict):
        raise Fault(path, expected, brief(value))
    if isinstance(value, Doubled):
        raise Fault(child(path, value.key), "each key once", "the key twice")
    return value


def check_value(check: Check, value: Any, path: str, limits: Limits) -> Any:
    """Return what a field that is not a column becomes; None where it is missing.

    Raises
    ------
    Fault
        Something stands there that may not.
    """
    match check:
        case "id":
            return _identifier(value, path, limits.id_chars)
        case "word":
            if not isinstance(value, str) or not value or len(value) > limits.id_chars:
                expected = f"a string of 1 to {limits.id_chars} characters"
                raise Fault(path, expected, brief(value))
            return value
        case "text":
            if value is not None and not isinstance(value, str):
                raise Fault(path, "a string", brief(value))
            return value
        case "mark":
            if value is None or isinstance(value, str):
                return value
            if _is_integer(value):
                return str(value)
            raise Fault(path, "a string or an integer", brief(value))
        case "source":
            if value is not None and value not in SOURCE_NAMES:
                raise Fault(path, "'serving' or 'training'", brief(value))
            return value
        case "number":
            if value is None:
                return None
            if not _is_number(value):
                raise Fault(path, "a number", brief(value))
            return float(value) if finite(value) else None
        case "measure":
            if not _is_number(value) or not finite(value):
                raise Fault(path, "a finite number", brief(value))
            return float(value)
        case "scalar":
            if isinstance(value, bool | str):
                return value
            if not _is_number(value) or not finite(value):
                raise Fault(path, "a finite number, a string or a boolean", brief(value))
            return value
        case _:
            msg = f"{check} is not a single value"
            raise AssertionError(msg)


def typed_value(value: Any, kind: Kind | None) -> tuple[Any, bool]:
    """Return what a column holds for a value, and whether the value had the wrong type.

    Numbers that are not finite are missing, whatever the kind.
    """
    if value is None:
        return None, False
    if isinstance(value, bool):
        fine = kind is None or kind == "boolean"
        return (value, False) if fine else (None, True)
    if isinstance(value, str):
        fine = kind is None or kind == "categorical"
        return (value, False) if fine else (None, True)
    if isinstance(value, int | float):
        if not finite(value):
            return None, False
        if kind == "numeric":
            return float(value), False
        return (value, False) if kind is None else (None, True)
    return None, True


def classes(value: Any, path: str, limits: Limits) -> dict[str, float]:
    """Return a prediction's probability by class, sorted by class name."""
    found = members(value, path, "an object of class probabilities")
    if not 1 <= len(found) <= limits.features:
        raise Fault(path, f"1 to {limits.features} classes", brief(found))
    for name, share in found.items():
        check_name(name, path, limits)
        if not _is_number(share) or not 0 <= share <= 1:
            raise Fault(child(path, name), "a probability between 0 and 1", brief(share))
    return {name: float(found[name]) for name in sorted(found)}


def check_name(name: str, path: str, limits: Limits) -> None:
    """Refuse a name of a feature, class or segment that nobody can mean."""
    if not name or len(name) > limits.name_bytes or len(name.encode()) > limits.name_bytes:
        got = f"{len(name.encode())} bytes"
        expected = f"a name of 1 to {limits.name_bytes} bytes"
        raise Fault(child(path, name), expected, got, code="too_large")


def segment(value: Any, path: str, limits: Limits) -> Segment:
    """Return an event's segment; a missing or empty one is ``()``."""
    if value is None:
        return ()
    found = members(value, path, "an object of strings")
    if len(found) > limits.segments:
        expected = f"at most {limits.segments} entries"
        raise Fault(path, expected, str(len(found)), code="too_large")
    for name, text in found.items():
        check_name(name, path, limits)
        if not isinstance(text, str):
            raise Fault(child(path, name), "a string", brief(text))
        if len(text.encode()) > limits.name_bytes:
            expected = f"at most {limits.name_bytes} bytes"
            got = f"{len(text.encode())} bytes"
            raise Fault(child(path, name), expected, got, code="too_large")
    return tuple(sorted(found.items()))


def _identifier(value: Any, path: str, longest: int) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and 1 <= len(value) <= longest:
        return value
    if _is_integer(value):
        return str(value)
    raise Fault(path, f"a string of 1 to {longest} characters, or an integer", brief(value))


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in INTEGERS


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
