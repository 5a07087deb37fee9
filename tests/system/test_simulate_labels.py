from __future__ import annotations

from collections import Counter
from math import exp, log
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from tests.unit._planted import assert_rate, by_id, read


def delays(*faults: str, model: str = "credit-risk") -> tuple[list[float], list[float]]:
    """Return hours from prediction to first label, of predictions before and after two days."""
    found = read(*faults, model=model)
    made = {each["prediction_id"]: each["at"] for each in found["prediction"]}
    took = [(made[k], e["at"] - made[k]) for k, e in by_id(found["label"]).items()]
    return [d for at, d in took if at < 48], [d for at, d in took if at >= 48]


# Share of delays below half of the mean, and below the mean, by law.
LAWS = {
    "shifted": (0.0, 1 - exp(-1)),
    "exponential": (1 - exp(-0.5), 1 - exp(-1)),
    "lognormal": (norm.cdf(0.5 - log(2)), norm.cdf(0.5)),
    "uniform": (0.25, 0.5),
}


@pytest.mark.parametrize("law", LAWS)
def test_labels_take_as_long_as_the_law_says(law: str) -> None:
    before, after = delays(f"label_delay:credit-risk:4h:{law}@2d")
    assert before == delays()[0]
    for limit, share in zip((2, 4), LAWS[law], strict=True):
        assert_rate(sum(d <= limit for d in after), len(after), share)


def test_a_fixed_delay_is_fixed() -> None:
    _, after = delays("label_delay:credit-risk:4h:fixed@2d")
    assert after == pytest.approx([4.0] * len(after))


def test_labels_of_one_class_take_longer() -> None:
    plain, biased = (by_id(read(*f)["label"]) for f in ((), ("label_bias:credit-risk:x8@2d",)))
    made = by_id(read()["prediction"])
    slow = Counter()
    for name, label in plain.items():
        at, other = made[name]["at"], biased[name]
        late = label["label"] == "default" and at >= 48
        slow[late] += 1
        assert other["label"] == label["label"]
        longer = (label["at"] - at) * (8 if late else 1)
        assert other["at"] - at == pytest.approx(longer, abs=1e-8)
    assert slow[True] > 500


def test_so_many_labels_never_come() -> None:
    found = read("label_loss:credit-risk:30%@2d in country=DE")
    labelled = by_id(found["label"])
    here = [e for e in found["prediction"] if e["features"]["country"] == "DE" and e["at"] >= 48]
    lost = [e for e in found["prediction"] if e["prediction_id"] not in labelled]
    assert_rate(len(lost), len(here), 0.3)
    assert {e["prediction_id"] for e in lost} <= {e["prediction_id"] for e in here}


@pytest.mark.parametrize("model", ["credit-risk", "demand-forecast"])
def test_labels_lose_their_features_and_nothing_else_changes(model: str) -> None:
    plain, drifted = read(model=model), read(f"concept:{model}:100%@2d", model=model)
    assert drifted["prediction"] == plain["prediction"]
    before, after = by_id(plain["label"]), by_id(drifted["label"])
    made = by_id(plain["prediction"])
    assert {k: e["at"] for k, e in before.items()} == {k: e["at"] for k, e in after.items()}
    late = {k for k, e in made.items() if e["at"] >= 48}
    assert all(after[k] == before[k] for k in made.keys() - late)

    def explained(labels: dict[str, dict[str, Any]]) -> float:
        if model == "credit-risk":
            pairs = [(made[k]["score"], labels[k]["label"] == "default") for k in late]
        else:
            pairs = [(made[k]["prediction"], labels[k]["label"]) for k in late]
        return float(np.corrcoef(np.array(pairs, dtype=np.float64).T)[0, 1])

    # Of somebody else's labels, a correlation of 0: its standard error is 1/sqrt(n).
    assert explained(before) > 0.3
    assert abs(explained(after)) < 4 / len(late) ** 0.5


@pytest.mark.parametrize("model", ["credit-risk", "demand-forecast"])
def test_so_many_labels_come_wrong_and_are_corrected(model: str) -> None:
    true = {k: e["label"] for k, e in by_id(read(model=model)["label"]).items()}
    found = read(f"label_error:{model}:10%@2d", model=model)
    made = by_id(found["prediction"])
    first, last = by_id(found["label"]), by_id(found["label"][::-1])
    wrong = {k for k, e in first.items() if e["label"] != true[k]}
    late = [k for k, e in made.items() if e["at"] >= 48]
    assert wrong <= set(late)
    assert_rate(len(wrong), len(late), 0.1)
    assert {k: e["label"] for k, e in last.items()} == true
    assert all(e["at"] == first[k]["at"] for k, e in last.items() if k not in wrong)
    # As long again as a label takes: half an hour at least, and an hour in the mean.
    took = [last[k]["at"] - first[k]["at"] for k in wrong]
    assert min(took) >= 0.5
    assert_rate(sum(t <= 1 for t in took), len(took), 1 - exp(-1))
