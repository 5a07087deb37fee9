from __future__ import annotations

import numpy as np
import pytest

from driftline.contract import Contract
from driftline.detect import Finding, Schema, Slot, Unread
from driftline.stats import Pane, Reference

SLOT = 10_000_000


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(0)
    rare = [1.0 if keep else None for keep in rng.random(1000) < 0.02]
    return Reference.build("m", {"amount": rng.standard_normal(1000).tolist(), "rare": rare})


def slot(
    reference: Reference,
    number: int,
    rows: int = 10,
    *,
    absent: tuple[str, ...] = ("rare",),
    invalid: int = 0,
    extra: dict[str, int] | None = None,
) -> Slot:
    pane = Pane.empty(reference, 0)
    for i, column in enumerate(reference.columns):
        counts = pane.column_counts(i)
        gone = rows if column.name in absent else invalid * (column.name == "amount")
        counts[-1] = gone
        counts[0] = rows - gone
    pane.invalid[reference.index["amount"]] = invalid
    pane.extra = dict(extra or {})
    pane.events = {"prediction": rows} if rows else {}
    pane.featured = rows
    return Slot(number * SLOT, (number + 1) * SLOT, number, pane, reference, Contract(model="m"))


def told(findings: list[Finding]) -> list[tuple[str, str | None, str]]:
    return [(f.state, f.feature, f.evidence["aspect"]) for f in findings]


def test_a_vanished_feature_after_twenty_rows_and_back_again(reference: Reference) -> None:
    schema = Schema(reference)
    both = ("amount", "rare")
    assert schema.step(slot(reference, 0)) == []
    assert schema.step(slot(reference, 1, absent=both)) == []
    found = schema.step(slot(reference, 2, absent=both))
    assert told(found) == [("raised", "amount", "vanished")]
    assert found[0].change_point == SLOT
    assert found[0].severity == "page"
    assert schema.step(slot(reference, 3, absent=both)) == []
    assert told(schema.step(slot(reference, 4))) == [("cleared", "amount", "vanished")]


def test_a_feature_that_is_mostly_missing_needs_longer(reference: Reference) -> None:
    schema = Schema(reference)
    found = [f for n in range(80) for f in schema.step(slot(reference, n))]
    assert found == []
    found = [f for n in range(80, 140) for f in schema.step(slot(reference, n))]
    assert told(found) == [("raised", "rare", "vanished")]


def test_a_new_feature_is_a_notice_once(reference: Reference) -> None:
    schema = Schema(reference)
    found = [f for n in range(5) for f in schema.step(slot(reference, n, extra={"new": 10}))]
    assert told(found) == [("raised", "new", "appeared")]
    assert found[0].severity == "notice"
    found = [f for n in range(5, 60) for f in schema.step(slot(reference, n))]
    assert told(found) == [("cleared", "new", "appeared")]


def test_invented_names_are_bounded(reference: Reference) -> None:
    schema = Schema(reference)
    for number in range(30):
        schema.step(slot(reference, number, extra={f"n{number}_{k}": 1 for k in range(50)}))
    assert len(schema.snapshot()["appeared"]) <= 200


def test_a_changed_type_pages_and_is_not_called_vanished(reference: Reference) -> None:
    schema = Schema(reference)
    found = [f for n in range(6) for f in schema.step(slot(reference, n, invalid=10))]
    assert told(found) == [("raised", "amount", "type")]
    assert found[0].change_point == 0
    found = [f for n in range(6, 300) for f in schema.step(slot(reference, n, absent=()))]
    assert told(found) == [("cleared", "amount", "type")]


def unread(watch: Unread, dead: int, rows: int, slots: int) -> list[Finding]:
    pane = Pane.empty(None, 0)
    pane.events, pane.dead = ({"prediction": rows} if rows else {}), dead
    return [f for n in range(slots) for f in watch.on_slot(n * SLOT, (n + 1) * SLOT, pane)]


def test_dead_letters_up_to_the_share_are_borne() -> None:
    watch = Unread(Contract(model="m"))
    assert unread(watch, 1, 100, 200) == []
    assert told(unread(watch, 20, 100, 30)) == [("raised", None, "unread")]
    resumed = Unread(Contract(model="m"))
    resumed.restore(watch.snapshot())
    for following in (watch, resumed):
        assert told(unread(following, 0, 100, 170)) == [("cleared", None, "unread")]


def test_a_flood_of_nothing_but_dead_letters_is_told() -> None:
    assert told(unread(Unread(Contract(model="m")), 50, 0, 1)) == [("raised", None, "unread")]


def test_dead_letters_of_no_model_count_by_number() -> None:
    watch = Unread(Contract(model="topic:predictions"))
    assert unread(watch, 5, 0, 50) == []
    assert told(unread(watch, 20, 0, 3)) == [("raised", None, "unread")]
