"""Rules and the scrape: Prometheus takes them, they ring, and they name only what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit._programs import program

from driftline.bus.instruments import PROCESS
from driftline.bus.measures import MEASURES
from driftline.notify import measures as notify

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "prometheus"
NAME = re.compile(r"\b(?:driftline|process|python)_[a-z0-9_]+")


def existing() -> set[str]:
    """Names of all series of a scrape."""
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    return set(PROCESS) | {
        f"driftline_{each.name}{suffix}"
        for each in (*MEASURES, *notify.MEASURES)
        for suffix in suffixes.get(each.kind, ("",))
    }


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "rules.yaml"],
        ["check", "config", "prometheus.yaml"],
        ["test", "rules", "rules_test.yaml"],
    ],
    ids=" ".join,
)
def test_promtool_is_content(arguments: list[str]) -> None:
    said = subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_alert_is_tried() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    tests = yaml.safe_load((FOLDER / "rules_test.yaml").read_text("utf-8"))["tests"]
    tried = [t for test in tests for t in test.get("alert_rule_test", ())]
    assert {each["alertname"] for each in tried if each["exp_alerts"]} == alerts


def test_every_alert_has_a_section_in_the_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", (DEPLOY / "runbook.md").read_text("utf-8"), re.M)
    alerts = [rule for rule in rules() if "alert" in rule]
    assert sections == [rule["alert"] for rule in alerts]
    for rule in alerts:
        assert rule["annotations"]["runbook"] == f"deploy/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} < set(rule["annotations"])


def test_rules_name_only_what_is_measured() -> None:
    named = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    assert named <= existing()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in re.findall(r"driftline:\w+:\w+", rule["expr"])}
    assert used <= recorded
