"""What the demo plays: two models, their contracts, the worker's configuration, planted faults."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import yaml

from driftline.contract.quantities import format_duration, format_instant
from driftline.contract.types import DAY, MINUTE, SECOND
from driftline.simulate import START_US, Scenario, parse_fault, traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from driftline.simulate import Block, Fault

__all__ = [
    "LENGTH", "MODELS", "SLOT", "TAIL", "WINDOW", "Story", "encore", "story", "write_config",
    "write_contracts",
]  # fmt: skip

MODELS = ("credit-risk", "demand-forecast")
SEED = 3
RATE = 25.0
"""Predictions of each model a second: a slot of 10 s holds about 250."""
WARMUP = 15_000
"""Ten minutes of traffic."""
FAULTS = (
    "mean:credit-risk:age:+0.5sd@18m..24m",
    "missing:demand-forecast:stock:20%@21m..27m",
    "unit:credit-risk:income:x1000@30m..36m",
    "new_category:demand-forecast:store:5%@33m..39m",
)
LENGTH = 40 * MINUTE
TAIL = 30 * SECOND
"""Traffic after the last window, so that it closes: a slot, the lateness, and a margin."""
ENCORE = (
    "spread:credit-risk:debt_to_income:x2@2m..4m",
    "mean:demand-forecast:price:+1sd@7m..9m",
    "mix:credit-risk:country:20%@12m..14m",
    "stuck:demand-forecast:temperature@17m..19m",
)
ENCORE_LENGTH = 20 * MINUTE
WINDOW = MINUTE
"""Length of the windows by which the demo sees how far the worker is."""
LATENESS = 10 * SECOND
SLOT = 10 * SECOND
YEAR = 365 * DAY
TYPED = b'{"type":"prediction",'


@dataclass(frozen=True)
class Story(Scenario):
    """A scenario that remembers when the events of each faulty stretch took place."""

    seen: dict[str, list[npt.NDArray[np.int64]]] = field(default_factory=dict)

    def blocks(self, size: int = 5_000) -> Iterator[Block]:
        """Make the events in order of event time, and note those of faulty stretches."""
        for block in super().blocks(size):
            if any(self._planted(fault, block) for fault in self.faults):
                names = np.array([orjson.loads(value)["model"] for value in block.values])
                for model in MODELS:
                    self.seen.setdefault(model, []).append(block.ts[names == model])
            # On one topic with what services say of the models.
            yield block._replace(values=[TYPED + value[1:] for value in block.values])

    def _planted(self, fault: Fault, block: Block) -> bool:
        """Tell whether a block has events from while a fault holds."""
        end = self.start + (fault.end if fault.end is not None else LENGTH)
        return bool(block.ts[0] < end and block.ts[-1] >= self.start + fault.start)

    def count(self, model: str, start: int, end: int) -> int:
        """Count the events of a model in a span of event time that lies in a faulty stretch."""
        times = self.seen.get(model, [])
        return sum(int(((ts >= start) & (ts < end)).sum()) for ts in times)


def story(start: int = START_US) -> Story:
    """Return the demo's traffic: forty minutes of event time with four planted faults.

    Parameters
    ----------
    start
        Event time of the first event, microseconds since the epoch.
    """
    return Story(
        # Calm: ten minutes of warm-up cannot know what a day looks like.
        models=tuple(traffic(name, calm=True) for name in MODELS),
        faults=tuple(parse_fault(text) for text in FAULTS),
        start=start,
        rate=RATE,
        seed=SEED,
        duration=LENGTH + TAIL,
    )


def encore(before: Story) -> Story:
    """Return what follows a part without a gap: other events, other faults."""
    assert before.end is not None
    return replace(
        before,
        faults=tuple(parse_fault(text) for text in ENCORE),
        start=before.end,
        seed=before.seed + 1,
        duration=ENCORE_LENGTH,
        seen={},
    )


def write_contracts(folder: Path, start: int) -> list[Path]:
    """Write the contracts of both models; return their files.

    Demand forecast's says nothing of what its predictions decide, so that the feedback topic has
    a gap to tell of.
    """
    dates = {
        "review_by": format_instant(start + YEAR)[:10],
        "deprecate_after": format_instant(start + 2 * YEAR)[:10],
    }
    written = []
    for model, team in zip(MODELS, ("risk", "demand"), strict=True):
        contract: dict[str, Any] = {
            "model": model,
            "owner": {
                "team": f"{team}-ml",
                "contact": f"#{team}-ml",
                "escalation": f"{team}-oncall",
            },
            "runbook": f"https://wiki.example.com/runbooks/{model}",
            "slot": format_duration(SLOT),
            "lateness": format_duration(LATENESS),
            "windows": ["1m", "5m"],
            "reference": {"from": "warmup", "events": WARMUP},
            "retrain": {"at_most_every": "22m", "on": ["drift"]},
            "fallback": {"to": "rules-v1", "on": ["silence", "schema"], "release_after": "3m"},
            **dates,
        }
        if model == "credit-risk":
            contract["decision"] = {"act_when": "score >= 0.6", "action": "reject"}
        path = folder / f"{model}.yaml"
        path.write_text(yaml.safe_dump(contract, sort_keys=False), encoding="utf-8")
        written.append(path)
    return written


def write_config(folder: Path, bootstrap: str, prefix: str, port: int) -> Path:
    """Write the worker's configuration; return its file."""
    body = {
        "broker": {"bootstrap": bootstrap, "give_up_after": "10s"},
        "group": f"{prefix}worker",
        "prefix": prefix,
        # Each event says what it is: predictions, and what services say of the models.
        "inputs": [{"topic": f"{prefix}predictions"}],
        "contracts": [f"{model}.yaml" for model in MODELS],
        "outputs": {"partitions": len(MODELS)},
        "health": {"port": port},
        # Event time moves by events alone: a pause of the simulator is no idle partition.
        "idle_after": "1d",
        "datadir": str(folder / "data"),
    }
    path = folder / "driftline.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return path
