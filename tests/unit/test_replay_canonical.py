from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from driftline.errors import DriftlineError
from driftline.replay import canonical
from driftline.replay.canonical import Key, Sorted, event_key, window_key

if TYPE_CHECKING:
    from pathlib import Path


def alert(time: str, model: str, incident: str, number: int, name: str) -> bytes:
    data = {"model": model, "incident": incident, "number": number, "effect": 1}
    return json.dumps({"id": name, "time": time, "data": data}).encode()


def test_alerts_are_in_order_of_time_model_incident_and_number(tmp_path: Path) -> None:
    values = [
        alert("2024-01-01T00:00:00Z", "a", "i1", 1, "z"),
        alert("2024-01-01T00:00:00Z", "a", "i1", 2, "b"),
        alert("2024-01-01T00:00:00Z", "a", "i2", 1, "a"),
        alert("2024-01-01T00:00:00Z", "b", "i0", 1, "c"),
        alert("2024-01-01T00:00:00.500Z", "a", "i0", 1, "d"),
        alert("2024-01-01T00:00:01Z", "a", "i0", 1, "e"),
    ]
    held = Sorted(tmp_path)
    held.extend((event_key(v), v) for v in random.Random(1).sample(values, len(values)))
    assert held.write(tmp_path / "out.jsonl") == len(values)
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == values


def test_a_repeat_is_written_once_and_a_difference_is_counted(tmp_path: Path) -> None:
    held = Sorted(tmp_path)
    for value in (b"1", b"1", b"2"):
        held.add(Key(5, "m", "", 0, "a"), value)
    assert held.write(tmp_path / "out") == 1
    assert (tmp_path / "out").read_bytes() == b"1\n"
    assert held.differing == 1


def test_what_does_not_fit_into_memory_is_sorted_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canonical, "HELD_BYTES", 2_000)
    monkeypatch.setattr(canonical, "MERGED_AT_ONCE", 3)
    keys = [Key(n % 50, "m", "", n, f"{n}") for n in range(300)]
    random.Random(2).shuffle(keys)
    held = Sorted(tmp_path)
    for key in [*keys, *keys[:40]]:
        held.add(key, b"%d" % key.number)
    held.add(keys[0], b"other")
    assert len(list(tmp_path.glob("*.run"))) > 5
    assert held.write(tmp_path / "out") == 300
    expected = [b"%d" % key.number for key in sorted(keys)]
    assert (tmp_path / "out").read_bytes().splitlines() == expected
    assert held.differing == 1


def test_something_else_on_an_output_topic_is_a_clear_error() -> None:
    with pytest.raises(DriftlineError, match="expected an alert or a feedback event"):
        event_key(b'{"hello":1}')
    with pytest.raises(DriftlineError, match="expected a window"):
        window_key(b"\x00")


def test_what_lies_before_the_epoch_comes_before_what_ends_at_it() -> None:
    ends = ["1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z"]
    keys = [window_key(json.dumps({"id": "w", "model": "m", "end": end}).encode()) for end in ends]
    assert [key.time for key in keys] == [-60_000_000, 0, 60_000_000]
