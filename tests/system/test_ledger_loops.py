"""Loops as a whole: hidden ones are found, honest years are not disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import orjson
import pytest

from driftline.contract import Contract
from driftline.contract.types import DAY, HOUR, Quality
from driftline.detect.errors import StateError
from driftline.incidents import loop_message
from driftline.ledger.cell import Cell
from driftline.ledger.exposure import Exposure
from driftline.ledger.loops.spread import DOUBT
from driftline.ledger.loops.watch import PERIOD, Loops
from driftline.ledger.loops.window import LoopWindow, prediction_variance, spreads
from driftline.ledger.pairs import Pairs
from driftline.ledger.profile import ErrorProfile
from driftline.ledger.residuals import Residuals
from driftline.ledger.scorecard import Scorecard
from driftline.simulate.loop import HiddenLoop, friedman

if TYPE_CHECKING:
    from driftline.ledger.loops.suspected import LoopSuspected

SEEDS = range(20)
CALM = 600
CONTRACT = Contract(
    model="prices",
    slot=HOUR,
    quality=Quality(metric="mae", at_most=9.0, window=DAY, label_horizon=DAY),
)


def pairs(predicted: Any, label: Any) -> Pairs:
    ones = np.ones(len(label))
    return Pairs(predicted, np.nan * ones, {}, label, ones, ones.astype(np.int8))


def window(day: int, said: Any, label: Any, used: Any = None, **more: Any) -> LoopWindow:
    """A day's window; decisions are known where `used` is given."""
    if used is not None:
        more["followed"] = Residuals.of(pairs(said[used], label[used]))
        more["followed_rows"] = int(used.sum())
        more["overrode_rows"] = int((~used).sum())
    return LoopWindow(
        start=day * DAY,
        end=(day + 1) * DAY,
        card=Residuals.of(pairs(said, label)),
        prediction_variance=float(said.var(ddof=1)),
        **more,
    )


def watch(loop: HiddenLoop, *, lineage: bool) -> tuple[list[LoopSuspected], Loops]:
    """Watch a hidden loop, a window for each training."""
    loops, told = Loops(CONTRACT), []
    for day, rows in enumerate(loop.draw()):
        loops.on_retrained(day * DAY, str(rows.version))
        used = rows.used if lineage else None
        found = loops.add_window(window(day, rows.prediction, rows.label, used))
        told += [] if found is None else [found]
    return told, loops


def hidden(usage: float, seed: int, *, before: int = CALM, rows: int = 500) -> HiddenLoop:
    return HiddenLoop(usage=usage, before=before, rows=before + rows, seed=seed)


def test_without_a_loop_it_is_silent() -> None:
    # Lineage is one more way to ring: without it nothing else would.
    loud = [seed for seed in SEEDS if watch(hidden(0.0, seed, rows=1400), lineage=True)[0]]
    assert len(loud) <= 1


@pytest.mark.parametrize("usage", [0.5, 0.9])
@pytest.mark.parametrize("before", [0, CALM])
def test_with_lineage_a_loop_is_told_before_the_tenth_retraining(usage: float, before: int) -> None:
    runs = [watch(hidden(usage, seed, before=before), lineage=True)[0] for seed in SEEDS]
    assert sum(len(told) == 1 for told in runs) >= 19
    assert all("lineage" in told[0].by or "spread" in told[0].by for told in runs if told)


@pytest.mark.parametrize(("usage", "least"), [(0.5, 15), (0.9, 19)])
def test_from_spread_alone_it_is_told_after_a_calm_stretch(usage: float, least: int) -> None:
    runs = [watch(hidden(usage, seed), lineage=False)[0] for seed in SEEDS]
    assert all(told[0].by == ("spread",) for told in runs if told)
    assert sum(len(told) == 1 for told in runs) >= least


@pytest.mark.parametrize("usage", [0.5, 0.9])
def test_a_loop_is_never_an_improvement(usage: float) -> None:
    for seed in SEEDS:
        loops, suspect = Loops(CONTRACT), []
        for day, rows in enumerate(hidden(usage, seed).draw()):
            loops.add_window(window(day, rows.prediction, rows.label))
            suspect.append(loops.improvement_is_suspect())
        began = suspect.index(True)
        assert CALM // 50 < began <= CALM // 50 + 6
        assert all(suspect[began:])


class World:
    """A year of daily windows without a loop: what labels are made of, and what the model sees."""

    def __init__(self, kind: str, seed: int, *, followed: bool) -> None:
        self.kind, self.rows, self.followed = kind, 1000, followed
        self.rng = np.random.default_rng([9, seed])

    def day(self, day: int) -> LoopWindow:
        rng, n = self.rng, self.rows
        x = rng.standard_normal((n, 3))
        if self.kind == "inputs shrink":
            x *= np.interp(day, [100, 200], [1.0, 0.5])
        sd = 3.0
        if self.kind == "season in noise":
            sd *= 1 + 0.35 * np.sin(2 * np.pi * day / 365) + 0.1 * np.sin(2 * np.pi * day / 7)
        label = 50 + 4 * x[:, 0] + 2 * x[:, 1] + 3 * x[:, 2] + sd * rng.standard_normal(n)
        said = 50 + 4 * x[:, 0] + 2 * x[:, 1]
        if self.kind == "better model" and day >= 120:
            said += 3 * x[:, 2]
        if self.kind == "better for half" and day >= 120:
            # All but a little of what half of the labels are made of becomes known.
            said = np.where(rng.random(n) < 0.5, label + 0.5 * rng.standard_normal(n), said)
        # Half of the decisions follow the prediction, and no label owes them anything.
        used = rng.random(n) < 0.5 if self.followed else None
        return window(day, said, label, used)


def year(kind: str, seed: int, *, followed: bool) -> tuple[list[LoopSuspected], int]:
    """Return what was told in a year, and on how many days an improvement was suspect."""
    world, loops, told, suspect = World(kind, seed, followed=followed), Loops(CONTRACT), [], 0
    for day in range(365):
        if day % 30 == 0:
            loops.on_retrained(day * DAY)
        found = loops.add_window(world.day(day))
        told += [] if found is None else [found]
        suspect += loops.improvement_is_suspect()
    return told, suspect


KINDS = ["nothing", "better model", "better for half", "inputs shrink", "season in noise"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_year_without_a_loop_is_silent(kind: str) -> None:
    # What looks like a loop by its errors is told as an improvement only later.
    assert year(kind, 0, followed=False) == ([], DOUBT if kind == "better for half" else 0)


def test_an_improvement_is_no_loop_because_decisions_follow() -> None:
    assert year("better for half", 1, followed=True) == ([], DOUBT)


def test_drifting_inputs_are_not_judged() -> None:
    loops = Loops(CONTRACT)
    for day, rows in enumerate(hidden(0.9, 3).draw()):
        drifted = day >= CALM // 50
        assert not loops.add_window(window(day, rows.prediction, rows.label, drifted=drifted))
    assert not loops.improvement_is_suspect()


def test_it_is_told_again_after_a_period_only() -> None:
    told, _ = watch(hidden(0.9, 1, rows=3600), lineage=False)
    times = [each.at for each in told]
    assert len(times) == 3
    assert (np.diff(times) >= PERIOD).all()
    first, again = told[0], told[1]
    assert again.since == first.since == CALM // 50 * DAY
    assert again.retrains > first.retrains > 0
    assert first.version is not None
    assert int(first.version) == first.at // DAY - 1
    assert "labels lost" in first.text
    assert 'arm "holdout"' in first.advice[0]


def test_a_loop_that_ends_is_over() -> None:
    rng, loops = np.random.default_rng(5), Loops(CONTRACT)
    suspect = []
    for day in range(80):
        said = 10 * rng.standard_normal(200)
        copied = (rng.random(200) < 0.7) & (20 <= day < 50)
        label = said + np.where(copied, 0.1, 5.0) * rng.standard_normal(200)
        loops.add_window(window(day, said, label))
        suspect.append(loops.improvement_is_suspect())
    assert not any(suspect[:20])
    assert all(suspect[24:50])
    assert not any(suspect[55:])


def test_a_loop_that_closes_slowly_is_found_before_it_is_learnt() -> None:
    rng, loops = np.random.default_rng(6), Loops(CONTRACT)
    told = []
    for day in range(110):
        said = 4.4 * rng.standard_normal(1000)
        copied = rng.random(1000) < 0.25 * min(1.0, max(0, day - 30) / 50)
        noise = np.where(copied, 0.6, 3.8)
        found = loops.add_window(window(day, said, said + noise * rng.standard_normal(1000)))
        told += [] if found is None else [found]
    assert [each.by for each in told] == [("spread",)] * len(told)
    assert 30 * DAY < told[0].at < 90 * DAY


def test_recommendations_are_suspect_only_where_inputs_follow() -> None:
    rng = np.random.default_rng(7)
    for follow in (True, False):
        loops, said, told = Loops(CONTRACT), 0.0, []
        for day in range(140):
            inputs = {"clicks": follow * 0.8 * said + rng.standard_normal()}
            said = float(rng.standard_normal())
            chance = np.arange(1, 101) ** -(0.7 + 0.01 * max(0, day - 60))
            counts = rng.multinomial(1000, chance / chance.sum()).tolist()
            came = LoopWindow(
                day * DAY,
                (day + 1) * DAY,
                Residuals.empty(),
                mean_prediction=said,
                inputs=inputs,
                exposed={str(item): count for item, count in enumerate(counts)},
            )
            found = loops.add_window(came)
            told += [] if found is None else [found]
        assert loops.signals()["narrowing"]["effective_items_lost"] > 0.1
        assert {each.by for each in told} == ({("exposure",)} if follow else set())
    assert not loops.improvement_is_suspect()


def test_another_model_begins_afresh() -> None:
    _, loops = watch(hidden(0.9, 1), lineage=False)
    assert loops.by == ("spread",)
    loops.on_replaced()
    assert loops.by == ()
    assert loops.signals()["spread"]["state"] == "unknown"


def test_a_window_counts_once() -> None:
    rows = next(hidden(0.0, 0).draw())
    loops = Loops(CONTRACT)
    loops.add_window(window(3, rows.prediction, rows.label))
    before = loops.snapshot()
    for day in (3, 2):
        assert loops.add_window(window(day, rows.prediction, rows.label)) is None
    assert loops.snapshot() == before


@pytest.mark.parametrize("at", [3, 11, 14, 20])
def test_a_snapshot_goes_on_alike(at: int) -> None:
    rng = np.random.default_rng(2)
    stayed, moved = Loops(CONTRACT), Loops(CONTRACT)
    for day, rows in enumerate(hidden(0.5, 2).draw()):
        held = Residuals.of(pairs(rows.prediction[:5], rows.truth[:5]))
        came = window(
            day,
            rows.prediction,
            rows.label,
            rows.used,
            hidden=held,
            mean_prediction=float(rows.prediction.mean()),
            inputs={"a": float(rng.standard_normal())},
            exposed={"x": 100 + day, "y": 50},
        )
        if day == at:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(moved.snapshot()))
            moved = Loops(CONTRACT)
            moved.restore(state)
        for loops in (stayed, moved):
            loops.on_retrained(day * DAY)
        assert stayed.add_window(came) == moved.add_window(came)
    encoded = [msgspec.msgpack.encode(loops.snapshot()) for loops in (stayed, moved)]
    assert encoded[0] == encoded[1]


def test_a_strange_snapshot_is_refused() -> None:
    state = Loops(CONTRACT).snapshot()
    with pytest.raises(StateError, match="format"):
        Loops(CONTRACT).restore({**state, "format": 0})
    with pytest.raises(StateError, match="span"):
        Loops(CONTRACT).restore({**state, "span": 1})


def test_a_suspected_loop_becomes_feedback() -> None:
    told, _ = watch(hidden(0.9, 1), lineage=True)
    key, value = loop_message(told[0], CONTRACT)
    event = orjson.loads(value)
    assert event["type"] == "driftline.feedback.loop_suspected"
    assert event["id"].encode() == key
    loop = event["data"]["loop"]
    assert loop["signals"]["holdout"]["state"] == "unknown"
    assert set(loop["by"]) <= {"lineage", "spread"}
    assert event["data"]["text"] == told[0].text
    assert event["data"]["since"].startswith("1970-01-")
    assert loop_message(told[0], CONTRACT) == (key, value)


def test_variances_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    _, label = friedman(rng, 300)
    label = label + 1e9
    said = label + rng.standard_normal(300)
    found = spreads(Residuals.of(pairs(said, label)))
    assert found is not None
    assert found.label == pytest.approx(label.var(ddof=1), rel=1e-9)
    assert found.error == pytest.approx((said - label).var(ddof=1), rel=1e-6)
    assert spreads(Residuals.empty()) is None
    small = said - 1e9
    profile = ErrorProfile.of(pairs(small, label - 1e9))
    assert prediction_variance(profile) == pytest.approx(small.var(ddof=1), rel=0.01)
    assert prediction_variance(ErrorProfile.empty()) is None
    cell = Cell(Residuals.of(pairs(small, label)), ErrorProfile.empty(), profile)
    came = LoopWindow.of(0, DAY, cell, drifted=True)
    assert (came.card, came.drifted) == (cell.card, True)
    assert came.prediction_variance == prediction_variance(profile)
    cell = Cell(Scorecard.empty(), Exposure.empty())
    assert LoopWindow.of(0, DAY, cell).prediction_variance is None


def test_classes_are_told_by_lineage_alone() -> None:
    rng, loops = np.random.default_rng(8), Loops(CONTRACT)
    told = []
    for day in range(10):
        said = rng.integers(0, 2, 200)
        used = rng.random(200) < 0.5
        wrong = rng.random(200) < np.where(used, 0.02, 0.2)
        label = np.where(wrong, 1 - said, said)
        names = np.array(["no", "yes"])
        cards = [
            Scorecard.of(pairs(names[said[some]].tolist(), names[label[some]].tolist()))
            for some in (np.full(200, True), used)
        ]
        came = LoopWindow(
            day * DAY, (day + 1) * DAY, cards[0], followed=cards[1], followed_rows=int(used.sum())
        )
        told.append(loops.add_window(came))
    found = next(each for each in told if each is not None)
    assert found.by == ("lineage",)
    assert found.signals["spread"]["state"] == "unknown"
    assert not any(told[told.index(found) + 1 :])
