from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftline.cli import main

CONTRACTS = Path(__file__).parents[2] / "deploy" / "contracts"
FULL, MINIMAL = str(CONTRACTS / "credit-risk.yaml"), str(CONTRACTS / "minimal.yaml")
TODAY = ("--today", "2026-11-23")


def test_a_settled_contract_passes_even_strictly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", "--strict", *TODAY, FULL]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"credit-risk ({FULL}): no faults, no gaps, fingerprint ")


def test_gaps_warn_and_fail_only_when_strict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", *TODAY, MINIMAL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"gap    {MINIMAL}:3: $.owner.team: no team answers for the model"
    assert lines[-1].startswith(f"demand-forecast ({MINIMAL}): no faults, 8 gaps, fingerprint ")
    assert main(["contract", "check", "--strict", *TODAY, MINIMAL]) == 1


def test_faults_fail_and_are_all_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("modle: m\nslot: 10\n")
    assert main(["contract", "check", *TODAY, str(bad), FULL]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"fault  {bad}:1:1: $.modle: unknown key, did you mean model?"
    assert lines[1].startswith(f"fault  {bad}:2:7: $.slot: expected a duration such as")
    assert lines[-2].startswith("credit-risk")
    assert lines[-1] == "2 faults in 1 file"


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("model: m\nslot: 10\n")
    assert main(["contract", "check", "--json", *TODAY, str(bad), MINIMAL]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    (contract,) = report["contracts"]
    assert contract["model"] == "demand-forecast"
    assert contract["gaps"][0]["code"] == "no_owner"
    (fault,) = report["faults"]
    assert (fault["line"], fault["column"], fault["path"]) == (2, 7, "$.slot")


def test_dates_are_judged_as_of_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "check", "--today", "2027-06-02", FULL]) == 0
    assert "out of use after 2027-06-01" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no-such-file.yaml"], "Path 'no-such-file.yaml' does not exist"),
        (["--today", "soon", FULL], "--today: expected a date such as 2027-06-01, got 'soon'"),
        ([], "Missing argument 'FILE...'"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contract", "check", *arguments]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert line in error


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["required"] == ["model"]
