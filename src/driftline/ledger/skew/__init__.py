"""Training-serving skew: the same row as it was served and as it is recomputed offline.

A *pair* is the feature row that a prediction was made with and the row of the same prediction
that the training pipeline makes of it later. `rows` are pairs as columns, `verdicts` what each
feature of each pair amounts to within a `tolerance`. They are summed into a `sums.Skew`, which
merges bit for bit: whole numbers by feature, a bounded `sample` of mismatched values, and a bounded
`history` of what the training values of some entities were. `watch` steps on these sums: it bets
against the allowed rate (`rates`), remembers `recent` mismatches and the history (`memory`), and
tells in words what is wrong (`naming`, with `numbers`, `rounding` and `levels` for the kinds).

How a stale value is known
--------------------------
A value is stale if serving gave what training says the same entity had *before*. A pair does not
show that; only earlier rows of the entity do. The pair meets in the ledger partition of its
prediction, the entity's other rows in other partitions, and events of recomputed features do not
even name the entity, so that no join could look it up without sending every row twice. The sums
therefore carry it: of the entities with the smallest hashes (a sample that any cut and order leaves
the same) every row, and of each feature not the value but 16 bits of a hash of it, rounded so that
what is equal within the tolerance can still be found. That takes 24 bytes a row and 2 a feature: a
cell of 64 kB has all rows of a thousand pairs of 20 features, or of 290 of 100 features, and where
more come, those of fewer entities. Half of the mismatches in the sample are chosen by entity too,
in the same order, so that they meet their history. Whoever watches keeps earlier cells' rows.

What cannot be known: a value that no earlier pair of the entity ever had (it changed more often
than the entity was asked about) is told as another kind, "other" at worst. Nor is a flip of a
feature with two values told apart from anything else: there is only one way to be wrong.

Without pairs there is only what serving's and training's distributions say, and that serving
differs from a reference is drift, which has detectors of its own: nothing here feigns it.
"""

from __future__ import annotations

from driftline.ledger.skew.plan import Plan
from driftline.ledger.skew.rows import SkewRows
from driftline.ledger.skew.sums import Skew
from driftline.ledger.skew.tolerance import Tolerance, Tolerances
from driftline.ledger.skew.watch import SkewWatch

__all__ = ["Plan", "Skew", "SkewRows", "SkewWatch", "Tolerance", "Tolerances"]
