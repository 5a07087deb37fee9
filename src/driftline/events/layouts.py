"""What the codec asks about models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.events.frame import Kind

__all__ = ["AnyModel", "Layouts"]


class Layouts(Protocol):
    """Answers about models; they may change between two calls of `Decoder.decode`."""

    def kinds(self, model: str) -> Mapping[str, Kind] | None:
        """Return the expected columns and their kinds; None while there is no reference.

        A changed answer is another object: the codec compares identity.
        """
        ...

    def max_ahead(self, model: str) -> int:
        """Return how far ``ts`` may run ahead of its record's timestamp, in microseconds."""
        ...

    def known(self, model: str) -> bool:
        """Return whether a contract names the model: what never changes while a worker runs."""
        ...

    def accepts(self, model: str) -> bool:
        """Return whether events of the model are read at all."""
        ...


class AnyModel:
    """Where no contract is known: any model is read, and nothing is expected of its columns.

    Parameters
    ----------
    max_ahead
        How far ``ts`` may run ahead of its record's timestamp, in microseconds.
    """

    def __init__(self, max_ahead: int) -> None:
        self._max_ahead = max_ahead

    def kinds(self, model: str) -> Mapping[str, Kind] | None:  # noqa: ARG002 - the protocol's
        """Expect nothing."""
        return None

    def max_ahead(self, model: str) -> int:  # noqa: ARG002
        """Return the same for all."""
        return self._max_ahead

    def known(self, model: str) -> bool:  # noqa: ARG002
        """No contract names it."""
        return False

    def accepts(self, model: str) -> bool:  # noqa: ARG002
        """Read it all the same."""
        return True
