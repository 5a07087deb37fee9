"""Names of which there may be any number: of a set, the few that are told apart.

They are the ones whose hash is smallest (bottom-k). Which ones that are depends on the set alone,
and a name among them in the whole is among them in every part: counts of the others, put together,
come out the same in whatever order and cut they were merged.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LONGEST", "short", "smallest"]

LONGEST = 200
"""Characters of a name; a longer one is cut, and told from others by a hash of the whole."""


def short(name: str | None) -> str | None:
    """Return a name as it is kept."""
    if name is None or len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 17]}…{_hash(name)}"


def smallest(names: Iterable[str], most: int) -> set[str]:
    """Return the names that are told apart: so many at most."""
    found = set(names)
    return found if len(found) <= most else set(sorted(found, key=_order)[:most])


def _order(name: str) -> tuple[str, str]:
    return _hash(name), name


@lru_cache(maxsize=4096)
def _hash(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
