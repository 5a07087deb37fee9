"""JSON Schema of a contract's YAML form, for editors."""

from __future__ import annotations

from typing import Any

from driftline.contract.form import CONTRACT


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7, which editors know) of one contract.

    It takes every contract that `driftline.contract.parse` takes, and some more: JSON Schema cannot
    say that windows must fit the slot, or that a range must end after it starts.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "driftline contract",
        "description": "What is promised about one model.",
        **CONTRACT.schema(),
    }
