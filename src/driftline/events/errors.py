"""What this room raises: for a wrong mapping, and inside the codec for an event."""

from __future__ import annotations

from typing import Literal

from driftline.errors import DriftlineError, UsageError

__all__ = ["Fault", "FaultCode", "MappingError"]

FaultCode = Literal[
    "not_json",
    "empty",
    "too_large",
    "missing",
    "time",
    "unknown_type",
    "unknown_model",
    "value",
]
"""Why an element cannot be read, in a word: few enough to count by. ``value`` is all else: a field
holds what it may not."""


class MappingError(UsageError):
    """The description of an input topic makes no sense.

    Attributes
    ----------
    faults
        Every fault found, each beginning with the key it is about.
    """

    def __init__(self, topic: str, faults: tuple[str, ...]) -> None:
        super().__init__(f"input {topic!r}: " + "; ".join(faults))
        self.topic = topic
        self.faults = faults


class Fault(DriftlineError):  # noqa: N818 - the word for it everywhere here
    """One element cannot be read. The codec catches it and makes a dead letter of it.

    Attributes
    ----------
    path
        JSON path of what is wrong, from ``$``, the element.
    expected, got
        What should have stood there, and a short rendering of what did.
    model
        The element's model, if it was known by then.
    code
        The kind of fault.
    """

    def __init__(
        self,
        path: str,
        expected: str,
        got: str,
        model: str | None = None,
        *,
        code: FaultCode = "value",
    ) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}")
        self.path = path
        self.expected = expected
        self.got = got
        self.model = model
        self.code = code
