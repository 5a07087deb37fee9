"""What goes to the ledger, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from driftline.contract import Book, parse
from driftline.events.frame import Frame
from driftline.events.record import Source
from driftline.ledger.packing import LedgerError, Packer, unpack

if TYPE_CHECKING:
    from driftline.events.frame import EventType

SOURCE = Source("t", 3)


def book(text: str) -> Book:
    return Book((parse(text, "m.yaml"),))


JOINS = book("{model: m, quality: {metric: auc, at_least: 0.6}}")


def frame(kind: EventType, ids: list[str], model: str = "m") -> Frame:
    rows = np.arange(len(ids), dtype=np.int64)
    made = Frame(model, kind, rows * 10, rows, rows * 0, ids=ids)
    if kind == "label":
        made.values["label"] = [1] * len(ids)
    else:
        made.columns["prediction"] = ["1"] * len(ids)
        made.columns["score"] = [0.5] * len(ids)
        made.columns["age"] = [41.0] * len(ids)
    return made


def packed(which: Book, kind: EventType, ids: list[str], partitions: int) -> dict[str, int]:
    """Partition of each id."""
    packer = Packer(which, SOURCE, partitions)
    packer.add(frame(kind, ids), np.zeros(len(ids), dtype=np.int64), np.ones(len(ids), np.bool_))
    return {
        name: partition
        for partition, value in packer.take()
        for section in unpack(value).sections
        for name in section.ids
    }


IDS = [f"id-{number}" for number in range(2_000)]


def test_an_id_has_one_partition_whatever_the_event_is() -> None:
    predictions = packed(JOINS, "prediction", IDS, 8)
    labels = packed(JOINS, "label", IDS[::-1], 8)
    assert predictions == labels
    sizes = np.bincount(list(predictions.values()))
    assert sizes.size == 8
    assert sizes.min() > 180


def test_a_share_keeps_the_same_ids_of_every_event() -> None:
    some = book("{model: m, quality: {metric: auc, at_least: 0.6}, ledger: {share: 10%}}")
    kept = packed(some, "prediction", IDS, 8)
    assert kept.keys() == packed(some, "label", IDS, 1).keys()
    assert 150 < len(kept) < 250
    # The sample is spread over all partitions.
    assert set(kept.values()) == set(range(8))


def test_a_model_that_joins_nothing_sends_nothing() -> None:
    packer = Packer(JOINS, SOURCE, 2)
    every = np.ones(2, dtype=np.bool_)
    packer.add(frame("prediction", ["a", "b"], "other"), np.zeros(2, dtype=np.int64), every)
    packer.add(frame("features", ["a", "b"]), np.zeros(2, dtype=np.int64), every)
    packer.add(frame("label", ["a", "b"]), np.zeros(2, dtype=np.int64), ~every)
    assert packer.take() == []


def test_only_what_joins_need_is_sent() -> None:
    packer = Packer(JOINS, SOURCE, 1)
    packer.add(frame("prediction", ["a"]), np.zeros(1, dtype=np.int64), np.ones(1, np.bool_))
    ((_, value),) = packer.take()
    message = unpack(value)
    (section,) = message.sections
    assert message.source == "t/3"
    assert section.fields == {"prediction": ["1"], "score": [0.5]}
    assert packer.take() == []


@pytest.mark.parametrize("value", [b"", b"\x93\x02\xa1x\x90", b"[1,2]", b"\xff"])
def test_what_is_not_ours_is_named(value: bytes) -> None:
    with pytest.raises(LedgerError, match="ledger topic: expected"):
        unpack(value)
