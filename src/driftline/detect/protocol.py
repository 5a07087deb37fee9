"""What a detector is: it sees a model's merged pane once a slot and answers with findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.stats import Pane, Reference

FindingKind = Literal[
    "drift", "missing", "schema", "volume", "silence", "drill", "quality", "skew", "decision"
]
Severity = Literal["page", "notice"]


@dataclass(frozen=True)
class Slot:
    """One closed slot of one model, merged over all source partitions and segments.

    Attributes
    ----------
    start, end
        Event time, microseconds since the epoch.
    number
        Count of non-empty slots of this model that were seen before this one (since the reference
        holds).
    pane
        The merged pane (never raw: it is binned on `reference`), its sample in event-time order;
        empty slots are not shown to detectors.
    """

    start: int
    end: int
    number: int
    pane: Pane
    reference: Reference
    contract: Contract

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """The pane's counts as `Reference.pad` lays them out, once for all detectors."""
        return self.reference.padded(self.pane)

    @cached_property
    def usual(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """`counts` freed of the season: as they are, and in whole numbers.

        The same array twice where no column has a season.
        """
        return self.reference.freed(self.counts, (self.start + self.end) // 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence that crossed its threshold, or (``state="cleared"``) that has gone away again.

    Attributes
    ----------
    feature
        Column name, or None where the finding is about the whole model.
    change_point, detected_at
        Event time, microseconds: the estimated start of the change, and the end of the slot that
        showed it.
    effect
        Size of the change in `effect_unit` (for example "reference sd", "probability", "rate").
    text
        The effect in words and in the feature's own units, one line: "median 41 → 52; sd 11 → 14".
    log_e
        Natural logarithm of the e-value, where the detector has one.
    evidence
        Whatever else the detector can say; JSON scalars, lists and objects only.
    segment
        Whose rows it is about; empty where it is about all.
    """

    state: Literal["raised", "cleared"]
    model: str
    feature: str | None
    kind: FindingKind
    detector: str
    severity: Severity
    change_point: int
    detected_at: int
    effect: float
    effect_unit: str
    text: str
    log_e: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    segment: Segment = ()


class Detector(Protocol):
    """The contract every detector keeps; tests/contract runs it over each registered one.

    Call order: construct (with a reference), then `step` once for each non-empty slot in ascending
    order of time, never concurrently. Between any two steps `snapshot` may be taken; a new object,
    built the same way and given that snapshot through `restore`, continues bit for bit alike.
    """

    name: str

    def step(self, slot: Slot) -> Sequence[Finding]:
        """Take one slot into account; return what was raised or cleared by it."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values and bytes only, versioned by the field ``format``."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `snapshot` gave; raise `StateError` for any other."""
        ...
