from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from driftline.bus.config_file import load as load_config
from driftline.cli import main
from driftline.cli._demo_score import Score
from driftline.cli._demo_story import MODELS, Story, encore, story, write_config, write_contracts
from driftline.contract import gaps, load
from driftline.contract.quantities import format_instant
from driftline.contract.types import DAY, MINUTE, SECOND

if TYPE_CHECKING:
    from pathlib import Path

BEGUN = story().start
INCIDENTS = iter(range(1_000))


def alert(model: str, feature: str | None, minutes: float, **changes: Any) -> dict[str, Any]:
    return {
        "model": model,
        "feature": feature,
        "kind": "drift",
        "state": "opened",
        "severity": "page",
        "detected_at": format_instant(BEGUN + round(minutes * MINUTE)),
        "incident": str(next(INCIDENTS)),
        "text": "",
        **changes,
    }


def expecting(part: Story | None = None) -> Score:
    score = Score()
    score.expect(part or story())
    return score


def all_right() -> list[dict[str, Any]]:
    return [
        alert("credit-risk", "age", 18.25),
        alert("demand-forecast", "stock", 21.25, kind="missing"),
        alert("credit-risk", "income", 30.25),
        alert("demand-forecast", "store", 33.25),
    ]


def test_each_fault_found_by_its_name_is_good() -> None:
    score = expecting()
    for data in all_right():
        assert not score.good
        outcome = score.take(data)
        assert outcome is not None
        assert outcome.alert is data
        assert outcome.right
        assert outcome.delay == 15 * SECOND
    assert score.good


def test_whatever_else_of_the_incident_changes_belongs_to_the_fault() -> None:
    score = expecting()
    first = alert("credit-risk", "age", 18.25)
    outcome = score.take(first)
    assert score.take({**first, "feature": "score", "state": "updated"}) is outcome
    assert score.take({**first, "state": "resolved"}) is outcome
    assert score.take(alert("credit-risk", "score", 20)) is outcome
    assert outcome is not None
    assert outcome.alert is first


@pytest.mark.parametrize(
    ("stray", "early"),
    [
        (alert("credit-risk", "age", 12), True),
        (alert("demand-forecast", "stock", 17, kind="missing"), True),
        (alert("demand-forecast", "price", 20), False),
        (alert("credit-risk", "age", 29), False),
    ],
)
def test_an_alert_without_a_fault_is_not_good(stray: dict[str, Any], early: bool) -> None:
    score = expecting()
    assert score.take(stray) is None
    for data in all_right():
        score.take(data)
    assert all(outcome.right for outcome in score.outcomes)
    assert (len(score.early), len(score.stray)) == ((1, 0) if early else (0, 1))
    assert not score.good


def test_a_wrong_feature_or_kind_is_not_right() -> None:
    score = expecting()
    outcome = score.take(alert("credit-risk", "savings", 18.25))
    assert outcome is not None
    assert not outcome.right
    other = score.take(alert("demand-forecast", "stock", 21.25, kind="volume"))
    assert other is not None
    assert not other.right
    assert other.as_json()["right_feature"] is False


def test_a_story_counts_the_events_of_its_faults() -> None:
    part = story()
    fault = part.faults[0]
    first, last = part.start + fault.start, part.start + fault.start + MINUTE
    by_hand = 0
    for block in part.blocks(999):
        names = (b'"model":"%b"' % fault.model.encode() in value for value in block.values)
        pairs = zip(block.ts.tolist(), names, strict=True)
        by_hand += sum(is_it and first <= ts < last for ts, is_it in pairs)
        if block.ts[0] >= last:
            break
    assert part.count(fault.model, first, last) == by_hand > 1_000


def test_parts_follow_each_other_without_a_gap() -> None:
    part = story()
    after = encore(part)
    assert after.start == part.end
    assert after.seed != part.seed
    assert encore(after).start == after.end
    assert after.seen == {}


def test_the_contracts_are_sound(tmp_path: Path) -> None:
    book = load([str(path) for path in write_contracts(tmp_path, BEGUN)])
    assert sorted(book.models) == sorted(MODELS)
    codes = {}
    for model in MODELS:
        contract = book.of(model)
        today = dt.date(1970, 1, 1) + dt.timedelta(days=BEGUN // DAY)
        codes[model] = [gap.code for gap in gaps(contract, today)]
    assert codes == {"credit-risk": [], "demand-forecast": ["no_decision_policy"]}


def test_the_configuration_can_be_read(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, "127.0.0.1:9092", "demo.", 8090))
    assert config.sources[0].topic == "demo.predictions"
    assert config.contracts == tuple(str(tmp_path / f"{model}.yaml") for model in MODELS)


def test_json_needs_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json"]) == 2
    assert "--once" in capsys.readouterr().err
