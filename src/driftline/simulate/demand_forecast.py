"""Demand forecast: regression with a daily season and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from driftline.simulate.encode import number_tokens
from driftline.simulate.features import Feature, categorical
from driftline.simulate.traffic import Traffic, daily, memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.features import Columns

__all__ = ["DemandForecast"]

STORE = categorical("store", {f"S{i:02d}": 1.0 + (i % 7) for i in range(24)}, "24 levels")
WEATHER = categorical("weather", {"clear": 45, "cloud": 33, "rain": 18, "snow": 4}, missing=0.02)


class DemandForecast(Traffic):
    """Units that a store will sell in the next hour; season and memory unless calm."""

    kind: ClassVar[str] = "demand-forecast"
    about: ClassVar[str] = "units sold next hour; daily season (amplitude 0.8 sd), AR(.9), AR(.5)"
    version: ClassVar[str] = "2026-03"
    act_when: ClassVar[float] = 60.0
    entities: ClassVar[int] = 24
    label_decimals: ClassVar[int] = 0

    features = (
        Feature("temperature", "numeric", "°C, daily season, AR(.5) from row to row", decimals=1),
        Feature("footfall", "integer", "visitors, daily season", moves_with=("last_hour",)),
        Feature("competitor_price", "numeric", "AR(.9) from row to row"),
        Feature("price", "numeric", "lognormal"),
        Feature("last_hour", "integer", "units", moves_with=("footfall",)),
        Feature("stock", "integer", "negative binomial, 4 % missing", missing=0.04),
        Feature("promotion", "boolean", "12 % true"),
        STORE,
        WEATHER,
    )

    def draw(
        self, ts: npt.NDArray[np.int64], rng: np.random.Generator, held: dict[str, float]
    ) -> Columns:
        """Draw the state of the stores at each instant."""
        n = ts.size
        lively = 0.0 if self.calm else 1.0
        visits = 120 + 32 * rng.standard_normal(n) + lively * 32 * 0.8 * daily(ts, 15.0)
        visits = np.clip(visits, 0, None)
        weather = memory(rng, n, 0.5 * lively, held, "temperature")
        rivals = memory(rng, n, 0.9 * lively, held, "competitor_price")
        columns: Columns = {
            "temperature": 14 + 4 * weather + lively * 3.2 * daily(ts, 14.0),
            "footfall": np.rint(visits),
            "competitor_price": 9.9 + 0.7 * rivals,
            "price": np.exp(2.3 + 0.12 * rng.standard_normal(n)),
            "last_hour": np.rint(0.3 * visits + 8 * np.abs(rng.standard_normal(n))),
            "stock": rng.negative_binomial(6, 0.03, n).astype(np.float64),
            "promotion": (rng.random(n) < 0.12).astype(np.int64),
            "store": STORE.draw_codes(rng, n),
            "weather": WEATHER.draw_codes(rng, n),
        }
        return {f.name: f.lose(rng, columns[f.name]) for f in self.features}

    def score(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Linear rule over standardised features, in units."""
        units = (
            45
            + 9 * self.standard(columns, "footfall")
            + 7 * self.standard(columns, "last_hour")
            + 2 * self.standard(columns, "temperature")
            - 5 * self.standard(columns, "price")
            + 3 * self.standard(columns, "competitor_price")
            + 14 * (columns["promotion"] == 1)
            - 4 * (columns["weather"] == 2)
        )
        return np.asarray(units)

    def answer(self, score: npt.NDArray[np.float64]) -> dict[str, Tokens]:
        """Units, two digits."""
        return {"prediction": number_tokens(np.round(score, 2))}

    def label(self, score: npt.NDArray[np.float64], rng: np.random.Generator) -> list[Any]:
        """Units really sold."""
        return np.clip(np.rint(score + 6 * rng.standard_normal(score.size)), 0, None).tolist()

    def act(self, score: npt.NDArray[np.float64]) -> list[str]:
        """Restock where much will be sold."""
        return np.where(score >= self.act_when, "restock", "wait").tolist()

    def best(self, labels: Sequence[Any]) -> list[str]:
        """Restock where that earns more than it costs."""
        return ["restock" if 1.5 * (label - 40) > 40 else "wait" for label in labels]

    def worth(
        self,
        actions: Sequence[str],
        labels: Sequence[Any],
        rng: np.random.Generator,  # noqa: ARG002
    ) -> npt.NDArray[np.float64]:
        """Restocking costs 40 and earns 1.5 for each unit above 40."""
        moved = np.array([action == "restock" for action in actions])
        units = np.array(labels, dtype=np.float64)
        return np.where(moved, np.round(1.5 * np.clip(units - 40, 0, None) - 40, 2), 0.0)
