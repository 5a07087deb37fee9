"""Credit risk: tabular, every kind of feature, two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from driftline.simulate.encode import number_tokens
from driftline.simulate.features import Feature, categorical
from driftline.simulate.traffic import Traffic, sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from driftline.simulate.encode import Tokens
    from driftline.simulate.features import Columns

__all__ = ["CreditRisk"]

COUNTRY = categorical(
    "country",
    {"DE": 30, "FR": 21, "IT": 15, "ES": 12, "NL": 9, "PL": 7, "AT": 4, "PT": 2},
    "8 levels, the rarest 2 %",
)
DEVICE = categorical("device", {"android": 44, "ios": 31, "desktop": 21, "tablet": 4})
EMPLOYMENT = categorical(
    "employment",
    {"permanent": 62, "temporary": 15, "self_employed": 13, "retired": 6, "student": 4},
    missing=0.02,
)
# The last entry is for the level nobody knows (code 8) and for missing (code -1) alike.
COUNTRY_EFFECT = np.array([-0.2, 0.0, 0.1, 0.1, -0.2, 0.2, -0.1, 0.2, 0.0])
EMPLOYMENT_EFFECT = np.array([-0.4, 0.4, 0.3, 0.0, 0.5, 0.0])


class CreditRisk(Traffic):
    """Applications for a loan; the score is the probability of default."""

    kind: ClassVar[str] = "credit-risk"
    about: ClassVar[str] = "loan applications; score = probability of default, class default/repaid"
    version: ClassVar[str] = "3.2"
    act_when: ClassVar[float] = 0.6
    classes: ClassVar[tuple[str, ...]] = ("repaid", "default")

    features = (
        Feature("age", "integer", "years, 18 to 90", moves_with=("employment_years",)),
        Feature("income", "numeric", "a year, lognormal", moves_with=("loan_amount",)),
        Feature("debt_to_income", "numeric", "ratio, right-skewed", decimals=4),
        Feature("loan_amount", "numeric", "lognormal", decimals=0, moves_with=("income",)),
        Feature(
            "employment_years", "numeric", "3 % missing", missing=0.03, decimals=1,
            moves_with=("age",),
        ),
        Feature("savings", "numeric", "heavy right tail, 8 % missing", missing=0.08),
        Feature("credit_lines", "integer", "Poisson, mean 4"),
        Feature("late_payments", "integer", "Poisson, mean 0.4"),
        COUNTRY,
        DEVICE,
        EMPLOYMENT,
        Feature("has_mortgage", "boolean", "34 % true"),
        Feature("returning", "boolean", "55 % true, 1 % missing", missing=0.01),
    )  # fmt: skip

    def draw(
        self,
        ts: npt.NDArray[np.int64],
        rng: np.random.Generator,
        held: dict[str, float],  # noqa: ARG002
    ) -> Columns:
        """Draw applicants; rows are independent of each other."""
        n = ts.size
        life, money = rng.standard_normal((2, n))
        age = np.clip(np.rint(41 + 12 * life), 18, 90)
        worked = np.clip(0.55 * (age - 20) + 4 * rng.standard_normal(n), 0, None)
        income = np.exp(10.45 + 0.45 * money)
        columns: Columns = {
            "age": age,
            "income": income,
            "debt_to_income": rng.gamma(4.0, 0.07, n),
            "loan_amount": np.exp(9.3 + 0.35 * money + 0.4 * rng.standard_normal(n)),
            "employment_years": worked,
            "savings": np.exp(8.0 + 1.1 * rng.standard_normal(n)),
            "credit_lines": rng.poisson(4.0, n).astype(np.float64),
            "late_payments": rng.poisson(0.4, n).astype(np.float64),
            "country": COUNTRY.draw_codes(rng, n),
            "device": DEVICE.draw_codes(rng, n),
            "employment": EMPLOYMENT.draw_codes(rng, n),
            "has_mortgage": (rng.random(n) < 0.34).astype(np.int64),
            "returning": (rng.random(n) < 0.55).astype(np.int64),
        }
        return {f.name: f.lose(rng, columns[f.name]) for f in self.features}

    def score(self, columns: Columns) -> npt.NDArray[np.float64]:
        """Logistic rule over standardised features."""
        z = (
            -1.2
            - 0.45 * self.standard(columns, "age")
            - 0.50 * self.standard(columns, "income")
            + 0.60 * self.standard(columns, "debt_to_income")
            + 0.35 * self.standard(columns, "loan_amount")
            - 0.20 * self.standard(columns, "savings")
            + 0.55 * self.standard(columns, "late_payments")
            + COUNTRY_EFFECT[columns["country"]]
            + EMPLOYMENT_EFFECT[columns["employment"]]
            - 0.2 * (columns["has_mortgage"] == 1)
        )
        return sigmoid(z)

    def answer(self, score: npt.NDArray[np.float64]) -> dict[str, Tokens]:
        """Class and score."""
        classes = np.array([b'"repaid"', b'"default"'], dtype=object)
        return {
            "prediction": classes[(score >= 0.5).astype(np.int64)].tolist(),
            "score": number_tokens(np.round(score, 6)),
        }

    def label(self, score: npt.NDArray[np.float64], rng: np.random.Generator) -> list[Any]:
        """Default with the probability that the score says."""
        classes = np.array(["repaid", "default"], dtype=object)
        return classes[(rng.random(score.size) < score).astype(np.int64)].tolist()

    def act(self, score: npt.NDArray[np.float64]) -> list[str]:
        """Reject the risky ones."""
        return np.where(score >= self.act_when, "reject", "accept").tolist()

    def best(self, labels: Sequence[Any]) -> list[str]:
        """Reject those that will not pay."""
        return ["reject" if label == "default" else "accept" for label in labels]

    def worth(
        self, actions: Sequence[str], labels: Sequence[Any], rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """An accepted loan earns about 100 when repaid and costs about 800 when not."""
        accepted = np.array([action == "accept" for action in actions])
        bad = np.array([label == "default" for label in labels])
        value = np.where(bad, -800.0, 100.0) * rng.lognormal(0.0, 0.2, accepted.size)
        return np.where(accepted, np.round(value, 2), 0.0)
