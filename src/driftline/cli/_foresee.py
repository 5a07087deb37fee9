"""What `driftline reference check` asks of the detectors, and the progress it shows."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from driftline.contract.quantities import parse_duration
from driftline.detect.foresee import foresee
from driftline.errors import UsageError
from driftline.replay.foretold import Told

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.stats import Reference


def foretell(
    contract: Contract,
    reference: Reference,
    events_per_slot: float | None,
    horizon: str | None,
    features: list[str],
    seed: int,
) -> Told:
    """Run the simulations, with a progress bar where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    rows = _rows(contract, reference) if events_per_slot is None else events_per_slot
    slots = None if horizon is None else _slots(horizon, contract.slot)
    columns = (
        TextColumn("planting shifts"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("", total=None)
        foresight = foresee(
            reference,
            contract,
            rows,
            only=features,
            horizon=slots,
            seed=seed,
            tell=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return Told(contract, reference, foresight)


def _rows(contract: Contract, reference: Reference) -> float:
    if reference.slots:
        return reference.events / reference.slots
    rate = contract.sla.min_rate
    if rate is not None:
        return rate.count * contract.slot / rate.per
    msg = (
        f"{contract.model}: the reference has no time and the contract no $.sla.min_rate: "
        "say --events-per-slot"
    )
    raise UsageError(msg)


def _slots(text: str, slot: int) -> int:
    try:
        return max(1, math.ceil(parse_duration(text) / slot))
    except ValueError:
        msg = f"--horizon: expected a duration such as 12h or 2d, got {text!r}"
        raise UsageError(msg) from None
