"""Arrays in snapshots: bytes with their type and shape beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from driftline.detect.errors import StateError


def pack(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Return an array as JSON values and bytes (little-endian, C order)."""
    fixed = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {"dtype": fixed.dtype.str, "shape": list(array.shape), "data": fixed.tobytes()}


def unpack(packed: dict[str, Any], like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a fresh array from what `pack` gave.

    Raises
    ------
    StateError
        Type or shape differ from those of `like`.
    """
    try:
        data = np.frombuffer(packed["data"], dtype=packed["dtype"]).reshape(packed["shape"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"snapshot: expected a packed array, got {error}"
        raise StateError(msg) from error
    if data.shape != like.shape or data.dtype != like.dtype.newbyteorder("<"):
        msg = (
            f"snapshot: expected {like.dtype} of shape {like.shape}, "
            f"got {data.dtype} of shape {data.shape}"
        )
        raise StateError(msg)
    return data.astype(like.dtype)


def check(state: dict[str, Any], **expected: Any) -> None:
    """Raise `StateError` unless every named field of a snapshot holds the expected value."""
    for field, value in expected.items():
        if state.get(field) != value:
            msg = f"snapshot: expected {field} {value!r}, got {state.get(field)!r}"
            raise StateError(msg)
