"""What commands that run for long log: lines for people, or one JSON object a line."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from driftline.cli import in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Format", "LogFormat", "fatal_as", "set_up"]

Format = Literal["text", "json"]
LogFormat = Annotated[
    Format, typer.Option(help="json: one object a line, what ends the command too.")
]
FIELDS = ("topic", "partition", "offset", "model", "configuration")
"""What a record may carry beside its message (``extra=``), and nothing else."""
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

log = logging.getLogger("driftline")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and where it was, as far as known."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        body = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        body |= {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        if record.exc_info:
            body["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(body, default=str).decode()


def set_up(form: Format, level: int, *, verbose: bool = False) -> None:
    """Log to standard error, from a level on.

    Parameters
    ----------
    verbose
        What Faust and aiokafka say too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler])
    # Their errors come with pages of tracebacks; what ends a worker is told in one line at the end.
    for name in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL + 1)


@contextmanager
def fatal_as(form: Format) -> Iterator[None]:
    """Tell what ends a command in the same form as its log; the exit code stays as it is."""
    try:
        yield
    except Exception as error:
        if form == "text" or isinstance(error, typer.Exit):
            raise  # the command line has a line for it, or it has been told
        line, code = in_one_line(error)
        log.critical("%s", line)
        raise typer.Exit(code) from error
