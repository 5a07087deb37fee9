"""What `driftline reference check` says beforehand of the changes that are planted."""

from __future__ import annotations

import math
import zlib
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from driftline.bench.detectors.changes import CHANGES
from driftline.bench.detectors.law import EVENTS, draw_reference
from driftline.bench.detectors.watched import contract_for
from driftline.detect.foresee import foresee

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.stats import Reference

__all__ = ["Asked", "Told", "ask", "gather"]

COLUMNS = 4
"""Columns of each reference that are asked about."""


class Asked(NamedTuple):
    """All changes that can be foretold, on one reference draw."""

    number: int
    seed: int
    detectors: tuple[str, ...] | None
    changes: tuple[str, ...]


class Told(NamedTuple):
    """Median events to the page of one change of one column; infinite where it is never seen."""

    change: str
    events: float


def ask(asked: Asked) -> list[Told]:
    """Foresee changes in one column; a pure function of its argument.

    Only what `evidence` sees of single columns is foretold, with its part of the whole budget.
    """
    found = []
    references: dict[str, Reference] = {}
    for name in asked.changes:
        change = CHANGES[name]
        assert change.planted is not None
        contract = contract_for(change.before.slot, None, asked.detectors)
        before = change.before.name
        if before not in references:
            rng = np.random.default_rng([asked.seed, asked.number, zlib.crc32(b"foretold")])
            references[before] = draw_reference(change.before, contract, rng)
        reference = references[before]
        some = np.arange(*change.columns)[:COLUMNS].tolist()
        only = [change.before.names[i] for i in some]
        told = foresee(reference, contract, EVENTS, only=only, shifts=[change.planted])
        found += [Told(name, math.inf if f.events is None else f.events) for f in told.found]
    return found


def gather(told: Sequence[Told]) -> dict[str, float]:
    """Return the median of what was told of each change."""
    events: dict[str, list[float]] = {}
    for each in told:
        events.setdefault(each.change, []).append(each.events)
    return {name: float(median(held)) for name, held in events.items()}
