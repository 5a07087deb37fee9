"""Where a source may be read from again so that everything comes out the same."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from driftline.errors import DriftlineError
from driftline.pipeline.marks import NEVER


class CheckpointError(DriftlineError):
    """The metadata of a committed offset is not ours.

    Operator action: another program commits under this consumer group; give driftline its own.
    """


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A committed position of one source partition.

    Attributes
    ----------
    offset
        First offset that an open pane still needs: read again from here.
    mark
        Largest event time below `offset`: with it every event read again is judged as it was.
    at
        First offset that had not been read when this was taken.
    high
        The mark at `at`: panes that it had closed were published and are not published again.
    """

    offset: int
    mark: int = NEVER
    at: int = 0
    high: int = NEVER

    @property
    def metadata(self) -> str:
        """What travels in the commit beside the offset; Kafka allows 4 KB."""
        return orjson.dumps({"v": 1, "mark": self.mark, "at": self.at, "high": self.high}).decode()

    @classmethod
    def parse(cls, offset: int, metadata: str | None) -> Checkpoint:
        """Read a commit back; one without metadata (set by hand) starts afresh at its offset."""
        if not metadata:
            return cls(offset, at=offset)
        try:
            body = orjson.loads(metadata)
            if body["v"] != 1:
                msg = f"commit metadata: expected format 1, got {body['v']!r}"
                raise CheckpointError(msg)
            return cls(offset, int(body["mark"]), int(body["at"]), int(body["high"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            msg = f"commit metadata: expected driftline's JSON, got {metadata[:80]!r}"
            raise CheckpointError(msg) from error
