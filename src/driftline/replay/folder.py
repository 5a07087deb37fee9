"""Files of a folder: looked through once, opened when they are due, and let go of after that.

What is held does not grow with the folder: of each file where it begins and how much is in it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from driftline.events.record import Source
from driftline.pipeline.marks import NEVER
from driftline.replay.feed import UNKNOWN
from driftline.replay.files import open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord
    from driftline.replay.feed import Feed
    from driftline.replay.naming import NamedFile
    from driftline.replay.supply import SortedFeed

__all__ = ["FolderFile", "survey"]


@dataclass(frozen=True)
class Surveyed:
    """What is known of a file that was looked through.

    Attributes
    ----------
    begins
        Event time of its first row, microseconds; `NEVER` where it has none.
    readings
        What each column of a table holds: "number", "boolean" or "text".
    """

    spec: InputSpec
    total: int
    begins: int
    readings: dict[str, str]


def survey(named: NamedFile, model: str | None, spool: str) -> Surveyed:
    """Look a file through, and leave nothing behind.

    Raises
    ------
    SourceError, UnreadableError
        In one line what is wrong with it.
    """
    copies = Path(mkdtemp(dir=spool))
    try:
        feed: SortedFeed = open_file(named, model, copies)  # type: ignore[assignment]
        assert feed.times is not None
        first = int(feed.times[0])
        begins = NEVER if first == UNKNOWN else first
        found = Surveyed(feed.spec, feed.total, begins, getattr(feed, "readings", {}))
        feed.close()
        return found
    finally:
        shutil.rmtree(copies, ignore_errors=True)


class FolderFile:
    """Feed of a file that is opened when it is first read, and again for each reading."""

    def __init__(
        self, named: NamedFile, model: str | None, spool: Path, surveyed: Surveyed
    ) -> None:
        self.source = Source(named.name, 0)
        self.spec = surveyed.spec
        self.total = surveyed.total
        self.begins = surveyed.begins
        self.readings = surveyed.readings
        self.named = named
        self._model = model
        self._spool = spool
        self._copies: Path | None = None
        self._feed: Feed | None = None

    def open(self) -> Feed:
        """Open the file now; `close` removes what was unpacked of it."""
        if self._feed is None:
            self._copies = Path(mkdtemp(dir=self._spool))
            self._feed = open_file(self.named, self._model, self._copies)
        return self._feed

    def read(self, most: int) -> Sequence[RawRecord]:
        """Return the next `most` rows."""
        return self.open().read(most)

    def origin(self, offset: int) -> int:
        """Return the number of a row."""
        return self.open().origin(offset)

    def close(self) -> None:
        """Let go of the file; reading goes on from the beginning."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)
            self._copies = None
