"""The compacted view: what the output topics say now, in one SQLite file of bounded size.

One thread writes (`View`), any number read (`Reader`). The offsets that have been read stand in the
same file and change in the same transaction, so that a restart goes on where it stood and nothing
counts twice. The file is a cache: without it everything is read again from the topics.
"""

from __future__ import annotations

from driftline.ui.view.reader import Reader
from driftline.ui.view.tables import Limits
from driftline.ui.view.view import Changed, View

__all__ = ["Changed", "Limits", "Reader", "View"]
