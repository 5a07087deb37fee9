"""Recommender: high-cardinality features, predictions as class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from driftline.simulate.encode import number_tokens, object_tokens
from driftline.simulate.features import Feature, categorical, zipf
from driftline.simulate.traffic import Traffic, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.features import Columns

__all__ = ["Recommender"]

ITEM = zipf("item", "item-", 20_000, 1.05, "20,000 levels, Zipf 1.05")
COHORT = zipf("cohort", "cohort-", 3_000, 0.8, "3,000 levels, Zipf 0.8")
CATEGORY = zipf("category", "cat-", 25, 0.7, "25 levels")
LANGUAGE = categorical("language", {"en": 60, "de": 15, "fr": 12, "es": 9, "pt": 4}, missing=0.01)


class Recommender(Traffic):
    """Will the item be clicked; the prediction is an object {class: probability}."""

    kind: ClassVar[str] = "recommender"
    about: ClassVar[str] = "click or skip, as {class: probability}; features of high cardinality"
    version: ClassVar[str] = "v41"
    act_when: ClassVar[float] = 0.15
    entities: ClassVar[int] = 50_000
    classes: ClassVar[tuple[str, ...]] = ("skip", "click")

    features = (
        ITEM,
        COHORT,
        CATEGORY,
        LANGUAGE,
        Feature("similarity", "numeric", "0 to 1", decimals=4),
        Feature("item_age_days", "numeric", "exponential, 5 % missing", missing=0.05, decimals=1),
        Feature("price", "numeric", "lognormal"),
        Feature("session_seconds", "numeric", "lognormal", moves_with=("items_viewed",)),
        Feature("items_viewed", "integer", "count", moves_with=("session_seconds",)),
        Feature("mobile", "boolean", "70 % true"),
    )

    def draw(
        self,
        ts: npt.NDArray[np.int64],
        rng: np.random.Generator,
        held: dict[str, float],  # noqa: ARG002
    ) -> Columns:
        """Draw impressions; rows are independent of each other."""
        n = ts.size
        zeal = rng.standard_normal(n)
        columns: Columns = {
            "item": ITEM.draw_codes(rng, n),
            "cohort": COHORT.draw_codes(rng, n),
            "category": CATEGORY.draw_codes(rng, n),
            "language": LANGUAGE.draw_codes(rng, n),
            "similarity": rng.beta(2.5, 4.0, n),
            "item_age_days": rng.exponential(30.0, n),
            "price": np.exp(3.0 + 0.7 * rng.standard_normal(n)),
            "session_seconds": np.exp(4.5 + 0.8 * zeal),
            "items_viewed": rng.poisson(np.exp(1.6 + 0.4 * zeal)).astype(np.float64),
            "mobile": (rng.random(n) < 0.7).astype(np.int64),
        }
        return {f.name: f.lose(rng, columns[f.name]) for f in self.features}

    def score(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Probability of a click: logistic over standardised features."""
        z = (
            -2.4
            + 0.8 * self.standard(columns, "similarity")
            - 0.3 * self.standard(columns, "item_age_days")
            - 0.2 * self.standard(columns, "price")
            + 0.3 * self.standard(columns, "items_viewed")
            + 0.2 * (columns["mobile"] == 1)
        )
        return sigmoid(z)

    def answer(self, score: npt.NDArray[np.float64]) -> dict[str, Tokens]:
        """Class probabilities that add up to 1."""
        click = np.round(score, 6)
        skip = np.round(1 - click, 6)
        chances = {"click": number_tokens(click), "skip": number_tokens(skip)}
        return {"prediction": object_tokens(chances)}

    def label(self, score: npt.NDArray[np.float64], rng: np.random.Generator) -> list[Any]:
        """Click with the probability that the score says."""
        classes = np.array(["skip", "click"], dtype=object)
        return classes[(rng.random(score.size) < score).astype(np.int64)].tolist()

    def act(self, score: npt.NDArray[np.float64]) -> list[str]:
        """Show what is likely to be clicked."""
        return np.where(score >= self.act_when, "show", "hide").tolist()

    def best(self, labels: Sequence[Any]) -> list[str]:
        """Show what will be clicked."""
        return ["show" if label == "click" else "hide" for label in labels]

    def worth(
        self,
        actions: Sequence[str],
        labels: Sequence[Any],
        rng: np.random.Generator,  # noqa: ARG002
    ) -> npt.NDArray[np.float64]:
        """A click on a shown item earns 0.3; a place taken in vain costs 0.02."""
        shown = np.array([action == "show" for action in actions])
        clicked = np.array([label == "click" for label in labels])
        return np.where(shown, np.where(clicked, 0.3, -0.02), 0.0)
