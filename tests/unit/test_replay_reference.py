from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from driftline.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    (tmp_path / "r.csv").write_text("x,c\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(100)))
    path = tmp_path / "m.yaml"
    path.write_text("model: m\nreference: {from: file, path: r.csv}\n")
    return path


def test_a_reference_is_built_shown_and_the_same_again(
    tmp_path: Path, contract: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, again = tmp_path / "m.json", tmp_path / "again.json"
    assert main(["reference", "build", str(contract), "--out", str(saved)]) == 0
    assert "2 columns of 100 rows" in capsys.readouterr().out
    source = ["--from", str(tmp_path / "r.csv")]
    assert main(["reference", "build", str(contract), *source, "--out", str(again)]) == 0
    assert saved.read_bytes() == again.read_bytes()
    capsys.readouterr()
    assert main(["reference", "show", str(saved)]) == 0
    said = capsys.readouterr().out
    assert "rows without time" in said
    assert "a 50.0%, b 50.0%" in said
    assert main(["reference", "show", str(saved), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["columns"]["x"]["quantiles"]["0.5"] == pytest.approx(49.5, abs=1)
    assert shown["columns"]["c"]["levels"] == {"a": 0.5, "b": 0.5}


def test_where_there_is_nothing_to_build_from_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("model: m\n---\nmodel: n\n")
    assert main(["reference", "build", str(path)]) == 2
    assert "expected --model, one of m, n" in capsys.readouterr().err
    assert main(["reference", "build", str(path), "--model", "m"]) == 2
    assert "say --from FILE" in capsys.readouterr().err
    assert main(["reference", "show", str(tmp_path / "none.json")]) == 2
    assert "no such file" in capsys.readouterr().err
