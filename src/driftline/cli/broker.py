"""Run a local Apache Kafka until Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from types import FrameType

CHECK_S = 0.5


def command(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port for clients; a free one by default.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep the data here; a temporary folder by default."),
    ] = None,
    heap: Annotated[str, typer.Option(help="The JVM's largest heap.")] = "512m",
    as_json: Annotated[
        bool, typer.Option("--json", help="Say where it listens as one line of JSON.")
    ] = False,
) -> None:
    """Run a local Apache Kafka until Ctrl-C: one node, on 127.0.0.1, in a JVM of its own.

    It needs neither Docker nor Java. Without --data it leaves nothing behind.
    """
    from driftline.broker import EmbeddedBroker
    from driftline.errors import BrokerError

    signal.signal(signal.SIGTERM, _interrupt)
    server = EmbeddedBroker(data and data.absolute(), port, heap, notify=_say)
    try:
        with server:
            if as_json:
                typer.echo(json.dumps({"bootstrap": server.bootstrap, "pid": server.pid}))
            else:
                typer.echo(server.bootstrap)
                _say("Apache Kafka is running; Ctrl-C stops it")
            sys.stdout.flush()
            while server.pid is not None:
                time.sleep(CHECK_S)
            msg = f"the broker ended by itself; its log ends:\n{server.log_tail()}"
            raise BrokerError(msg)
    except KeyboardInterrupt:
        # Being asked to stop is how this command ends.
        return


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    typer.echo(f"driftline: {line}", err=True)
