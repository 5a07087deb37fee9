from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from driftline.contract import form, json_schema
from driftline.contract.blocks import BlockOf

DEPLOY = Path(__file__).parents[2] / "deploy"
VALIDATOR = jsonschema.Draft7Validator(json_schema())


def valid(text: str) -> bool:
    # The base loader knows strings alone, where dates stay text; the numbers are put back.
    return VALIDATOR.is_valid(numbered(yaml.load(text, yaml.BaseLoader)))


def numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: numbered(each) for key, each in value.items()}
    if isinstance(value, list):
        return [numbered(each) for each in value]
    try:
        return json.loads(value) if value else None
    except json.JSONDecodeError:
        return value


def test_the_stored_schema_is_in_step_with_the_code() -> None:
    stored = (DEPLOY / "contract.schema.json").read_text()
    assert stored == json.dumps(json_schema(), indent=2) + "\n", (
        "run: driftline contract schema > deploy/contract.schema.json"
    )


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "path", sorted((DEPLOY / "contracts").glob("*.yaml")), ids=lambda p: p.name
)
def test_editors_find_nothing_wrong_with_the_examples(path: Path) -> None:
    assert valid(path.read_text())
    assert "../contract.schema.json" in path.read_text().splitlines()[0]


@pytest.mark.parametrize(
    "text",
    [
        "{slot: 1s}",
        "{model: m, featuers: {}}",
        "{model: 3}",
        "{model: m, slot: 10}",
        "{model: m, windows: []}",
        "{model: m, windows: [{hop: 1h}]}",
        "{model: m, features: {}}",
        "{model: m, features: {a: {tolerance: -1}}}",
        "{model: m, detectors: [ADWIN]}",
        "{model: m, detectors: [{adwin: {}, ddm: {}}]}",
        "{model: m, deadletters: {share: 5}}",
        "{model: m, reference: {from: file}}",
        "{model: m, reference: {path: x}}",
        "{model: m, reference: {from: topic, topic: t, events: 500}}",
        "{model: m, quality: {}}",
        "{model: m, quality: {metric: auc}}",
        "{model: m, quality: {metric: mae, at_least: 1}}",
        "{model: m, retrain: {on: [drft]}}",
        "{model: m, fallback: {}}",
        "{model: m, review_by: tomorrow}",
    ],
)
def test_editors_see_what_json_schema_can_say(text: str) -> None:
    assert not valid(text)


@pytest.mark.parametrize(
    "block",
    [each for each in vars(form).values() if isinstance(each, BlockOf)],
    ids=lambda block: block.type.__name__,
)
def test_the_table_names_every_attribute_once(block: BlockOf) -> None:
    # Not written: two follow from the file, one is for drills that somebody orders.
    derived = {"path", "stated", "at"}
    written = [entry.name for entry in block.fields]
    assert sorted(written) == sorted(set(block.type.__struct_fields__) - derived)
    assert len({entry.key for entry in block.fields}) == len(block.fields)
    assert all(entry.about.endswith(".") for entry in block.fields)
