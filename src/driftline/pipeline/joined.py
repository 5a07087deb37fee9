"""Joined sums as messages on the `panes` topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.record import Source
from driftline.ledger.cell import Cell
from driftline.stats import WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.ledger.task import Task

__all__ = ["FORMAT", "Joined", "decode_joined", "encode_joined"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Joined:
    """What one ledger partition joined of one model in one slot of arrival.

    Attributes
    ----------
    start
        Of the slot, microseconds.
    cells
        By start of the predictions' quality window, microseconds.
    """

    model: str
    start: int
    source: Source
    cells: dict[int, Cell]


def encode_joined(
    model: str, start: int, source: Source, task: Task, span: int, cells: Mapping[int, Cell]
) -> bytes:
    """Write a message; equal sums give equal bytes.

    Parameters
    ----------
    span
        Length of a quality window, microseconds.
    """
    return orjson.dumps(
        {
            "v": FORMAT,
            "is": "joined",
            "model": model,
            "start": start,
            "source": str(source),
            "regression": task.regression,
            "span": span,
            "cells": [[window, cells[window].to_values()] for window in sorted(cells)],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def decode_joined(body: dict[str, Any], task: Task, span: int) -> Joined | None:
    """Read a decoded message.

    Returns
    -------
    None where it was summed for another promise: the contract has been changed meanwhile.

    Raises
    ------
    driftline.stats.WireError
        Not such a message, or of another format.
    """
    try:
        if body["v"] != FORMAT:
            msg = f"joined: expected format {FORMAT}, got {body['v']!r}"
            raise WireError(msg)
        if (body["regression"], body["span"]) != (task.regression, span):
            return None
        cells = {int(window): Cell.from_values(task, raw) for window, raw in body["cells"]}
        return Joined(body["model"], int(body["start"]), Source.parse(body["source"]), cells)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"joined: expected the fields of format {FORMAT}, got {error!r}"
        raise WireError(msg) from error
