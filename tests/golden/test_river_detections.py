"""River's detectors in a pane's step find what river finds by hand on the raw values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

from driftline.contract import Contract, DetectorPlan
from driftline.detect import RiverDetector, Slot, build
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.events.time import format_ts
from driftline.stats import Pane, Reference, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

SECOND = 1_000_000
SLOT = 10 * SECOND
START = 1_700_000_000 * SECOND
RATES = (0.1, 0.6, 0.1, 0.8)


def levels() -> npt.NDArray[np.float64]:
    """A raw stream in units far from 1 whose mean moves up, back, and down."""
    rng = np.random.default_rng(11)
    means = np.repeat([0.0, 3.0, 0.0, -2.0], 3000)
    return np.asarray(500.0 + 40.0 * (rng.standard_normal(means.size) + means))


def errors() -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(12)
    return (rng.random(8000) < np.repeat(RATES, 2000)).astype(np.float64)


def by_hand(detector: Any, values: npt.NDArray[np.float64]) -> list[int]:
    found = []
    for i, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            found.append(i)
    return found


def on_panes(
    detector: RiverDetector, reference: Reference, contract: Contract, values: npt.NDArray[Any]
) -> list[tuple[str, int]]:
    """Detections as the findings tell them; a quiet end makes all of them be told."""
    rng = np.random.default_rng(13)
    sizes, at, number, found = [1, 7, 100, 33, 250], 0, 0, []
    while at < values.size:
        size = sizes[number % len(sizes)]
        rows = values[at : at + size]
        # Two partitions whose events interleave: merged panes are put in event-time order.
        ts = START + number * SLOT + np.arange(rows.size, dtype=np.int64) * 1000
        pane = Pane.empty(reference, contract.sample)
        side = rng.integers(0, 2, rows.size)
        for partition in (1, 0):
            mine = np.flatnonzero(side == partition)
            if not mine.size:
                continue
            frame = Frame(
                model="m",
                type="prediction",
                ts=ts[mine],
                offset=at + mine,
                index=np.zeros(mine.size, dtype=np.int64),
                columns={"x": rows[mine].tolist()},
                kinds=reference.kinds,
            )
            order, starts = np.arange(mine.size), np.zeros(1, dtype=np.int64)
            fold(frame, reference, Source("t", partition), order, starts).add_to(pane, 0)
        pane.sample.sort()
        assert pane.sample.complete
        start = START + number * SLOT
        for finding in detector.step(Slot(start, start + SLOT, number, pane, reference, contract)):
            told = finding.evidence["detections"]
            found += [(d["ts"], d["offset"]) for d in told]
            assert finding.evidence["detections_not_listed"] == 0
        at, number = at + rows.size, number + 1
    return found


def expected_events(indices: list[int], values: int) -> list[tuple[str, int]]:
    sizes, out, at, number = [1, 7, 100, 33, 250], {}, 0, 0
    while at < values:
        size = sizes[number % len(sizes)]
        for k in range(min(size, values - at)):
            out[at + k] = format_ts(START + number * SLOT + k * 1000)
        at, number = at + size, number + 1
    return [(out[i], i) for i in indices]


CASES: dict[str, tuple[Callable[[], Any], dict[str, Any], Callable[[], npt.NDArray[Any]]]] = {
    "adwin": (lambda: ADWIN(delta=0.002), {"delta": 0.002}, levels),
    "page_hinkley": (lambda: PageHinkley(threshold=5e4), {"threshold": 5e4}, levels),
    "kswin": (
        lambda: KSWIN(alpha=1e-4, seed=7),
        {"alpha": 1e-4, "seed": 7},
        lambda: levels()[2600:3800],
    ),
    "ddm": (DDM, {}, errors),
    "eddm": (EDDM, {}, errors),
    "hddm_a": (lambda: HDDMA(two_sided_test=True), {}, errors),
    "hddm_w": (lambda: HDDMW(two_sided_test=True), {}, errors),
    "fhddm": (FHDDM, {}, errors),
}


@pytest.mark.parametrize("name", CASES)
def test_same_detections_at_the_same_events(name: str) -> None:
    make, parameters, stream = CASES[name]
    values = stream()
    plan = DetectorPlan(name=name, parameters={"values": "raw", **parameters})
    contract = Contract(model="m", detectors=(plan,), sample=1000)
    reference = Reference.build("m", {"x": values[:2000].tolist()})
    detector = next(d for d in build(contract, reference) if isinstance(d, RiverDetector))
    hand = by_hand(make(), values)
    assert hand
    told = on_panes(detector, reference, contract, values)
    # The tail of detections after the last finding has been told by none yet.
    pending = [
        (format_ts(ts), offset)
        for listed in detector.snapshot()["detections"]
        for ts, offset, _ in listed
    ]
    assert told + pending == expected_events(hand, values.size)
    assert told


def test_adwin_by_hand_is_where_it_was() -> None:
    assert by_hand(ADWIN(delta=0.002), levels()) == [3007, 6015, 9023]
