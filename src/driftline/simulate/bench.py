"""Bench: N numeric features and nothing else; 20 of them make an event of about 552 bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from driftline.simulate.encode import number_tokens
from driftline.simulate.features import Feature
from driftline.simulate.traffic import Moments, Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.features import Columns

__all__ = ["Bench"]

LARGEST = 5_000


class Bench(Traffic):
    """Independent standard normal features; the prediction is their scaled sum.

    Parameters
    ----------
    width
        Number of features, 1 to 5,000.
    """

    kind: ClassVar[str] = "bench"
    about: ClassVar[str] = "bench-N: N independent standard normal features (bench is bench-20)"

    def __init__(self, name: str | None = None, *, calm: bool = False, width: int = 20) -> None:
        super().__init__(name, calm=calm)
        # 11 digits make a value about as long as producers' doubles are.
        self.features = tuple(
            Feature(f"f{i:02d}", "numeric", "standard normal", decimals=11) for i in range(width)
        )

    @property
    def moments(self) -> dict[str, Moments]:
        """Known exactly here."""
        return {feature.name: Moments(0.0, 1.0) for feature in self.features}

    def draw(
        self,
        ts: npt.NDArray[np.int64],
        rng: np.random.Generator,
        held: dict[str, float],  # noqa: ARG002
    ) -> Columns:
        """Draw independent rows."""
        matrix = rng.standard_normal((len(self.features), ts.size))
        return {feature.name: matrix[i] for i, feature in enumerate(self.features)}

    def score(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Sum of the features, scaled to variance 1."""
        total: npt.NDArray[np.float64] = np.zeros(next(iter(columns.values())).size)
        for feature in self.features:
            total += np.nan_to_num(columns[feature.name], nan=0.0)
        return total / np.sqrt(len(self.features))

    def answer(self, score: npt.NDArray[np.float64]) -> dict[str, Tokens]:
        """A number."""
        return {"prediction": number_tokens(np.round(score, 6))}

    def label(self, score: npt.NDArray[np.float64], rng: np.random.Generator) -> list[Any]:
        """The score and noise."""
        return np.round(score + rng.standard_normal(score.size), 6).tolist()

    def act(self, score: npt.NDArray[np.float64]) -> list[str]:
        """Act on the upper part."""
        return np.where(score >= self.act_when, "act", "wait").tolist()

    def best(self, labels: Sequence[Any]) -> list[str]:
        """Act where that is worth anything."""
        return ["act" if label > 0 else "wait" for label in labels]

    def worth(
        self,
        actions: Sequence[str],
        labels: Sequence[Any],
        rng: np.random.Generator,  # noqa: ARG002
    ) -> npt.NDArray[np.float64]:
        """Acting is worth the label."""
        acted = np.array([action == "act" for action in actions])
        return np.where(acted, np.array(labels, dtype=np.float64), 0.0)
