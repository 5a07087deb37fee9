"""Events a second, one core each, the same events for all, in turns."""

from __future__ import annotations

import tempfile
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.bench.cores import choose as choose_cores
from driftline.bench.cores import on_cores
from driftline.bench.entrants import ALL, TITLES, Field, choose
from driftline.bench.errors import BenchError
from driftline.bench.machine import describe
from driftline.bench.process import measure
from driftline.bench.results import Round, Throughput
from driftline.bench.traffic import RATE, Bus, promise_quality, write_contract
from driftline.broker import open_broker
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.bench.entrants import Entrant

__all__ = ["run"]

RUN_S = 180.0
"""Bound for one program's run; the slowest takes 20 s on a machine with nothing else to do."""
LIMIT_S = 720.0
"""No round begins after this, so that the whole ends within a quarter of an hour."""


def run(
    events: int,
    rounds: int,
    partitions: int,
    names: tuple[str, ...],
    notify: Callable[[str], None],
) -> Throughput:
    """Load a broker once and let the programs read it in turns.

    Parameters
    ----------
    events
        Events on the broker.
    rounds
        Each program runs once a round; the order is turned by one from round to round, so that no
        program always has the warmest machine.
    partitions
        Of the input topic.
    names
        Which programs, of `ALL`.

    Raises
    ------
    UsageError
        A program is asked for that does not exist.
    BenchError
        A program failed.
    """
    strange = sorted(set(names) - set(ALL))
    if strange:
        msg = f"--peers: expected some of {', '.join(ALL)}, got {', '.join(strange)}"
        raise UsageError(msg)
    begun = time.monotonic()
    cores = choose_cores()
    broker = open_broker(notify=notify)
    with on_cores(cores.others):
        broker.start()
    with broker, tempfile.TemporaryDirectory(prefix="driftline-bench-") as temporary:
        folder = Path(temporary)
        bus = Bus(broker.bootstrap, f"bench-{uuid.uuid4().hex[:8]}", partitions)
        bus.create_input({})
        notify(f"sending {events:,} events to {bus.topic} on {bus.bootstrap}")
        with on_cores(cores.others):
            load = bus.load(events)
            contract = write_contract(folder)
        field = Field(bus, load, contract, folder)
        labelled = None
        if "quality" in names:
            pairs = replace(bus, name=f"{bus.name}-pairs", labels=True)
            pairs.create_input({})
            with on_cores(cores.others):
                both = pairs.load(events)
            labelled = Field(pairs, both, promise_quality(contract), folder)
        entrants, skipped = choose(tuple(n for n in ALL if n in names), field, labelled, notify)
        found: dict[str, list[Round]] = {entrant.key: [] for entrant in entrants}
        for number in range(rounds):
            if number and time.monotonic() - begun > LIMIT_S:
                notify(f"out of time: {number} of {rounds} rounds")
                break
            turn = number % max(1, len(entrants))
            for entrant in entrants[turn:] + entrants[:turn]:
                if entrant.key not in skipped:
                    _take(entrant, number, cores.measured, found, skipped, notify)
        return Throughput(
            machine=describe(cores),
            note=_note(),
            events=load.events,
            bytes_each=load.bytes_each,
            event_rate=RATE,
            partitions=partitions,
            titles={key: TITLES[key] for key in ALL if key in names},
            rounds={key: done for key, done in found.items() if key not in skipped},
            skipped=skipped,
            seconds=time.monotonic() - begun,
        )


def _note() -> str:
    """Say what is not alike in what is compared."""
    return (
        "not alike: the peers' ADWIN steps on every value; driftline's adwin on the mean of each "
        "slot; its own detectors, statistics and windows take in every value"
    )


def _take(
    entrant: Entrant,
    number: int,
    cores: frozenset[int],
    found: dict[str, list[Round]],
    skipped: dict[str, str],
    notify: Callable[[str], None],
) -> None:
    try:
        said = measure(entrant.command(number), timeout_s=RUN_S, cores=cores)
    except BenchError as error:
        if not entrant.optional:
            raise
        skipped[entrant.key] = str(error)
        notify(f"{entrant.title} is left out: {error}")
        return
    done = Round.of(said)
    found[entrant.key].append(done)
    notify(
        f"round {number + 1}, {entrant.title}: {done.events:,} events in {done.wall_s:.1f} s, "
        f"{done.per_cpu_s:,.0f} a CPU second"
    )
