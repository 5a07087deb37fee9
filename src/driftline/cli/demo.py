"""Show two models, planted faults and the alerts about them, on a real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shlex
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Self

    from driftline.broker.protocol import Broker
    from driftline.bus.config import Config
    from driftline.cli._demo_scene import Scene
    from driftline.cli._demo_score import Score

INTERRUPTED = 130
LOG_WIDTH = 100
PARTITIONS = 4
"""Of the input topic."""
FOREVER_MS = -1
"""Event time is in the past, and Kafka deletes by it."""


def command(
    once: Annotated[
        bool, typer.Option("--once", help="End when all planted faults have been watched.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: print one JSON object, nothing else.")
    ] = False,
) -> int:
    """Show two models, planted faults and the alerts about them, on a real Kafka.

    Starts a broker (DRIFTLINE_BROKER: embedded, docker or host:port), a worker and the page, sends
    an hour of event time as fast as it goes, with faults planted in it, and prints each alert with
    its delay; the page shows the same in a browser. In the last part two small services listen to
    the feedback topic: one retrains when it is asked to, one switches to the fallback and back.
    Then it goes on in real time until Ctrl-C. With --once it ends, with exit code 0 if each fault
    was found by its right name, nothing else was, and all that was asked for was done. It leaves
    nothing behind.
    """
    from driftline.errors import UsageError

    if as_json and not once:
        msg = "--json: expected --once beside it, as there is no end to report on without"
        raise UsageError(msg)
    # Their errors come in numbers and with tracebacks; what ends the demo is told in one line.
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    with Interrupts() as interrupts:
        try:
            return Demo(interrupts, once=once, as_json=as_json).run()
        except KeyboardInterrupt:
            # Being interrupted is how the demo without --once ends.
            return INTERRUPTED if once else 0


class Interrupts:
    """SIGINT and SIGTERM: the first ends the demo, later ones let it clean up."""

    def __init__(self) -> None:
        self._call: Callable[[], object] | None = None
        self._came = False
        self._before: dict[signal.Signals, Any] = {}

    def call(self, call: Callable[[], object]) -> None:
        """Call this from now on, in place of raising KeyboardInterrupt."""
        self._call = call

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        first, self._came = not self._came, True
        if first and self._call is None:
            raise KeyboardInterrupt
        if first and self._call is not None:
            self._call()

    def __enter__(self) -> Self:
        """Take the signals over."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exc: object) -> None:
        """Give them back; a process that was told to end is not to be told so again."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._came else handler)


class Demo:
    """Starts everything in order, and takes it away in the opposite order, however it ends."""

    def __init__(self, interrupts: Interrupts, *, once: bool, as_json: bool) -> None:
        from rich.console import Console

        self._interrupts = interrupts
        self._once = once
        self._as_json = as_json
        # A log has no width; the table is less than this.
        width = None if sys.stdout.isatty() else LOG_WIDTH
        self._console = Console(quiet=as_json, width=width)
        self._begun = time.monotonic()
        self._laps: dict[str, float] = {}

    def run(self) -> int:
        """Return the exit code."""
        from driftline.broker import open_broker
        from driftline.cli._demo_score import Score

        score = Score()
        with contextlib.ExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="driftline-demo-"))
            )
            broker = stack.enter_context(open_broker(notify=_note))
            self._lap("broker")
            scene = self._play(broker, folder, score, stack)
            # Nobody is to interrupt the cleaning up.
            self._interrupts.call(lambda: None)
            self._say("stopping the worker and the broker")
        self._lap("stopped")
        if not self._once:
            return 0
        if not scene.finished:
            return INTERRUPTED
        if self._as_json:
            typer.echo(json.dumps(self._report(scene, score), ensure_ascii=False))
        return 0 if score.good and not scene.services.missing else 1

    def _play(
        self, broker: Broker, folder: Path, score: Score, stack: contextlib.ExitStack
    ) -> Scene:
        from driftline.broker.ready import free_ports
        from driftline.bus.config_file import load
        from driftline.cli._demo_program import Program
        from driftline.cli._demo_scene import Scene
        from driftline.cli._demo_story import story, write_config, write_contracts
        from driftline.cli._demo_tell import Teller
        from driftline.errors import DriftlineError

        health, page = free_ports(2)
        config = load(write_config(folder, broker.bootstrap, _prefix(broker), health))
        stack.enter_context(_topics(config, broker))
        self._lap("topics")
        part = story() if self._once else story(_first_instant())
        contracts = write_contracts(folder, part.start)
        asked = ["--config", str(folder / "driftline.yaml")]
        stack.enter_context(Program("ui", [*asked, "--port", str(page)], folder))
        worker = stack.enter_context(Program("worker", asked, folder))
        self._say(
            f"Kafka at {broker.bootstrap}, worker with {len(contracts)} contracts, the page at "
            f"http://127.0.0.1:{page}/, traffic:"
        )
        teller = Teller(self._console, part, score)

        def invite() -> None:
            self._invite(config, contracts)

        scene = Scene(config, worker, part, score, teller, None if self._once else invite)
        try:
            with teller:
                asyncio.run(scene.play(self._interrupts.call))
        except DriftlineError:
            for line in worker.tail():
                _note(f"worker: {line}")
            raise
        self._lap("watched")
        if self._once and scene.finished:
            teller.result(scene.services.missing)
            self._say(f"{scene.events:,} events watched in {self._laps['watched']:.0f} s")
        return scene

    def _lap(self, name: str) -> None:
        self._laps[name] = round(time.monotonic() - self._begun - sum(self._laps.values()), 1)

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def _report(self, scene: Scene, score: Score) -> dict[str, Any]:
        return {
            "good": score.good and not scene.services.missing,
            "faults": [outcome.as_json() for outcome in score.outcomes],
            "alerts_before_any_fault": len(score.early),
            "alerts_about_anything_else": len(score.stray),
            "retrain_requested": sorted(
                event["data"]["model"]
                for event in scene.feedback
                if event["type"].endswith(".retrain_requested")
            ),
            "did_not_happen": scene.services.missing,
            "events": scene.events,
            "seconds": self._laps,
        }

    def _invite(self, config: Config, contracts: list[Path]) -> None:
        """Say what can be tried while it goes on."""
        bootstrap, health = config.broker.bootstrap, config.health
        program = shlex.quote(sys.argv[0])
        stated = " ".join(f"--contract {shlex.quote(str(path))}" for path in contracts)
        topics = f"--bootstrap {bootstrap} --prefix {config.prefix}"
        source = f"kafka://{bootstrap}/{config.sources[0].topic}"
        self._say(
            f"\nTraffic goes on in real time, with a fault every five minutes; Kafka listens on "
            f"{bootstrap}.\nIn another terminal:\n"
            f"  {program} export {topics} --out live\n"
            f"  {program} replay {source} {stated} --out replayed\n"
            f"  curl http://{health.host}:{health.port}/ready   (and /live, /metrics)\n"
            "Ctrl-C ends the demo and takes everything away.\n"
        )


def _note(line: str) -> None:
    typer.echo(f"driftline: {line}", err=True)


def _prefix(broker: Broker) -> str:
    """Return the usual prefix on a broker of our own, and on another one that nobody else has."""
    from driftline.broker import ExistingBroker

    shared = isinstance(broker, ExistingBroker)
    return f"driftline-demo-{uuid.uuid4().hex[:8]}." if shared else "driftline."


@contextlib.contextmanager
def _topics(config: Config, broker: Broker) -> Iterator[None]:
    """Make the topics, and delete them again from a broker that stays."""
    from driftline.broker import ExistingBroker
    from driftline.bus import topics

    wanted = topics.outputs(config) + topics.inputs(config, PARTITIONS, FOREVER_MS)
    try:
        asyncio.run(topics.apply(config.broker, wanted))
        yield
    finally:
        if isinstance(broker, ExistingBroker):
            asyncio.run(topics.remove(config.broker, [spec.name for spec in wanted]))


def _first_instant() -> int:
    """Return when forty minutes have to begin that end about now, on the border of a slot."""
    from driftline.cli._demo_story import LENGTH, SLOT, TAIL

    return (time.time_ns() // 1_000 - LENGTH - TAIL) // SLOT * SLOT
