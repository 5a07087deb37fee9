"""River's detectors in snapshots: pickles of the very version that runs, and of nothing else.

River has no state format of its own, and its pickles do not load across versions; so the version
stands beside the bytes, and another version's are refused before they are read. The reader allows
only what river's detectors are made of, as a snapshot comes from a topic that others may write to.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import river

_ALLOWED = {
    ("collections", "deque"),
    ("random", "Random"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "scalar"),
}
_RIVER = ("river.drift.", "river.stats.", "river._river_rust.")
_PROTOCOL = 4


def version() -> str:
    """Return the version that pickles are bound to."""
    return str(river.__version__)


def freeze(detectors: Any) -> bytes:
    """Return detectors, a list of them or one, as bytes; together they name their classes once."""
    return pickle.dumps(detectors, protocol=_PROTOCOL)


def thaw(data: bytes) -> Any:
    """Return what `freeze` took.

    Raises
    ------
    pickle.UnpicklingError
        The bytes hold anything but detectors of river.
    """
    return _Reader(io.BytesIO(data)).load()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name == "getattr":
            return _nested
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        if module.startswith(_RIVER) and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        msg = f"snapshot: expected a detector of river, got {module}.{name}"
        raise pickle.UnpicklingError(msg)


def _nested(owner: Any, name: str) -> Any:
    """Look up a method of a detector, as pickle writes a bound one, and nothing else."""
    kind = owner if isinstance(owner, type) else type(owner)
    if kind.__module__.startswith(_RIVER) and not name.startswith("__"):
        return getattr(owner, name)
    msg = f"snapshot: expected an attribute of a class of river, got {name}"
    raise pickle.UnpicklingError(msg)
