"""Open a file of events as a feed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.replay.lines import open_lines
from driftline.replay.packed import suffix_of

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.replay.feed import Feed
    from driftline.replay.naming import NamedFile

__all__ = ["open_file"]


def open_file(named: NamedFile, model: str | None, spool: Path) -> Feed:
    """Return the feed of a file, by its suffix.

    Parameters
    ----------
    model
        Model of rows that name none; None where there is not exactly one contract.
    spool
        Folder for temporary copies.

    Raises
    ------
    SourceError, UnreadableError
        In one line what is wrong with the file.
    """
    if suffix_of(named.path.name) == ".jsonl":
        return open_lines(named, model, spool)
    from driftline.replay.rows import open_rows

    return open_rows(named, model, spool)
