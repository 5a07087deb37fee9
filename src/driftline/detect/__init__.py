"""Detectors: what watches the panes and says that something has changed.

A *detector* is shown a model's merged pane once a slot and answers with *findings*: evidence that
crossed its threshold, with the size of the change and where it began, and later that it has gone
away. `evidence`, the default, bets on many kinds of change of every column at once; `correlation`
and `joint` watch how columns move together; river's detectors step on sampled values; `schema`
counts what is certain. They are built from a contract by `build`, and share its budget of false
pages. `Liveness` judges silence and volume, `Unread` the share of dead letters; neither needs a
reference. A `Drill` is a shadow of the detectors that sees a planted shift, to prove that they
ring.
"""

from __future__ import annotations

from driftline.detect.budget import budget_slots, split
from driftline.detect.correlation import Correlation
from driftline.detect.drill import Drill, Outcome
from driftline.detect.errors import ParameterError, StateError
from driftline.detect.evidence import Evidence
from driftline.detect.joint import Joint
from driftline.detect.law import Tolerances
from driftline.detect.liveness import Liveness
from driftline.detect.planting import makes_sense
from driftline.detect.protocol import Detector, Finding, FindingKind, Severity, Slot
from driftline.detect.registry import CERTAIN, STATISTICAL, build, build_segments
from driftline.detect.river_adapter import RiverDetector
from driftline.detect.river_table import RIVER
from driftline.detect.schema import Schema
from driftline.detect.unread import Unread

__all__ = [
    "CERTAIN",
    "RIVER",
    "STATISTICAL",
    "Correlation",
    "Detector",
    "Drill",
    "Evidence",
    "Finding",
    "FindingKind",
    "Joint",
    "Liveness",
    "Outcome",
    "ParameterError",
    "RiverDetector",
    "Schema",
    "Severity",
    "Slot",
    "StateError",
    "Tolerances",
    "Unread",
    "budget_slots",
    "build",
    "build_segments",
    "makes_sense",
    "split",
]
