"""What was done about predictions, as whole numbers; and what a contract asks to be done."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from driftline.contract import DAY, HOUR, MINUTE, SECOND, Contract, parse
from driftline.ledger.actrows import ActRows
from driftline.ledger.acts import ACTOR, BANDS, MADE, NOBODY, REST, Acts, at_once
from driftline.ledger.advice import LEAVE, Advice, decision_span, judging_span
from driftline.ledger.pace import BINS, FLOOR, Automatic, pace_codes, pace_median


def contract(decision: str, more: str = "") -> Contract:
    return parse(f"{{model: m, slot: 10s, decision: {decision}{more}}}", "m.yaml")


BASELINE = "baseline: {arm: control, share: 5%}"
LOANS = Advice.of(
    contract(
        f'{{act_when: "score >= 0.6", action: reject, within: 2h, {BASELINE}}}',
        ", quality: {metric: auc, at_least: 0.7, positive: default}",
    )
)


def made(score: float = 0.7, *, arm: str | None = None, sign: int = 1) -> dict[str, Any]:
    return {
        "score": score,
        "due": bool(LOANS.due([None], np.array([score]), [arm])[0]),
        "held": arm == LOANS.baseline,
        "sign": sign,
        "decided": False,
        "recommended": None,
        "arm": arm,
        "action": None,
        "actor": None,
        "latency": 0,
        "late": False,
        "label": None,
    }


def decided(
    recommended: str | None, action: str, actor: str | None = "ann", **more: Any
) -> dict[str, Any]:
    told = {
        "decided": True,
        "recommended": recommended,
        "action": action,
        "actor": actor,
        "latency": 60 * SECOND,
    }
    return made(more.pop("score", 0.7)) | told | more


def rows(*each: dict[str, Any]) -> ActRows:
    types = {"score": np.float64, "latency": np.int64, "sign": np.int8}
    types |= dict.fromkeys(("due", "held", "decided", "late"), np.bool_)
    return ActRows(
        **{
            name: np.array([row[name] for row in each], dtype=types[name])
            if name in types
            else [row[name] for row in each]
            for name in ActRows.__slots__
        }
    )


def acts(*each: dict[str, Any], advice: Advice = LOANS) -> Acts:
    return Acts.of(rows(*each), advice)


def counts(found: Acts) -> dict[str, int]:
    return {name: total for name in MADE if (total := found.total(name))}


def test_predictions_and_decisions_are_counted_by_band_and_direction() -> None:
    found = acts(
        made(0.65),
        made(0.3),
        made(0.95, arm="control"),
        made(float("nan")),
        decided("reject", "reject", score=0.65),
        decided("reject", "accept", score=0.7, late=True),
        decided(LEAVE, "accept", "bob", score=0.3, due=False),
        decided(LEAVE, "reject", None, score=0.3, due=False),
        decided(None, "accept", score=1.0),
        decided("reject", "accept", score=0.0, arm="control"),
    )
    assert counts(found) == {
        "made": 4,
        "held": 1,
        "due": 2,
        "decided": 6,
        "due_decided": 3,
        "due_late": 1,
        "late": 1,
        "followed": 2,
        "overridden": 2,
    }
    bands = {name: found.bands[:, MADE[name]].nonzero()[0].tolist() for name in ("made", "decided")}
    assert bands == {"made": [3, 6, 9, BANDS - 1], "decided": [0, 3, 6, 7, 9]}
    assert {direction: int(row[0]) for direction, row in found.directions.items()} == {
        ("reject", "reject", True): 1,
        ("reject", "accept", False): 1,
        (LEAVE, "accept", True): 1,
        (LEAVE, "reject", False): 1,
    }
    assert {name: row[: len(ACTOR)].tolist() for name, row in found.actors.items()} == {
        "ann": [4, 1, 1, 1],
        "bob": [1, 0, 1, 0],
        NOBODY: [1, 0, 0, 1],
    }


def test_labels_say_who_was_right_only_where_one_of_the_two_acts() -> None:
    found = acts(
        decided("reject", "accept", label="repaid"),
        decided("reject", "accept", label="default"),
        decided(LEAVE, "reject", label="default"),
        decided("reject", "reject", label="default"),
        decided("accept", "review", label="default"),
        decided("reject", "accept"),
    )
    told = {direction[:2]: row.tolist() for direction, row in found.directions.items()}
    assert told == {
        ("reject", "accept"): [3, 1, 1],
        (LEAVE, "reject"): [1, 1, 0],
        ("reject", "reject"): [1, 0, 0],
        ("accept", "review"): [1, 0, 0],
    }
    nobody_says = Advice.of(contract("{action: reject}"))
    sides = [decided("reject", "accept", label=label) for label in ("0", "1", "repaid")]
    (row,) = acts(*sides, advice=nobody_says).directions.values()
    assert row.tolist() == [3, 1, 1]


def test_what_is_taken_back_leaves_nothing_but_its_names() -> None:
    whole = [made(), decided("reject", "accept", label="default"), decided("reject", "reject")]
    found = acts(*whole)
    assert found
    found.merge(acts(*(row | {"sign": -1} for row in whole)))
    assert not found
    assert not Acts.empty()
    assert set(found.actors) == {"ann"}
    assert acts(*whole, *(row | {"sign": -1} for row in whole)).to_values() == found.to_values()


def test_a_merged_count_shares_nothing_with_its_parts() -> None:
    first, second = acts(decided("reject", "accept")), acts(decided("reject", "accept"))
    before = second.to_values()
    whole = Acts.empty()
    for part in (second, first, first):
        whole.merge(part)
    assert second.to_values() == before
    assert whole.total("decided") == 3


def test_counts_come_back_as_they_were_written() -> None:
    found = acts(made(), made(0.1), decided("reject", "accept", label="repaid"), decided(None, "x"))
    values = msgspec.json.decode(msgspec.json.encode(found.to_values()))
    again = Acts.from_values(values)
    assert again.to_values() == values
    again.merge(found)
    assert again.total("made") == 4


def test_long_and_many_names_are_bounded() -> None:
    many = [decided("reject", f"do {k}", f"actor {k}" + "x" * 300) for k in range(200)]
    found = acts(*many)
    assert len(found.actors) == 65
    assert found.actors[REST][ACTOR["overridden"]] == 200 - 64
    assert max(map(len, found.actors)) == 200
    assert sum(int(row[0]) for row in found.directions.values()) == 200
    assert len({name for d in found.directions for name in d[:2]}) <= 33


def test_latencies_have_bins_a_fifth_wide() -> None:
    took = np.array([-5, 0, 900, FLOOR - 1, FLOOR, 1200 * SECOND, 4000 * DAY], dtype=np.int64)
    codes = pace_codes(took)
    assert codes.tolist()[:3] == [0, 0, 0]
    assert codes.max() == BINS - 1
    found = acts(*(decided("reject", "reject", latency=int(each)) for each in took))
    assert at_once(found.actors["ann"]) == 4
    rng = np.random.default_rng(1)
    seconds = np.exp(rng.normal(np.log(1200), 0.8, 5000))
    counted = np.bincount(pace_codes((seconds * SECOND).astype(np.int64)), minlength=BINS)
    assert pace_median(counted) == pytest.approx(float(np.median(seconds)), rel=0.1)
    assert pace_median(np.zeros(BINS, dtype=np.int64)) is None


def test_a_machine_decides_at_once_from_its_start() -> None:
    def took(seconds: float, times: int) -> Any:
        return np.bincount(pace_codes(np.full(times, int(seconds * SECOND))), minlength=BINS)

    automatic = Automatic()
    automatic.meet({"bot": took(0.2, 6), "ann": took(600, 50), "new": took(1, 3)})
    automatic.meet({"bot": took(0.2, 6), "ann": took(1, 50)})
    assert automatic.names == ["bot"]
    assert "ann" not in automatic
    again = Automatic()
    again.restore(msgspec.json.decode(msgspec.json.encode(automatic.snapshot())))
    again.meet({"new": took(1, 7)})
    assert again.names == ["bot", "new"]
    assert automatic.names == ["bot"]


@pytest.mark.parametrize(
    ("act_when", "met"),
    [
        ("score >= 0.6", [True, True, False, True, True]),
        ("score > 0.6", [False, True, False, True, True]),
        ("prediction < 0.5", [False, False, True, True, True]),
        ('prediction == "default"', [True, True, True, True, False]),
        ("country == 'DE'", [True] * 5),
    ],
)
def test_what_asks_for_a_decision(act_when: str, met: list[bool]) -> None:
    advice = Advice.of(contract(f"{{act_when: {act_when!r}, action: reject}}"))
    prediction = [0.6, 0.7, 0.2, None, "repaid"]
    if "prediction ==" in act_when:
        prediction = ["default", "default", "default", None, "repaid"]
    score = np.full(5, np.nan)
    assert advice.due(prediction, score).tolist() == met
    assert advice.told == ("country" not in act_when)
    said = advice.recommended(prediction, score)
    assert set(said) <= {None, LEAVE, "reject"}
    assert [name != LEAVE for name in said] == met
    assert said[3] is None


def test_nobody_is_asked_to_decide_on_what_is_held_back() -> None:
    score = np.array([0.7, 0.7, 0.7, 0.2])
    assert LOANS.due([None] * 4, score, ["model", "control", None, None]).tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_windows_are_those_of_quality_or_a_day_and_few_of_them_wait() -> None:
    assert decision_span(contract("{within: 2h}")) == DAY
    assert decision_span(contract("{within: 180d}")) == 3 * DAY
    quality = ", quality: {metric: auc, at_least: 0.7, window: 10m, label_horizon: 1h}"
    assert decision_span(contract("{within: 2h}", quality)) == 10 * MINUTE
    assert decision_span(contract("{within: 1d}", quality)) == 30 * MINUTE
    assert decision_span(contract("{within: 1d}", quality)) * 60 >= 24 * HOUR


def test_what_is_judged_is_a_day_at_least_in_whole_windows() -> None:
    quality = ", quality: {metric: auc, at_least: 0.7, window: 10m, label_horizon: 1h}"
    assert judging_span(contract("{within: 2h}", quality)) == DAY
    assert judging_span(contract("{within: 2h}", quality.replace("10m", "7h"))) == 28 * HOUR
    assert judging_span(contract("{within: 2h}", quality.replace("10m", "2d"))) == 2 * DAY
    assert judging_span(contract("{within: 180d}")) == 3 * DAY
