"""Changes are planted as they are described, and their delays are counted from there."""

from __future__ import annotations

import io
import math
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from river.drift import ADWIN
from scipy import integrate, stats

from driftline.bench.detectors import by_hand, delay, windows
from driftline.bench.detectors.by_hand import METHODS, UNIVARIATE, Task, Tried
from driftline.bench.detectors.changes import BEFORE, CHANGES, floor_events
from driftline.bench.detectors.delay import Batch, Delay, Run
from driftline.bench.detectors.invariance import UNITS, compare
from driftline.bench.detectors.law import EVENTS, Traffic
from driftline.bench.detectors.marginals import Levels, Numeric
from driftline.bench.detectors.plot import draw
from driftline.bench.detectors.run import Asked, run
from driftline.bench.detectors.size import QUICK
from driftline.bench.detectors.table import print_found
from driftline.bench.environments import Unavailable
from driftline.cli import main
from driftline.events.time import format_ts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from driftline.bench.detectors.run import Found

LOG = math.log(100 * 43_200)


def after(name: str, rows: int, many: int = 10) -> tuple[np.ndarray[Any, Any], list[int]]:
    """Rows after a change, and the columns that it befell."""
    change = CHANGES[name]
    placed = change.place(np.random.default_rng(1), many, 0)
    values = Traffic(placed.law, np.random.default_rng(2)).block(0, rows)
    return values, [placed.law.names.index(each) for each in sorted(placed.names)]


@pytest.mark.parametrize(
    ("name", "mean", "sd"),
    [
        ("mean0.25", 0.25, 1.0),
        ("mean2", 2.0, 1.0),
        ("variance1.5", 0.0, 1.5**0.5),
        ("variance2", 0.0, 2**0.5),
        ("shape", 0.0, 1.0),
    ],
)
def test_a_change_of_numbers_is_what_it_says(name: str, mean: float, sd: float) -> None:
    values, at = after(name, 20_000)
    assert len(at) == 10
    assert values[:, at].mean() == pytest.approx(mean, abs=0.02)
    assert values[:, at].std() == pytest.approx(sd, abs=0.02)
    others = np.setdiff1d(np.arange(60), at)
    assert values[:, others].mean() == pytest.approx(0, abs=0.01)
    assert values[:, others].std() == pytest.approx(1, abs=0.01)


def test_a_change_of_shape_is_seen_in_no_moment_but_higher_ones() -> None:
    values, at = after("shape", 20_000)
    assert stats.kurtosis(values[:, at].ravel()) < -0.5


def test_changes_of_rates_are_what_they_say() -> None:
    values, at = after("missing", 20_000)
    assert np.isnan(values[:, at]).mean() == pytest.approx(0.05, abs=0.005)
    values, at = after("level", 20_000)
    assert (values[:, at] == 5).mean() == pytest.approx(0.01, abs=0.002)
    before, later = BEFORE.marginals[-1], CHANGES["mix"].after
    assert isinstance(before, Levels)
    assert isinstance(later, Levels)
    moved = np.abs(np.subtract(before.shares, later.shares)).sum() / 2
    assert moved == pytest.approx(0.1)


def test_correlation_leaves_the_columns_alone() -> None:
    values, at = after("correlation", 40_000)
    found = np.corrcoef(values[:, at].T) - np.eye(10)
    assert np.sort(found.ravel())[-10:] == pytest.approx(np.full(10, 0.5), abs=0.03)
    assert np.sort(np.abs(found).ravel())[-11] < 0.03
    assert values[:, at].std(axis=0) == pytest.approx(np.ones(10), abs=0.03)
    assert len(after("correlation", 100, many=1)[1]) == 2


def test_a_ramp_grows_from_the_change_on() -> None:
    change = CHANGES["ramp"]
    placed = change.place(np.random.default_rng(1), 1, 12_345)
    (at,) = (placed.law.names.index(name) for name in placed.names)
    season = placed.law.season
    assert season is not None
    shifts = season.at(12_345 + np.arange(change.horizon))[:, at]
    assert shifts[0] == 0
    assert shifts[720] == pytest.approx(0.5)
    assert (shifts[1_440:] == 1).all()
    assert season.shifts.sum() == pytest.approx(shifts.sum())


@pytest.mark.parametrize("name", ["mean0.5", "mean1", "variance1.5", "variance2", "shape"])
def test_kl_is_the_integral(name: str) -> None:
    law = CHANGES[name].after
    assert isinstance(law, Numeric)
    step = 1e-4

    def density(x: float) -> float:
        below = law.below(np.array([x - step / 2, x + step / 2]))
        return float(below[1] - below[0]) / step

    def integrand(x: float) -> float:
        q = max(density(x), 1e-300)
        return q * (math.log(q) - stats.norm.logpdf(x))

    found, _ = integrate.quad(integrand, -7, 7, limit=200)
    assert CHANGES[name].kl == pytest.approx(found, rel=1e-3)


def test_floors_are_those_of_the_formula() -> None:
    assert floor_events(CHANGES["mean0.5"], 43_200) == pytest.approx(LOG / 0.125)
    ramp = floor_events(CHANGES["ramp"], 43_200)
    height = np.arange(ramp) / (24 * 60 * EVENTS)
    assert (height**2 / 2).sum() == pytest.approx(LOG, rel=0.01)


def runs(*slots: int | None, right: bool = True) -> Delay:
    held = tuple(Run("mean0.5", 1, s, right and s is not None, 0) for s in slots)
    return Delay(CHANGES["mean0.5"], 1, held, 43_200.0, None)


def test_what_was_missed_counts_as_the_longest_delay() -> None:
    found = runs(2, 3, None, 1)
    assert (found.quantile(0.5), found.quantile(0.9)) == (200, math.inf)
    assert (found.missed, found.right) == (0.25, 1.0)
    assert found.as_json()["p90_events"] is None
    assert not found.met
    assert runs(2, 2, 2).met
    assert not runs(9, 9, 9).met
    assert not runs(2, 2, right=False).met
    assert runs(None).as_json()["right_first"] is None


def test_delays_are_measured_on_the_models_own_detectors() -> None:
    found = delay.measure(Batch(0, 1, 5, ("evidence",), ("mean2",)))
    assert [run.many for run in found] == [1, 10]
    assert [run.slots for run in found] == [1, 1]
    assert all(run.right for run in found)


def test_who_cannot_see_a_change_misses_it_whatever_else_is_run() -> None:
    blind = Batch(0, 1, 5, ("missing",), ("missing", "mix"))
    found = delay.measure(blind)
    assert all(run.slots for run in found[:2])
    assert [(run.slots, run.right) for run in found[2:]] == [(None, False)] * 2
    assert delay.measure(blind._replace(changes=("mix",))) == found[2:]


def test_by_hand_is_river_by_hand() -> None:
    task = Task("adwin", "mean1", 1, 3)
    found = by_hand.measure(task)
    (first,) = found.one
    assert first is not None
    assert found.ten[0] is not None
    assert found.ten[0] <= first
    rng = np.random.default_rng(1)
    detector = ADWIN()
    reference = rng.standard_normal(10)
    delays = by_hand._fed(METHODS["adwin"], reference, np.array([0.5, -1.0]))
    assert delays == [0.5, -1.0]
    assert by_hand._fed(METHODS["adwin-ranks"], np.sort(reference), np.array([9.0])) == [1.0]
    assert not detector.drift_detected


def test_false_detections_are_told_for_a_model_month(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "STRETCH", 20_000)
    alone = by_hand.measure(Task("page-hinkley", None, 1, 3))
    assert alone.false > 0
    told = by_hand.summarise(
        [alone, Tried(Task("page-hinkley", "mean1", 2, 3), (7, None), (None, None), 0, 0)]
    )
    (row,) = (each.as_json() for each in told)
    assert row["false_a_model_month"] == pytest.approx(alone.false / 20_000 * 432_000_000)
    assert (row["median_events"], row["missed"]) == (7, 0.5)
    assert (row["median_events_of_ten"], row["missed_of_ten"]) == (None, 1)
    # None in 2 million values says no more than "below 648 a month" of 432 million.
    assert by_hand.ByHand("adwin", "mean1", (1,), (1,), 0, 2_000_000).false_below == 648


def test_only_changes_of_single_numbers_are_tried_by_hand() -> None:
    assert set(UNIVARIATE) < set(CHANGES)
    for name in UNIVARIATE:
        assert CHANGES[name].columns == (0, 60)
    assert CHANGES["correlation"].before.name != BEFORE.name


def test_units_change_nothing() -> None:
    found = compare(1, ("evidence",))
    assert len(found) == len(UNITS) == 6
    assert found[0].findings >= 3
    assert all(same.identical for same in found)


@pytest.fixture(scope="module")
def tiny() -> Iterator[Found]:
    asked = Asked(
        laws=["rows500"],
        changes=["mean2", "missing"],
        quick=True,
        detectors=("evidence",),
        slots=100,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_hand, "STRETCH", 5_000)
        patch.setattr(by_hand, "SETTLED", 500)
        patch.setattr("driftline.bench.detectors.run.QUICK", replace(QUICK, references=1, runs=1))
        yield run(asked, lambda _: None)


def test_a_tiny_run_has_all_its_parts(tiny: Found) -> None:
    told = tiny.as_json()
    assert [law["law"] for law in told["promise"]] == ["rows500"]
    assert [(d["change"], d["columns"]) for d in told["delays"]] == [
        ("mean2", 1),
        ("mean2", 10),
        ("missing", 1),
        ("missing", 10),
    ]
    foretold = [d["foretold_events"] for d in told["delays"]]
    assert foretold[0] == 100
    assert 300 <= foretold[2] <= 1_200
    assert (foretold[1], foretold[3]) == (None, None)
    assert {row["change"] for row in told["by_hand"]} == {"mean2"}
    assert len(told["by_hand"]) == len(METHODS)


def test_a_run_is_told_and_drawn(tiny: Found) -> None:
    from rich.console import Console

    console = Console(width=140, record=True, file=io.StringIO())
    print_found(tiny, console)
    text = console.export_text()
    for part in ("rows500", "mean + 2 sd", "missing 1 → 5 %", "HDDM_A", "too few to tell"):
        assert part in text
    root = ET.fromstring(draw(tiny))
    words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"rows500", "mean + 2 sd", "PageHinkley"} <= set(words)
    for dot in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(dot.attrib["cx"]) <= 960


def test_the_command_writes_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Asked] = []

    def fake(what: Asked, notify: object) -> Found:
        asked.append(what)
        return tiny

    monkeypatch.setattr("driftline.bench.detectors.run.run", fake)
    files = {name: tmp_path / name for name in ("a.json", "a.svg")}
    options = ["--json", str(files["a.json"]), "--plot", str(files["a.svg"]), "--quick"]
    assert main(["bench", "detectors", *options, "--laws", "normal, ties", "--seed", "4"]) == 0
    assert asked == [Asked(laws=["normal", "ties"], quick=True, seed=4, processes=2)]
    assert all(path.stat().st_size > 500 for path in files.values())


def test_references_begin_on_a_monday() -> None:
    from driftline.bench.detectors.law import FIRST

    assert format_ts(FIRST).startswith("2026-01-05T00:00:00")


def test_windows_hold_one_changed_column() -> None:
    reference, judged = windows.draw("mean2", 300, 20, 1)
    assert reference.shape == (20_000, 10)
    assert judged.shape == (20, 300, 10)
    means = judged.mean(axis=(0, 1))
    assert means[0] == pytest.approx(2, abs=0.1)
    assert np.abs(means[1:]).max() < 0.1


JUDGE = """
import json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.npz")):
    print(json.dumps(
        {"bench": "windows", "change": path.stem, "events": 100, "windows": 4}
        | {"seen": 3, "false": 9},
        separators=(",", ":"),
    ))
"""


def test_libraries_say_what_they_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good.py").write_text(JUDGE)
    (tmp_path / "bad.py").write_text("raise SystemExit('it broke')")
    monkeypatch.setattr(windows, "PEERS", tmp_path)
    monkeypatch.setattr(windows, "interpreter", lambda *_: sys.executable)
    programs = {"Good": ("good", ("good==1",)), "Bad": ("bad", ("bad==1",))}
    monkeypatch.setattr(windows, "LIBRARIES", programs)
    found, left_out = windows.judge({"mean1": 100}, 4, 1, lambda _: None)
    assert [each.as_json() for each in found] == [
        {
            "library": "Good",
            "change": "mean1",
            "window_events": 100,
            "windows": 4,
            "seen": 0.75,
            "false": 0.25,
            "false_a_model_month": 0.25 * 100 * 43_200,
        }
    ]
    assert list(left_out) == ["Bad"]
    assert "it broke" in left_out["Bad"]


def test_a_library_that_cannot_be_had_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> str:
        msg = "no such wheel"
        raise Unavailable(msg)

    monkeypatch.setattr(windows, "interpreter", none)
    found, left_out = windows.judge({}, 4, 1, lambda _: None)
    assert not found
    assert left_out == dict.fromkeys(("Evidently", "NannyML"), "no such wheel")
