from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
import yaml

from driftline.cli import main
from driftline.cli.schema import documents
from driftline.contract.types import WindowPlan
from driftline.events import Decoder, InputSpec, Record, Source
from driftline.events.fields import EVENT_TYPES, FIELDS, required
from driftline.events.inputs import INPUTS
from driftline.events.schema import NAMES, json_schema
from driftline.events.windows import Window
from driftline.stats.pane import Pane
from driftline.stats.reference import Reference
from driftline.stats.window import Windows

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLES: dict[str, dict[str, Any]] = {
    "prediction": {
        "prediction_id": "p",
        "prediction": {"a": 0.25, "b": 0.75},
        "score": 0.5,
        "features": {"age": 41, "country": "DE", "vip": True, "income": None},
        "arm": "model",
        "propensity": 0.9,
        "entity_id": "c1",
    },
    "features": {"features": {"age": 1.5}, "prediction_id": "p", "source": "training"},
    "label": {"prediction_id": "p", "label": "bad", "weight": 2},
    "decision": {"prediction_id": "p", "action": "reject", "recommended": "accept", "actor": "x"},
    "outcome": {"prediction_id": "p", "value": -800.5, "kind": "loss"},
    "lifecycle": {"kind": "retrained", "why": "drift", "build": [1, 2]},
}


class Models:
    def kinds(self, model: str) -> None:
        return None

    def max_ahead(self, model: str) -> int:
        return 0

    def known(self, model: str) -> bool:
        return True

    accepts = known


def example(name: str) -> dict[str, Any]:
    common = {"model": "m", "ts": "2026-11-23T20:02:24Z", "version": "3", "segment": {"r": "eu"}}
    return common | EXAMPLES[name]


def test_files_in_deploy_are_those_the_code_makes() -> None:
    for path, text in documents().items():
        assert (DEPLOY / path).read_text("utf-8") == text, "run: driftline schema --write deploy"
    assert {p.stem for p in (DEPLOY / "schemas").glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_valid(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(name))


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_schema_type_and_codec_agree_on_an_example(name: Any) -> None:
    body = example(name)
    jsonschema.validate(body, json_schema(name))
    shape = msgspec.convert(body, INPUTS[name])
    decoder = Decoder(InputSpec("t", name), Source("t", 0), Models())
    for data in (json.dumps(body).encode(), msgspec.json.encode(shape)):
        decoded = decoder.decode([Record(0, None, data)])
        assert not decoded.dead
        assert decoded.frames[0].type == name
        assert not decoded.frames[0].unknown_fields


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_types_and_table_name_the_same_fields(name: Any) -> None:
    schema = json_schema(name)
    assert set(schema["properties"]) == set(FIELDS[name])
    assert set(schema["required"]) == required(name)
    for field in required(name):
        lacking = {k: v for k, v in example(name).items() if k != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(lacking, schema)
        decoder = Decoder(InputSpec("t", name), Source("t", 0), Models())
        (dead,) = decoder.decode([Record(0, None, json.dumps(lacking).encode())]).dead
        assert dead.path == f"$.{field}"


def test_windows_are_what_their_schema_says() -> None:
    columns: dict[str, list[Any]] = {
        "age": [float(i) for i in range(50)],
        "country": ["a", "b"] * 25,
    }
    ts = np.arange(50) * 1_000_000
    reference = Reference.build("m", columns, ts=ts, slot=10_000_000)
    windows = Windows("m", [WindowPlan(length=60_000_000, hop=60_000_000)])
    pane = Pane.empty(reference, 0)
    pane.events["prediction"] = 1
    windows.add(0, (), pane)
    windows.note(0, (), np.array([0.5, 0.25]))
    ((_, _, value),) = windows.close(60_000_000)
    body = json.loads(value)
    jsonschema.validate(body, json_schema("window"))
    assert set(body) == set(Window.__struct_fields__)
    assert body["features"]
    columns_schema = json_schema("window")["$defs"]["WindowColumn"]["properties"]
    assert set(body["features"]["age"]) == set(columns_schema)


def references_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if "$ref" in value else []
        return found + [ref for part in value.values() for ref in references_of(part)]
    if isinstance(value, list):
        return [ref for part in value for ref in references_of(part)]
    return []


def test_asyncapi_hangs_together() -> None:
    document = yaml.safe_load((DEPLOY / "asyncapi.yaml").read_text("utf-8"))
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {
        "predictions",
        "features",
        "labels",
        "decisions",
        "outcomes",
        "lifecycle",
        "alerts",
        "feedback",
        "windows",
        "deadletter",
    }
    found = references_of(document)
    assert len(found) > 40
    for ref in found:
        place: Any = document
        for key in ref.removeprefix("#/").split("/"):
            place = place[key]


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["schema", "label"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema("label")
    assert main(["schema"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(NAMES)
    assert main(["schema", "asyncapi"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["asyncapi"] == "3.0.0"
    assert main(["schema", "lable"]) == 2
    assert "did you mean 'label'?" in capsys.readouterr().err
    assert main(["schema", "--write", str(tmp_path)]) == 0
    assert (tmp_path / "schemas" / "alert.json").is_file()
    assert main(["schema", "label", "--write", str(tmp_path)]) == 2
