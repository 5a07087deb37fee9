"""The pipeline as pure objects: observe, detect, and what they share.

`Observe` turns the records of one source partition into panes; `Detect` turns panes into windows,
alerts and feedback. Neither knows Kafka or the clock, so the worker and `driftline replay` run the
same objects and publish the same bytes.
"""

from __future__ import annotations

from driftline.pipeline.build import reference_from_records
from driftline.pipeline.checkpoint import Checkpoint, CheckpointError
from driftline.pipeline.detect import Detect
from driftline.pipeline.emission import Emission
from driftline.pipeline.observe import Observe
from driftline.pipeline.output import Output
from driftline.pipeline.references import ALWAYS, References, reference_message

__all__ = [
    "ALWAYS",
    "Checkpoint",
    "CheckpointError",
    "Detect",
    "Emission",
    "Observe",
    "Output",
    "References",
    "reference_from_records",
    "reference_message",
]
