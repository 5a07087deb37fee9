from __future__ import annotations

import datetime as dt

from driftline.contract import Book, Contract, Gap, gaps, parse

TODAY = dt.date(2026, 11, 23)


def codes(text: str) -> list[str]:
    return [gap.code for gap in gaps(parse(text, "x.yaml"), TODAY)]


def test_a_bare_contract_leaves_everything_open() -> None:
    assert codes("model: m") == [
        "no_owner",
        "no_contact",
        "no_runbook",
        "no_fallback",
        "no_retrain_policy",
        "no_decision_policy",
        "no_review_date",
        "no_deprecation_date",
    ]


def test_what_is_settled_is_no_gap() -> None:
    settled = (
        "{model: m, owner: {team: t, contact: c}, runbook: r, fallback: {to: f}, "
        "retrain: {}, decision: {action: a}, review_by: 2026-11-23, deprecate_after: 2026-11-23}"
    )
    assert codes(settled) == []


def test_dates_are_overdue_from_the_day_after() -> None:
    late = parse("{model: m, review_by: 2026-11-22, deprecate_after: 2020-01-01}", "x.yaml")
    found = {gap.code: gap for gap in gaps(late, TODAY)}
    assert found["review_overdue"] == Gap(
        "review_overdue", "$.review_by", "the review was due by 2026-11-22"
    )
    assert found["deprecation_overdue"].path == "$.deprecate_after"
    assert "no_review_date" not in found
    assert "no_deprecation_date" not in found


def test_half_an_owner_and_an_empty_decision_are_gaps() -> None:
    found = codes("{model: m, owner: {team: t}, decision: {within: 2h}}")
    assert "no_owner" not in found
    assert "no_contact" in found
    assert "no_decision_policy" in found


def test_a_model_without_a_contract_has_one_gap() -> None:
    (gap,) = gaps(Book().of("m"), TODAY)
    assert (gap.code, gap.path) == ("no_contract", "$")
    assert len(gaps(Contract(model="m", runbook="r"), TODAY)) == 7


def test_codes_do_not_repeat() -> None:
    found = codes("model: m")
    assert len(found) == len(set(found))
