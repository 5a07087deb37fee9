"""Events of many models as lines, from a process of its own: ``python -m driftline.bench.stream``.

Making events takes far more memory than watching them, so whoever measures memory reads a pipe.
"""

from __future__ import annotations

import argparse
import sys

from driftline.bench.errors import BenchError
from driftline.simulate import Scenario, traffic

__all__ = ["model_names", "scenario"]

BLOCK_ROWS = 1_000


def model_names(count: int) -> list[str]:
    """Name so many models."""
    return [f"model-{number:04d}" for number in range(count)]


def scenario(features: int, models: int, per_slot: int, slots: int, slot_s: float) -> Scenario:
    """Independent normal features for each model, about `per_slot` events of each in a slot."""
    return Scenario(
        models=tuple(traffic(f"{name}=bench-{features}") for name in model_names(models)),
        rate=per_slot / slot_s,
        duration=round(slots * slot_s * 1e6),
    )


def main() -> None:
    """Write one event a line."""
    parser = argparse.ArgumentParser()
    for name in ("features", "models", "per-slot", "slots"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--slot-s", type=float, required=True)
    given = parser.parse_args()
    made = scenario(given.features, given.models, given.per_slot, given.slots, given.slot_s)
    try:
        for block in made.blocks(BLOCK_ROWS):
            sys.stdout.buffer.write(b"\n".join(block.values) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        msg = "whoever read the events went away"
        raise BenchError(msg) from error


if __name__ == "__main__":
    main()
