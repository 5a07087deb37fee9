"""Simulated events as tables: one csv or parquet file for each model and type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import csv, parquet

from driftline.simulate.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from types import TracebackType

    from driftline.events.frame import EventType
    from driftline.simulate.block import Block
    from driftline.simulate.kinds import FaultKind
    from driftline.simulate.scenario import Scenario
    from driftline.simulate.traffic import Traffic

__all__ = ["TableWriter"]

TEXT, REAL, WHOLE, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
FEATURES = {"numeric": REAL, "integer": WHOLE, "categorical": TEXT, "boolean": FLAG}
FOLLOWING: dict[str, dict[str, Any]] = {
    "decision": {
        "action": TEXT, "recommended": TEXT, "actor": TEXT, "arm": TEXT, "propensity": REAL,
    },
    "outcome": {"value": REAL, "kind": TEXT},
    "lifecycle": {"kind": TEXT, "version": TEXT, "why": TEXT},
}  # fmt: skip


class TableWriter:
    """Writes blocks into tables whose columns are known beforehand.

    Raises
    ------
    ScenarioError
        Where a column would hold two types (a schema fault of form string or number), or where a
        csv file would have to hold an object (class probabilities).
    """

    def __init__(self, scenario: Scenario, folder: Path, form: Literal["csv", "parquet"]) -> None:
        self._folder = folder
        self._form = form
        self._open: dict[tuple[str, str], Any] = {}
        self._schemas: dict[tuple[str, str], pa.Schema] = {}
        for fault in scenario.faults:
            if fault.form in {"string", "number"}:
                msg = f"fault {str(fault)!r}: a {form} column has one type; write jsonl instead"
                raise ScenarioError(msg)
        for model in scenario.models:
            appear = [
                f.feature or ""
                for f in scenario.faults
                if f.form == "appear" and f.model == model.name
            ]
            if form == "csv" and pa.types.is_struct(_answer(model)["prediction"]):
                msg = f"{model.name} predicts class probabilities, which csv cannot hold"
                raise ScenarioError(msg + "; write jsonl or parquet instead")
            kinds = {fault.kind for fault in scenario.faults if fault.model == model.name}
            for kind, fields in _fields(model, appear, scenario.segment, kinds):
                self._schemas[model.name, kind] = pa.schema(list(fields.items()))

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._open.values():
            writer.close()

    def write(self, block: Block) -> None:
        """Add a block's events to their tables."""
        rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for kind, value in zip(block.types, block.values, strict=True):
            event = orjson.loads(value)
            features = event.pop("features", {})
            event |= {f"features.{name}": v for name, v in features.items()}
            event |= {f"segment.{name}": v for name, v in event.pop("segment", {}).items()}
            event["type"] = kind
            rows.setdefault((event["model"], kind), []).append(event)
        for key, found in rows.items():
            self._writer(key).write_table(pa.Table.from_pylist(found, self._schemas[key]))

    def _writer(self, key: tuple[str, str]) -> Any:
        if key not in self._open:
            model, kind = key
            # A model's name may hold what a file's name may not.
            safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in model)
            path = self._folder / f"{safe}.{plural(kind)}.{self._form}"
            make = parquet.ParquetWriter if self._form == "parquet" else csv.CSVWriter
            self._open[key] = make(str(path), self._schemas[key])
        return self._open[key]


def plural(kind: EventType | str) -> str:
    """Return the name of an event type's topic: ``predictions`` for ``prediction``."""
    return kind if kind in {"features", "lifecycle"} else f"{kind}s"


def _answer(model: Traffic) -> dict[str, Any]:
    sample = {name: orjson.loads(t[0]) for name, t in model.answer(np.zeros(1)).items()}
    return {name: _type(value) for name, value in sample.items()}


def _type(value: Any) -> Any:
    if isinstance(value, dict):
        return pa.struct([(name, REAL) for name in value])
    return TEXT if isinstance(value, str) else REAL


def _fields(
    model: Traffic, appear: list[str], segment: tuple[str, ...], faults: Collection[FaultKind]
) -> Iterator[tuple[str, dict[str, Any]]]:
    head = {"type": TEXT, "model": TEXT, "ts": TEXT, "prediction_id": TEXT}
    # A mistake may serve what has a fraction in the place of a whole number.
    types = FEATURES | ({"integer": REAL} if "skew" in faults else {})
    whole = {f"features.{f.name}": types[f.kind] for f in model.features}
    features = whole | {f"features.{name}": REAL for name in appear}
    features |= {f"segment.{f.name}": TEXT for f in model.features if f.name in segment}
    arm = {"arm": TEXT, "propensity": REAL} if "holdout" in faults else {}
    about = {"version": TEXT, "entity_id": TEXT}
    yield "prediction", head | about | _answer(model) | arm | features
    yield "features", head | {"source": TEXT} | whole
    label = model.label(np.zeros(1), np.random.default_rng(0))[0]
    yield "label", head | {"label": _type(label)}
    reason = {"reason": TEXT} if "people" in faults else {}
    for kind, fields in FOLLOWING.items():
        yield kind, head | fields | (reason if kind == "decision" else {})
