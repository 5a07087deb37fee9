"""The dashboards are what their program makes, and Grafana and Prometheus can read them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit._programs import program
from tests.unit.test_deploy_prometheus import FOLDER as PROMETHEUS
from tests.unit.test_deploy_prometheus import NAME, existing, rules

pytest.importorskip("grafana_foundation_sdk")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana"
NAMES = ("models.json", "workers.json")
VARIABLES = {"$__rate_interval": "5m", "$job": "driftline", "$instance": ".*", "$model": ".*"}


def read(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return body


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in read(name)["panels"] if panel["type"] != "row"]


def lacking(part: Any, whole: Any, path: str = "$") -> list[str]:
    """Return the paths of what `part` has and `whole` has not."""
    if isinstance(part, dict) and isinstance(whole, dict):
        found = [f"{path}.{key}" for key in part if key not in whole]
        return found + [
            each
            for key in part.keys() & whole.keys()
            for each in lacking(part[key], whole[key], f"{path}.{key}")
        ]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        return [
            each
            for at, (a, b) in enumerate(zip(part, whole, strict=True))
            for each in lacking(a, b, f"{path}[{at}]")
        ]
    return [] if part == whole else [path]


def test_the_files_are_what_the_program_makes(tmp_path: Path) -> None:
    script = [sys.executable, str(FOLDER / "generate.py"), str(tmp_path)]
    subprocess.run(script, check=True, timeout=50)
    assert sorted(path.name for path in FOLDER.glob("*.json")) == list(NAMES)
    for name in NAMES:
        made = (tmp_path / name).read_text("utf-8")
        assert (FOLDER / name).read_text("utf-8") == made, "run: python deploy/grafana/generate.py"


@pytest.mark.parametrize("name", NAMES)
def test_grafanas_types_know_all_of_it(name: str) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    body = read(name)
    # What the types do not know they leave out.
    assert not lacking(body, json.loads(JSONEncoder().encode(Dashboard.from_json(body))))
    body["panels"][1]["fieldConfig"]["defaults"]["unitt"] = "s"
    assert lacking(body, json.loads(JSONEncoder().encode(Dashboard.from_json(body)))) == [
        "$.panels[1].fieldConfig.defaults.unitt"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_is(name: str) -> None:
    body = read(name)
    variables = {each["name"]: each for each in body["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    alerts = {rule["alert"].lower() for rule in rules() if "alert" in rule}
    for panel in panels(name):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for link in panel.get("links", ()):
            base, _, section = link["url"].partition("#")
            assert base == "${runbook}"
            assert section in alerts
    ids = [panel["id"] for panel in body["panels"]]
    assert len(set(ids)) == len(ids)
    assert not [p for p in panels(name) if p["gridPos"]["x"] + p["gridPos"]["w"] > 24]


def queries() -> list[str]:
    found = []
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                expr = target["expr"]
                for variable, value in VARIABLES.items():
                    expr = expr.replace(variable, value)
                assert "$" not in expr
                found.append(expr)
    return found


def test_dashboards_name_only_what_is_measured() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for expr in queries():
        assert set(NAME.findall(expr)) <= existing(), expr
        assert set(re.findall(r"driftline:\w+:\w+", expr)) <= recorded, expr


def test_prometheus_can_read_the_queries(tmp_path: Path) -> None:
    promtool = program("promtool", "prometheus")
    asked = [{"record": f"q{n}", "expr": expr} for n, expr in enumerate(queries())]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "q", "rules": asked}]}))
    said = subprocess.run(
        [promtool, "check", "rules", str(path)],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert said.returncode == 0, said.stdout + said.stderr
