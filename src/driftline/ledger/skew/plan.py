"""What a contract says of skew, as far as the sums and the watch need it."""

from __future__ import annotations

from dataclasses import dataclass, field

from driftline.contract import HOUR
from driftline.errors import UsageError
from driftline.ledger.segments import MOST_SEGMENTS
from driftline.ledger.skew.tolerance import Tolerances

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How serving and training are compared.

    Attributes
    ----------
    model
        Its name.
    rate
        Share of mismatched pairs of a feature that is allowed, from 1e-6 to 0.25.
    page_share
        Share of mismatched pairs of a feature from which on somebody is woken.
    span
        Length of the windows that are told, microseconds: whole slots.
    tolerances
        When two numbers are the same.
    features
        What the contract or the reference says the model is served. Any other feature is compared
        from the first value on that serving gave; these also when serving never gave one.
    segments
        Segments that pairs are told of apart, beside one of all others.

    Raises
    ------
    UsageError
        A share is out of its range.
    """

    model: str
    rate: float = 0.001
    page_share: float = 0.05
    span: int = HOUR
    tolerances: Tolerances = field(default_factory=Tolerances)
    features: frozenset[str] = frozenset()
    segments: int = MOST_SEGMENTS

    def __post_init__(self) -> None:
        if not 1e-6 <= self.rate <= 0.25:
            msg = f"skew.rate: expected a share from 0.000001 to 0.25, got {self.rate}"
            raise UsageError(msg)
        if not self.rate <= self.page_share <= 1:
            msg = (
                f"skew.page_share: expected a share from {self.rate:g} to 1, got {self.page_share}"
            )
            raise UsageError(msg)
