from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import Contract, Rate, Sla
from driftline.detect import Liveness, StateError
from driftline.stats import Pane, Reference

if TYPE_CHECKING:
    from driftline.detect import Finding

SECOND = 1_000_000
SLOT = 10 * SECOND
SILENCE = 60 * SECOND
BEHIND = 40 * SECOND  # the default lateness, and a slot


def contract(rate: Rate | None = None) -> Contract:
    return Contract(model="m", sla=Sla(silence=SILENCE, min_rate=rate))


def pane(events: int, kind: str = "prediction") -> Pane:
    made = Pane.empty(None, 0)
    made.events[kind] = events
    return made


def told(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(f.kind, f.state, f.detected_at // SECOND) for f in findings]


def test_silence_by_the_next_slot_and_by_time_are_the_same_findings() -> None:
    late, early = Liveness(contract()), Liveness(contract())
    for live in (late, early):
        assert live.on_slot(0, SLOT, pane(5)) == []
    one = late.on_slot(200 * SECOND, 210 * SECOND, pane(1))
    two = early.on_time(70 * SECOND + BEHIND)
    assert told(two) == [("silence", "raised", 70)]
    assert early.on_time(150 * SECOND) == []
    two += early.on_slot(200 * SECOND, 210 * SECOND, pane(1))
    assert one == two
    assert told(one) == [("silence", "raised", 70), ("silence", "cleared", 200)]
    assert one[0].change_point == SLOT
    assert one[1].effect == 190


def test_silence_waits_for_slots_that_may_still_close() -> None:
    live = Liveness(contract())
    live.on_slot(0, SLOT, pane(5))
    assert live.deadline == 70 * SECOND + BEHIND
    assert live.on_time(live.deadline - 1) == []
    assert live.on_slot(60 * SECOND, 70 * SECOND, pane(1)) == []


def test_no_silence_before_the_first_event() -> None:
    live = Liveness(contract())
    assert live.on_time(10**15) == []
    assert live.deadline > 2**60


def test_labels_do_not_break_the_silence_of_predictions() -> None:
    live = Liveness(contract())
    live.on_slot(0, SLOT, pane(5))
    found = []
    for number in range(1, 12):
        found += live.on_slot(number * SLOT, (number + 1) * SLOT, pane(9, "label"))
    assert told(found) == [("silence", "raised", 70)]


def test_a_model_that_only_sends_features_is_heard() -> None:
    live = Liveness(contract())
    found = []
    for number in range(30):
        found += live.on_slot(number * SLOT, (number + 1) * SLOT, pane(1, "features"))
    assert found == []


def test_rate_is_judged_over_whole_windows() -> None:
    # Ten in twenty seconds is asked of five slots, the least that is judged: 25 in 50 s.
    live = Liveness(contract(Rate(count=10, per=20 * SECOND)))
    found = []
    for number in range(2, 30):
        events = 2 if 10 <= number < 15 else 6
        found += live.on_slot(number * SLOT, (number + 1) * SLOT, pane(events))
    assert told(found) == [("volume", "raised", 150), ("volume", "cleared", 200)]
    assert found[0].evidence["events"] == 10
    assert found[0].change_point == 100 * SECOND


def test_a_gap_of_years_is_one_step() -> None:
    live = Liveness(contract(Rate(count=1, per=SECOND)))
    for number in range(5):
        live.on_slot(number * SLOT, (number + 1) * SLOT, pane(20))
    far = 10**9 * SECOND
    found = live.on_slot(far, far + SLOT, pane(20))
    assert told(found) == [
        ("volume", "raised", 100),
        ("silence", "raised", 110),
        ("silence", "cleared", 10**9),
    ]


@settings(max_examples=60, deadline=None)
@given(
    slots=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 12)), min_size=2, max_size=25),
    marks=st.lists(st.integers(0, 20), max_size=25),
)
def test_marks_decide_only_when_a_finding_is_told(
    slots: list[tuple[int, int]], marks: list[int]
) -> None:
    rate = Rate(count=3, per=SLOT)
    asked, plain = Liveness(contract(rate)), Liveness(contract(rate))
    number, one, two = 0, [], []
    for at, (gap, events) in enumerate(slots):
        number += gap
        start = number * SLOT
        if at < len(marks):
            # A low mark may lie anywhere short of what would have closed this slot.
            two += asked.on_time(start + BEHIND - 1 - marks[at] * SLOT)
            again = Liveness(contract(rate))
            again.restore(asked.snapshot())
            asked = again
        one += plain.on_slot(start, start + SLOT, pane(events))
        two += asked.on_slot(start, start + SLOT, pane(events))
    assert one == two


def test_refuses_other_states() -> None:
    with pytest.raises(StateError, match="format"):
        Liveness(contract()).restore({"format": 99})


def test_a_silence_that_the_reference_has_known_is_usual() -> None:
    night = 8 * 3600 * SECOND
    rows = np.arange(200, dtype=np.int64) * SECOND
    ts = np.concatenate([rows, rows + night])
    reference = Reference.build("m", {"x": [1.0] * 400}, ts=ts, slot=SLOT)
    assert night - 300 * SECOND < reference.gap <= night
    plain, hour = Contract(model="m", slot=SLOT), 3600 * SECOND
    seen = Pane.empty(reference, 0)
    seen.events = {"prediction": 1}
    unpromised, promised = Liveness(plain), Liveness(Contract(model="m", sla=Sla(silence=hour)))
    for liveness in (unpromised, promised):
        liveness.on_slot(0, SLOT, seen)
    assert promised.allowed_silence == hour
    assert unpromised.allowed_silence == int(1.5 * reference.gap)
    again = Liveness(plain)
    again.restore(unpromised.snapshot())
    assert again.deadline == unpromised.deadline > night
