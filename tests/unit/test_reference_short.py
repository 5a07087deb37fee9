"""`driftline reference build` and `check` on a reference that is too short."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import lfilter

from driftline.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, slots: int, memory: float) -> Path:
    """Write 30 rows a slot of 10 s, whose mean wanders where there is memory, and a contract."""
    rng = np.random.default_rng(11)
    level, _ = lfilter([1.0], [1.0, -memory], rng.standard_normal(slots), zi=[0.0])
    lines = ["ts,x"]
    for slot in range(slots):
        own = rng.standard_normal(30) + (level[slot] if memory else 0.0)
        lines += [f"{1.76e9 + slot * 10 + row / 4},{value}" for row, value in enumerate(own)]
    (folder / "r.csv").write_text("\n".join(lines))
    path = folder / "c.yaml"
    path.write_text("model: m\nreference: {from: file, path: r.csv}\n")
    return path


@pytest.mark.parametrize(
    ("slots", "memory", "notes"),
    [
        (100, 0.0, []),
        (10, 0.0, ["the reference spans 10 slots", "too short a reference for x"]),
        (40, 0.95, ["too short a reference for the memory of x", "too short a reference for x"]),
    ],
)
def test_building_says_what_it_costs(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    slots: int,
    memory: float,
    notes: list[str],
) -> None:
    contract = write(tmp_path, slots, memory)
    assert main(["reference", "build", str(contract), "--out", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr()
    assert "1 columns of" in said.out
    lines = said.err.splitlines()
    assert len(lines) == len(notes)
    for line, note in zip(lines, notes, strict=True):
        assert line.startswith(f"note: {note}")


def test_checking_says_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = write(tmp_path, 40, 0.95)
    arguments = ["reference", "check", str(contract), "--horizon", "10m"]
    assert main(arguments) == 0
    assert "note too short a reference for the memory of x" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert "memory" in {each["code"] for each in told["caveats"]}
    assert told["features"][0]["bets_divided_by"] > 10
