"""Values of numpy, pandas and others as what JSON can hold.

Looks at types by what they offer, so that none of these libraries has to be there.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any
from uuid import UUID

__all__ = ["NOTHING", "Unsayable", "as_mapping", "hold", "scalar", "text_key"]

NOTHING = frozenset({"NAType", "NaTType"})
"""Names of pandas' types for a missing value."""
INT64 = range(-(2**63), 2**64)
_PLAIN = frozenset({str, int, float, bool, type(None)})


class Unsayable(TypeError):  # noqa: N818 - what the value is
    """A value that no JSON scalar stands for. A TypeError, as encoders expect of their hooks."""


class _Broken:
    """In the place of a value that could not even be copied."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def hold(value: Any) -> Any:
    """Return what will still be the same when the sender looks at it: mutable values are copied.

    One level deep: features are flat. Raises nothing; what cannot be copied is refused later.
    """
    kind = type(value)
    if kind is dict:
        return value.copy()
    if kind in _PLAIN:
        return value
    try:
        if isinstance(value, Mapping):
            return dict(value)
        copy = getattr(value, "copy", None)
        return copy() if callable(copy) else value
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the value's fault
        return _Broken(error)


def scalar(value: Any) -> Any:
    """Return the JSON scalar that a value stands for.

    Numbers, strings, booleans and None are themselves (in their own types, never a subclass);
    missing values of pandas are None; times are RFC 3339; arrays of one element are that element.

    Raises
    ------
    Unsayable
        There is none.
    """
    kind = type(value)
    if kind in _PLAIN:
        return float(value) if kind is int and value not in INT64 and _fits(value) else value
    if kind.__name__ in NOTHING:
        return None
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Enum):
        return scalar(value.value)
    if isinstance(value, bool | int):
        return scalar(int(value))
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Decimal | Fraction):
        return _number(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return _of_one(value)


def _of_one(value: Any) -> Any:
    """Unpack numpy scalars, arrays and tensors of one element."""
    if kind_of(value) == "datetime64":
        text = str(value)
        return None if text == "NaT" else text
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, Mapping):
        try:
            found = item()
        except Exception as error:
            raise Unsayable(str(error)) from error
        if type(found) is not type(value):
            return scalar(found)
    raise Unsayable(kind_of(value))


def _number(value: Decimal | Fraction) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError) as error:
        raise Unsayable(str(error)) from error


def _fits(value: int) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def kind_of(value: Any) -> str:
    """Name a value's type, and the error where it could not be copied."""
    if isinstance(value, _Broken):
        return f"a value that cannot be copied ({type(value.error).__name__})"
    return type(value).__name__


def text_key(key: Any) -> str:
    """Return a name as a plain string; the numbers that unnamed columns have become their digits.

    Raises
    ------
    Unsayable
        It is neither.
    """
    if isinstance(key, str):
        return str.__str__(key)
    name = scalar(key)
    if isinstance(name, bool) or not isinstance(name, int):
        raise Unsayable(kind_of(key))
    return str(name)


def as_mapping(value: Any) -> Mapping[Any, Any]:
    """Return a row (a mapping, a pandas Series, a named tuple) as a mapping.

    Raises
    ------
    Unsayable
        Nothing in it has a name.
    """
    if isinstance(value, Mapping):
        return value
    for offered in ("to_dict", "_asdict"):
        method = getattr(value, offered, None)
        if callable(method):
            try:
                found = method()
            except Exception as error:
                raise Unsayable(str(error)) from error
            if isinstance(found, Mapping):
                return found
    raise Unsayable(kind_of(value))
