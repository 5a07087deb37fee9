from __future__ import annotations

from collections import Counter
from math import log
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import norm
from tests.unit._planted import assert_rate, by_id, read

from driftline.simulate.aftermath import REASONS
from driftline.simulate.people import PATIENT, STRICT, USUAL

if TYPE_CHECKING:
    from tests.unit._planted import Event

PEOPLE = "people:credit-risk:10@0s"
SIGMA = USUAL["sd_of_log"]


def decided(*faults: str) -> list[Event]:
    """Return the predictions that people were to decide after two days, with what they did.

    ``did`` is the decision, None where there is none; ``hours`` how long it took; ``over`` whether
    it is another than was recommended; ``wrong`` whether the label says that the model was wrong.
    """
    found = read(PEOPLE, *faults)
    did, label = by_id(found["decision"]), by_id(found["label"])
    rows = []
    for made in found["prediction"]:
        name, act = made["prediction_id"], did.get(made["prediction_id"])
        if made["at"] < 48 or (act is not None and act["arm"] == "holdout"):
            continue
        said = "reject" if made["score"] >= 0.6 else "accept"
        best = "reject" if label[name]["label"] == "default" else "accept"
        row = {"made": made["at"], "did": act, "wrong": said != best}
        if act is not None:
            assert act["recommended"] == said
            row |= {"hours": act["at"] - made["at"], "over": act["action"] != said}
        rows.append(row)
    return rows


def taken(*faults: str) -> list[Event]:
    return [row for row in decided(*faults) if row["did"] is not None]


def test_people_follow_and_override_and_take_their_time() -> None:
    rows = taken()
    assert_rate(sum(r["over"] for r in rows), len(rows), USUAL["override"])
    assert_rate(sum(r["hours"] <= USUAL["median_s"] / 3600 for r in rows), len(rows), 0.5)
    slow = 1 - norm.cdf(log(2 * 3600 / USUAL["median_s"]) / SIGMA)
    assert_rate(sum(r["hours"] > 2 for r in rows), len(rows), slow)
    assert all((r["did"].get("reason") in REASONS[1:]) == r["over"] for r in rows)


def test_people_differ_by_a_known_factor() -> None:
    rows = taken("override:credit-risk:40%@0s")
    actors = Counter(r["did"]["actor"] for r in rows)
    assert set(actors) == {f"person-{k + 1}" for k in range(10)}
    for at, zeal in enumerate(np.linspace(PATIENT, STRICT, 10).tolist()):
        own = [r for r in rows if r["did"]["actor"] == f"person-{at + 1}"]
        assert_rate(len(own), len(rows), 0.1)
        assert_rate(sum(r["over"] for r in own), len(own), 0.4 * zeal)


def test_so_many_are_left_undecided() -> None:
    assert_rate(sum(r["did"] is None for r in decided()), len(decided()), USUAL["ignored"])
    rows = decided("ignore:credit-risk:50%@2d")
    # Those of the holdout are ignored, too, and cannot be told from the others then.
    found = read(PEOPLE, "ignore:credit-risk:50%@2d")
    late = [e for e in found["prediction"] if e["at"] >= 48]
    assert_rate(sum(r["did"] is None for r in rows), len(late), 0.5)
    outcomes = by_id(found["outcome"])
    assert outcomes.keys() == by_id(found["decision"]).keys()


def test_overrides_come_at_the_planted_rate() -> None:
    rows = taken("override:credit-risk:24%@2d")
    assert_rate(sum(r["over"] for r in rows), len(rows), 0.24)
    changed = read(PEOPLE, "override:credit-risk:24%@2d")["decision"]
    before, plain = (
        [e for e in each if e["at"] < 48] for each in (changed, read(PEOPLE)["decision"])
    )
    assert before == plain


@pytest.mark.parametrize(("which", "rates"), [("right", (0.4, 0.0)), ("wrong", (0.0, 0.4))])
def test_overrides_are_right_or_wrong(which: str, rates: tuple[float, float]) -> None:
    rows = taken(f"override:credit-risk:40%:{which}@2d")
    for wrong, rate in zip((True, False), rates, strict=True):
        of = [r for r in rows if r["wrong"] == wrong]
        assert_rate(sum(r["over"] for r in of), len(of), rate)


def test_late_decisions_take_so_many_times_as_long() -> None:
    plain, late = taken(), taken("late:credit-risk:x4@2d")
    assert [r["hours"] for r in late] == pytest.approx([4 * r["hours"] for r in plain], abs=1e-8)


def test_whoever_stamps_decides_at_once_and_never_objects() -> None:
    rows = taken("rubber_stamp:credit-risk:3s@2d")
    assert not any(r["over"] for r in rows)
    for seconds in (3, 5):
        share = norm.cdf(log(seconds / 3) / SIGMA)
        assert_rate(sum(r["hours"] * 3600 <= seconds for r in rows), len(rows), share)


@pytest.mark.parametrize("of", ["overrides", "time", "both"])
def test_whoever_tires_loses_so_much_by_the_end_and_half_of_it_half_way(of: str) -> None:
    base = "override:credit-risk:40%@0s"
    rows = taken(base, f"tire:credit-risk:90%:{of}@2d..4d")
    for low, high, most, least in ((48, 60, 1.0, 0.775), (84, 96, 0.325, 0.1), (96, 121, 0.1, 0.1)):
        part = [r for r in rows if low <= r["made"] < high]
        first, last = (0.4, 0.4) if of == "time" else (0.4 * least, 0.4 * most)
        assert_rate(sum(r["over"] for r in part), len(part), first, last)
        # Of the shares that take less than the usual median, the last are the quickest.
        quick = [norm.cdf(log(1 / left) / SIGMA) for left in (most, least)]
        first, last = (0.5, 0.5) if of == "overrides" else quick
        hasty = sum(r["hours"] * 3600 <= USUAL["median_s"] for r in part)
        assert_rate(hasty, len(part), first, last)


def test_decisions_of_a_policy_may_be_ignored_and_late_too() -> None:
    plain, slow = by_id(read()["decision"]), by_id(read("late:credit-risk:x4@0s")["decision"])
    made = by_id(read()["prediction"])
    took = [(e["at"] - made[k]["at"]) * 4 for k, e in plain.items()]
    assert [slow[k]["at"] - made[k]["at"] for k in plain] == pytest.approx(took, abs=1e-8)
    found = read("ignore:credit-risk:50%@0s")
    assert_rate(len(found["decision"]), len(found["prediction"]), 0.5)
    assert not any("reason" in e for e in found["decision"])
