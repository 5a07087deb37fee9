"""The programs of a throughput run: what each is called, how much it reads, how it is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.bench.environments import Unavailable, interpreter, pins

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.bench.traffic import Bus, Load

__all__ = ["ALL", "BASE", "RATIOS", "Entrant", "Field", "choose"]

LAUNCH = Path(__file__).with_name("launch.py")
PEERS = Path(__file__).parents[3] / "tests" / "perf" / "peers"
"""Programs of other libraries; they are in the checkout, not in the package."""
FOREIGN = {
    "quix": pins("quixstreams==3.28.1"),
    "bytewax": pins("bytewax==0.21.1", "confluent-kafka==2.12.2"),
}
TITLES = {
    "decode": "aiokafka + orjson, nothing else",
    "worker": "driftline worker",
    "quality": "driftline worker, half of the events labels that it joins",
    "replay": "driftline replay",
    "faust": "Faust + river ADWIN",
    "quix": "Quix Streams + river ADWIN",
    "bytewax": "Bytewax + river ADWIN",
}
ALL = tuple(TITLES)
BASE = "decode"
RATIOS = (
    ("worker", "decode"),
    ("worker", "faust"),
    ("worker", "quix"),
    ("worker", "bytewax"),
    ("replay", "worker"),
    ("quality", "worker"),
)
FAUST_EVENTS = 100_000
"""It is an order of magnitude slower than the others; its rate is the same over more."""


@dataclass(frozen=True)
class Field:
    """What every program of a run is given."""

    bus: Bus
    load: Load
    contract: Path
    folder: Path


@dataclass(frozen=True)
class Entrant:
    """One program.

    Attributes
    ----------
    events
        How many of the events it reads.
    command
        Prepares a round (a group and topics of its own) and returns the arguments to start it.
    optional
        A failure is a reason to leave it out, not to stop.
    """

    key: str
    title: str
    events: int
    command: Callable[[int], list[str]]
    optional: bool = False


def choose(
    names: tuple[str, ...], field: Field, labelled: Field | None, notify: Callable[[str], None]
) -> tuple[list[Entrant], dict[str, str]]:
    """Make the programs that were asked for.

    Parameters
    ----------
    labelled
        What those are given that join labels.

    Returns
    -------
    The programs, and for each that cannot be had the reason, by key.
    """
    made: list[Entrant] = []
    skipped: dict[str, str] = {}
    for name in names:
        if name == "worker":
            made.append(_worker(name, field))
        elif name == "quality":
            assert labelled is not None
            made.append(_worker(name, labelled))
        elif name == "replay":
            made.append(_replay(field))
        elif name == "decode":
            made.append(_peer(name, "aiokafka_orjson", sys.executable, field))
        elif name == "faust":
            made.append(_peer(name, "stock_faust", sys.executable, field, FAUST_EVENTS))
        else:
            try:
                python = interpreter(name, FOREIGN[name], notify)
            except Unavailable as reason:
                skipped[name] = str(reason)
                notify(f"{TITLES[name]} is left out: {reason}")
                continue
            made.append(_peer(name, f"{name}_river", str(python), field, optional=True))
    return made, skipped


def _peer(
    key: str,
    program: str,
    python: str,
    field: Field,
    most: int | None = None,
    *,
    optional: bool = False,
) -> Entrant:
    events = min(field.load.events, most or field.load.events)

    def command(number: int) -> list[str]:
        folder = field.folder / f"{key}-{number}"
        folder.mkdir()
        given = {
            "bootstrap": field.bus.bootstrap,
            "topic": field.bus.topic,
            "group": f"{field.bus.name}-{key}-{number}",
            "folder": folder,
            "events": events,
            "partitions": field.bus.partitions,
        }
        options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        # Isolated: no variable of the environment changes what a peer imports.
        return [python, "-E", "-s", str(LAUNCH), str(PEERS / f"{program}.py"), *options]

    return Entrant(key, TITLES[key], events, command, optional)


def _worker(key: str, field: Field) -> Entrant:
    joined = field.load.all if field.bus.labels else 0

    def command(number: int) -> list[str]:
        prefix = f"{field.bus.name}.worker-{number}."
        fan_out = field.bus.create_outputs(prefix)
        config = field.bus.write_config(field.folder, prefix, field.contract)
        return [
            *_watched(field.load.all, fan_out, joined),
            "worker",
            "--config",
            str(config),
        ]

    return Entrant(key, TITLES[key], field.load.all, command)


def _replay(field: Field) -> Entrant:
    def command(number: int) -> list[str]:
        out = field.folder / f"replay-{number}"
        source = f"kafka://{field.bus.bootstrap}/{field.bus.topic}"
        driftline = ["replay", source, "--contract", str(field.contract), "--out", str(out)]
        return [*_watched(field.load.all, 1), *driftline]

    return Entrant("replay", TITLES["replay"], field.load.all, command)


def _watched(events: int, fan_out: int, joined: int = 0) -> list[str]:
    given = {"events": events, "fan-out": fan_out, "joined": joined}
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "driftline.bench.watched", *options, "--"]
