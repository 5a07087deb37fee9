from __future__ import annotations

import pytest
from tests.unit._planted import assert_rate, by_id, read


def test_the_holdout_has_its_share_and_logs_it() -> None:
    found = read("holdout:credit-risk:20%@2d", "holdout:credit-risk:60%@2d in country=DE")
    did = by_id(found["decision"])
    rows: dict[float, list[bool]] = {0.05: [], 0.2: [], 0.6: []}
    for made in found["prediction"]:
        here = 0.6 if made["features"]["country"] == "DE" else 0.2
        share = here if made["at"] >= 48 else 0.05
        held = made["arm"] == "holdout"
        assert made["propensity"] == pytest.approx(share if held else 1 - share)
        act = did[made["prediction_id"]]
        assert (act["arm"], act["propensity"]) == (made["arm"], made["propensity"])
        rows[share].append(held)
    for share, held in rows.items():
        assert_rate(sum(held), len(held), share)


def test_without_a_planted_holdout_predictions_name_no_arm() -> None:
    found = read()
    assert not any("arm" in e or "propensity" in e for e in found["prediction"])
    held = sum(e["arm"] == "holdout" for e in found["decision"])
    assert_rate(held, len(found["decision"]), 0.05)


def test_nobody_is_held_out_where_none_should_be() -> None:
    decisions = read("holdout:credit-risk:0%@0s")["decision"]
    assert {(e["arm"], e["propensity"]) for e in decisions} == {("model", 1.0)}


@pytest.mark.parametrize("points", [10, 0, -15])
def test_the_models_arm_brings_so_much_more(points: int) -> None:
    found = read(f"uplift:credit-risk:{points:+}pp:40%@2d", "holdout:credit-risk:50%@0s")
    arm = {e["prediction_id"]: e["arm"] for e in found["prediction"] if e["at"] >= 48}
    for name, rate in (("holdout", 0.4), ("model", 0.4 + points / 100)):
        won = [e for e in found["outcome"] if arm.get(e["prediction_id"]) == name]
        assert {e["kind"] for e in won} == {"success"}
        assert {e["value"] for e in won} == {0.0, 1.0}
        assert_rate(int(sum(e["value"] for e in won)), len(won), rate)
    before = [e for e in found["outcome"] if e["prediction_id"] not in arm]
    assert {e["kind"] for e in before} == {"margin"}
    plain = {e["prediction_id"]: e for e in read("holdout:credit-risk:50%@0s")["outcome"]}
    assert before == [plain[e["prediction_id"]] for e in before]
