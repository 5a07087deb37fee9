"""Statistics that merge exactly: panes, windows and references.

A *pane* summarises one slot of one source partition. All it holds is integer counts, sums in fixed
point, minima, maxima and a bottom-k sample, so panes merge in any order to the same bits. A
*window* is panes merged over partitions and slots. The *reference* fixes the bins and says what is
normal.
"""

from __future__ import annotations

from driftline.stats.column import OTHER, Column, build_column, is_prediction_column
from driftline.stats.fold import Folded, bin_raw, fold
from driftline.stats.pane import Pane, PaneKey
from driftline.stats.raw import RawRows
from driftline.stats.reference import ABSENT, BadReferenceError, Reference, infer_kind
from driftline.stats.sample import Sample
from driftline.stats.segments import in_words, with_segments
from driftline.stats.window import Windows
from driftline.stats.wire import (
    PaneMessage,
    UnknownReferenceError,
    WireError,
    decode_pane,
    decode_statistics,
    encode_pane,
    encode_statistics,
)

__all__ = [
    "ABSENT",
    "OTHER",
    "BadReferenceError",
    "Column",
    "Folded",
    "Pane",
    "PaneKey",
    "PaneMessage",
    "RawRows",
    "Reference",
    "Sample",
    "UnknownReferenceError",
    "Windows",
    "WireError",
    "bin_raw",
    "build_column",
    "decode_pane",
    "decode_statistics",
    "encode_pane",
    "encode_statistics",
    "fold",
    "in_words",
    "infer_kind",
    "is_prediction_column",
    "with_segments",
]
