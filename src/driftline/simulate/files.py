"""Simulated traffic as files, with the truth beside them."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

from driftline.simulate.errors import ScenarioError
from driftline.simulate.tables import TableWriter
from driftline.simulate.truth import truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from driftline.simulate.block import Block
    from driftline.simulate.scenario import Scenario

__all__ = ["FileForm", "to_files", "write_truth"]

FileForm = Literal["jsonl", "csv", "parquet"]


class _Writer(Protocol):
    def write(self, block: Block) -> None: ...


def to_files(
    scenario: Scenario,
    folder: Path,
    form: FileForm = "jsonl",
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write a scenario's events and its truth into a folder.

    Parameters
    ----------
    folder
        Made if it is not there; files of the same names are replaced.
    form
        "jsonl": one file ``events.jsonl`` of all events in order of time, each with its ``type``.
        "csv", "parquet": one table for each model and type, ``credit-risk.predictions.parquet``,
        with one column for each feature, prefixed ``features.``.
    progress
        Called with the number of events after each block.

    Returns
    -------
    dict
        The truth, as it stands in ``truth.json``.

    Raises
    ------
    ScenarioError
        Where the scenario has no end, or a table cannot hold it.
    """
    if scenario.end is None and scenario.events is None:
        msg = "files need an end: give a duration or a number of events"
        raise ScenarioError(msg)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        # The writer refuses what it cannot hold before the folder is touched.
        writer: _Writer
        if form == "jsonl":
            folder.mkdir(parents=True, exist_ok=True)
            writer = _Lines(stack, folder / "events.jsonl")
        else:
            writer = stack.enter_context(TableWriter(scenario, folder, form))
        for block in scenario.blocks():
            writer.write(block)
            counts.update(block.types)
            if progress is not None:
                progress(block.size)
    return write_truth(scenario, folder / "truth.json", counts)


def write_truth(scenario: Scenario, path: Path, counts: Counter[str]) -> dict[str, Any]:
    """Write the truth as indented JSON and return it."""
    told = truth(scenario, counts)
    path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return told


class _Lines:
    def __init__(self, stack: ExitStack, path: Path) -> None:
        self._file = stack.enter_context(path.open("wb"))

    def write(self, block: Block) -> None:
        heads = {kind: b'{"type":"%b",' % kind.encode() for kind in set(block.types)}
        pairs = zip(block.types, block.values, strict=True)
        self._file.writelines(heads[kind] + value[1:] + b"\n" for kind, value in pairs)
