"""How many pages there were and what people said of them, beside what is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from driftline.events.time import read_ts
from driftline.replay.durations import how_long

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["alarms_in_words", "alarms_of"]


def alarms_of(windows: Path) -> dict[str, dict[str, Any]]:
    """Read what was last told of each model's alarms (`driftline.events.windows.AlarmsWindow`)."""
    found: dict[str, dict[str, Any]] = {}
    with windows.open("rb") as file:
        for line in file:
            if b'"kind":"alarms"' not in line:
                continue
            told = orjson.loads(line)
            held = found.get(told["model"])
            if held is None or told["number"] > held["number"]:
                found[told["model"]] = told
    return dict(sorted(found.items()))


def alarms_in_words(told: dict[str, Any]) -> str:
    """Say it: "14 pages in 90 days: 11 judged true, 3 false (promised: 3), none unjudged"."""
    pages = told["pages"]
    span = how_long((read_ts(told["as_of"]) - read_ts(told["since"])) / 1e6)
    count = f"{pages['told']:,} page{'' if pages['told'] == 1 else 's'} in {span}"
    promised = f"promised at most {pages['promised_false']:.3g} false"
    if not pages["told"]:
        return f"No page in {span}; {promised}."
    parts = [f"{pages['true']:,} judged true", f"{pages['false']:,} false ({promised})"]
    if pages["expected"]:
        parts.append(f"{pages['expected']:,} expected")
    parts.append(f"{pages['unjudged'] or 'none'} not judged")
    if told["withheld"]:
        parts.append(f"{told['withheld']:,} more held back")
    return f"{count}: {', '.join(parts)}."
