"""Live output topics as files in canonical order, to be compared with a replay's."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from driftline.bus.reader import read
from driftline.replay.canonical import Sorted, event_key, is_live, window_key
from driftline.replay.judge import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.bus.config import BrokerConfig

__all__ = ["export"]


def export(
    broker: BrokerConfig,
    prefix: str,
    out: Path,
    progress: Callable[[str, int], None] = lambda _topic, _records: None,
) -> dict[str, int]:
    """Read windows, alerts and feedback to their ends, and write each as lines, sorted.

    What was published more than once (after a crash) is written once, and what only a running
    worker can see (`bus.unread`) is left out: no replay has it.

    Parameters
    ----------
    prefix
        Of driftline's topics.
    progress
        Called after each chunk with the topic and the number of records in it.

    Returns
    -------
    dict
        Lines by output, and under ``differing`` how many came twice with different content.

    Raises
    ------
    driftline.bus.errors.BrokerUnreachable, driftline.bus.errors.TopicsError
    DriftlineError
        Something else stands on one of the topics.
    """
    out.mkdir(parents=True, exist_ok=True)
    spool = Path(mkdtemp(prefix=".spool-", dir=out))
    counts: dict[str, int] = {}
    differing = 0
    try:
        for name in OUTPUTS:
            key_of = window_key if name == "windows" else event_key
            held = Sorted(spool)
            for _, records in read(broker, prefix + name):
                # A tombstone takes back nothing that was said.
                values = [bytes(r.value) for r in records if r.value is not None]
                held.extend((key_of(value), value) for value in values if not is_live(value))
                progress(prefix + name, len(records))
            counts[name] = held.write(out / f"{name}.jsonl")
            differing += held.differing
    finally:
        shutil.rmtree(spool, ignore_errors=True)
    return {**counts, "differing": differing}
