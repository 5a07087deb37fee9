"""Open slots and panes in a model's snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.frame import segment_of
from driftline.ledger.cell import Cell
from driftline.pipeline.slots import OpenSlot
from driftline.stats import decode_statistics, encode_statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.events.frame import Segment
    from driftline.ledger.task import Task
    from driftline.stats import Pane, Reference

    Find = Callable[[str, str], Reference | None]

__all__ = ["read_panes", "read_slot", "save_panes", "save_slot"]


def save_panes(panes: dict[tuple[Segment, str], Pane]) -> list[Any]:
    """Return panes by segment and reference as JSON values."""
    return [
        [
            [list(pair) for pair in segment],
            on,
            orjson.loads(
                orjson.dumps(encode_statistics(pane, pane.raw), option=orjson.OPT_SERIALIZE_NUMPY)
            ),
        ]
        for (segment, on), pane in sorted(panes.items(), key=lambda item: item[0])
    ]


def read_panes(saved: list[Any], model: str, find: Find) -> dict[tuple[Segment, str], Pane]:
    """Return what `save_panes` took."""
    return {
        (segment_of(segment), on): decode_statistics(body, model, find)
        for segment, on, body in saved
    }


def save_slot(slot: OpenSlot) -> list[Any]:
    """Return an open slot as JSON values and bytes."""
    joined = [[window, cell.to_values()] for window, cell in sorted(slot.joined.items())]
    return [save_panes(slot.panes), sorted(slot.topics), sorted(slot.notes), joined]


def read_slot(saved: list[Any], model: str, find: Find, task: Task | None) -> OpenSlot:
    """Return what `save_slot` took."""
    panes, topics, notes, joined = saved
    cells = {window: Cell.from_values(task, raw) for window, raw in joined} if task else {}
    return OpenSlot(read_panes(panes, model, find), set(topics), set(notes), cells)
