"""The events from around an incident's change, from whatever sources are at hand."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from driftline.contract.types import HOUR, MINUTE
from driftline.errors import BrokerError
from driftline.replay.explain.reel import MOST_RECORDS, stretch_around
from driftline.replay.explain.reels import open_inputs, open_sources
from driftline.replay.explain.rows import Rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from driftline.bus.config import Config
    from driftline.replay.explain.case import Case
    from driftline.replay.explain.reel import Reel

__all__ = ["beside", "read_rows"]

LATENESS = MINUTE


def read_rows(case: Case, sources: Sequence[str], config: Config, *, live: bool) -> Rows:
    """Read events from before the change until after it.

    Parameters
    ----------
    sources
        As `driftline replay` takes them; in their place the input topics where `live`.

    Raises
    ------
    DriftlineError
        A source that was named cannot be read.
    """
    contract, around, model = case.contract, case.around, case.found.model
    ahead = HOUR if contract is None else contract.max_ahead
    slack = LATENESS if contract is None else contract.lateness
    # An event's time may run ahead of its record's by so much, and no more.
    start = around.first - ahead
    opened: AbstractContextManager[list[Reel]] = nullcontext([])
    if sources:
        opened = open_sources(sources, model, config, start)
    elif live:
        opened = open_inputs(config, start)
    try:
        return _read(case, opened, slack)
    except BrokerError as error:
        if sources:
            raise
        # Whoever may not read the inputs still wants to know what was said.
        return Rows.none(f"the events could not be read: {error}")


def _read(case: Case, opened: AbstractContextManager[list[Reel]], slack: int) -> Rows:
    with opened as reels:
        most = MOST_RECORDS // max(1, sum(reel.ends[0] < reel.ends[1] for reel in reels))
        taken = [(reel, stretch_around(reel, case.around, slack, most)) for reel in reels]
        # Inside: where a row of a file stood, the file still has to say.
        return rows_of(case.found.model, case.segment, case.around, taken)


def beside(folder: Path) -> list[str]:
    """Find the files that a replay was made of, where they lie near its outputs.

    A replay names its sources without their folders, so that its outputs do not depend on them.
    """
    path = folder / "summary.json"
    if not path.is_file():
        return []
    found = []
    for source in orjson.loads(path.read_bytes())["sources"]:
        name = str(source["name"]).rpartition("/")[0]
        kind, equals, rest = name.rpartition("=")
        places = [where / rest for where in (Path(), folder, folder.parent)]
        there = next((place for place in places if place.is_file()), None)
        if there is not None:
            found.append(f"{kind}{equals}{there}")
    return found
