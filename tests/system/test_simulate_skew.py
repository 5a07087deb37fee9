from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.unit._planted import assert_rate, by_id, read

from driftline.simulate import traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit._planted import Read

SD = traffic("credit-risk").moments["income"].sd
COUNTRIES = ["DE", "FR", "IT", "ES", "NL", "PL", "AT", "PT"]
# Feature, mistake, what is served for what training has, and whether it makes a difference.
MISTAKES: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("income", "x1000", lambda v: v * 1000),
    ("late_payments", "x0.5", lambda v: v * 0.5),
    ("age", "+5", lambda v: v + 5),
    ("income", "-0.5sd", lambda v: v - 0.5 * SD),
    ("debt_to_income", "round=0.05", lambda v: round(v / 0.05) * 0.05),
    ("savings", "lost", lambda _: None),
    ("savings", "default=0", lambda _: 0),
    ("has_mortgage", "lost", lambda _: None),
    ("returning", "default=true", lambda _: True),
    ("country", "lower", str.lower),
    ("employment", "upper", str.upper),
    ("country", "code", lambda v: str(COUNTRIES.index(v))),
    ("country", "default=XX", lambda _: "XX"),
]


def pairs(found: Read, name: str) -> list[tuple[float, Any, Any]]:
    """Return when each row was served, and the values as served and as training has them."""
    trained = by_id(found["features"])
    return [
        (e["at"], e["features"][name], trained[e["prediction_id"]]["features"][name])
        for e in found["prediction"]
    ]


def same(served: Any, trained: Any) -> bool:
    if isinstance(served, str | bool | None) or isinstance(trained, str | bool | None):
        return served == trained
    return served == pytest.approx(trained, rel=1e-6, abs=1e-9)


def test_training_recomputes_every_row_as_it_was_served_a_minute_later_or_more() -> None:
    found = read()
    trained = by_id(found["features"])
    assert {e["source"] for e in trained.values()} == {"training"}
    for made in found["prediction"]:
        row = trained[made["prediction_id"]]
        assert row["features"] == made["features"]
        assert row["at"] >= made["at"] + 1 / 60


@pytest.mark.parametrize(
    ("name", "mistake", "of"), MISTAKES, ids=[f"{name}-{mistake}" for name, mistake, _ in MISTAKES]
)
def test_a_mistake_is_made_in_its_share_of_the_rows(
    name: str, mistake: str, of: Callable[[Any], Any]
) -> None:
    found = read(f"skew:credit-risk:{name}:{mistake}:20%@2d")
    wrong = able = 0
    for at, served, trained in pairs(found, name):
        made = None if trained is None else of(trained)
        if at < 48 or trained is None or same(made, trained):
            assert served == trained
            continue
        able += 1
        if not same(served, trained):
            assert same(served, made)
            wrong += 1
    assert_rate(wrong, able, 0.2)


@pytest.mark.parametrize(("name", "value"), [("savings", 0), ("employment", "none")])
def test_a_default_may_stand_where_training_has_nothing(name: str, value: Any) -> None:
    rows = pairs(read(f"skew:credit-risk:{name}:null={value}:70%@0s"), name)
    gone = [served for _, served, trained in rows if trained is None]
    if len(gone) > 200:
        assert_rate(sum(v is not None for v in gone), len(gone), 0.7)
    assert {v for v in gone if v is not None} == {value}
    assert all(served == trained for _, served, trained in rows if trained is not None)


@pytest.mark.parametrize("name", ["last_hour", "store", "temperature"])
def test_stale_is_what_the_entity_had_before(name: str) -> None:
    found = read(f"skew:demand-forecast:{name}:stale:20%@0s", model="demand-forecast")
    trained, last = by_id(found["features"]), {}
    wrong = able = 0
    for made in found["prediction"]:
        served = made["features"][name]
        true = trained[made["prediction_id"]]["features"][name]
        before, last[made["entity_id"]] = last.get(made["entity_id"]), true
        if before in (None, true):
            assert served == true
            continue
        able += 1
        wrong += served != true
        assert served in (true, before)
    assert_rate(wrong, able, 0.2)


def test_swapped_columns_hold_each_other() -> None:
    found = read("skew:credit-risk:income:swap=loan_amount:20%@0s")
    rows = zip(pairs(found, "income"), pairs(found, "loan_amount"), strict=True)
    wrong = total = 0
    for (_, one, income), (_, other, loan) in rows:
        assert (one, other) in ((income, loan), (loan, income))
        wrong += one != income
        total += 1
    assert_rate(wrong, total, 0.2)


def test_a_skew_may_keep_to_some_rows_and_changes_no_other() -> None:
    plain = read()
    found = read("skew:credit-risk:income:x1000:50%@2d..4d in country=DE")
    wrong = here = 0
    for clean, hurt in zip(plain["prediction"], found["prediction"], strict=True):
        inside = 48 <= hurt["at"] < 96 and hurt["features"]["country"] == "DE"
        here += inside
        if clean == hurt:
            continue
        assert inside
        wrong += 1
        assert clean["features"] | {"income": hurt["features"]["income"]} == hurt["features"]
    assert_rate(wrong, here, 0.5)
    # What was served wrongly moves the score; what came of it, and what training has, stays.
    assert found["label"] == plain["label"]
    assert found["features"] == plain["features"]
    scores = zip(plain["prediction"], found["prediction"], strict=True)
    assert sum(a["score"] != b["score"] for a, b in scores) == wrong
