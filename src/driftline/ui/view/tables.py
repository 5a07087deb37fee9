"""The file: its tables, how it is opened, and how large it may become."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FILE", "Limits", "locked", "opened", "pack", "unpack"]

FILE = "view.sqlite"
VERSION = 3
"""Of the tables; a file of another one is thrown away and filled again."""
BUSY_MS = 10_000
CACHE_KIB = 65_536
"""For whoever writes: keys are hashes, so that each row goes somewhere else."""

TABLES = """
create table meta (name text primary key, value text not null) without rowid;
create table offsets (
  topic text, partition integer, next integer not null, primary key (topic, partition)
) without rowid;
-- One row a model: what the first screen shows, kept ready so that it needs no sums.
create table models (
  model text primary key, level integer not null default 0, weight integer not null default 0,
  since integer, why text not null default '', pages integer not null default 0,
  notices integer not null default 0, heard integer, span integer, owner text, contract text
) without rowid;
create index models_by_level on models (level desc, weight desc, model);
create table incidents (
  incident text primary key, model text not null, severity text not null, kind text not null,
  status text not null, open integer not null, since integer not null, opened integer not null,
  changed integer not null, resolved integer, about text not null,
  text text not null, verdict text, found blob not null, last blob not null
);
create index incidents_of_model on incidents (model, open desc, severity desc, changed desc);
create index incidents_by_change on incidents (open desc, severity desc, changed desc);
create table changes (
  incident text, number integer, at integer not null, body blob not null,
  primary key (incident, number)
);
create table feedback (
  id text primary key, model text not null, type text not null, at integer not null,
  body blob not null
);
create index feedback_of_model on feedback (model, at);
-- What is told of a model beside its statistics: quality, decisions, uplift, skew, lifecycle.
create table told (
  model text, kind text, segment text, start text, at integer not null, body blob not null,
  primary key (model, kind, segment, start)
);
-- Windows of statistics of the shortest length, and their columns each by itself.
create table windows (
  model text, segment text, start integer, end integer not null, reference text not null,
  rows integer not null, predictions integer not null, late integer not null,
  primary key (model, segment, start)
) without rowid;
create table columns (
  model text, segment text, feature text, start integer, missing integer not null,
  unseen integer not null, low real, high real, histogram text not null, evidence real,
  primary key (model, segment, feature, start)
) without rowid;
create table reference (
  model text primary key, holds_from integer not null, digest text not null, body blob not null
);
-- What the incidents of several models have in common, and what is known of it.
create table causes (
  cause text primary key, title text not null, severity text not null, open integer not null,
  models integer not null, since integer not null, changed integer not null, part blob not null
);
create index causes_by_models on causes (open desc, models desc);
create table caused (incident text primary key, cause text not null) without rowid;
create index caused_by on caused (cause);
-- What people have decided here and no alert has confirmed yet.
create table sent (
  incident text, kind text, by text not null, at integer not null, body text not null,
  refused text, primary key (incident, kind)
) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; what is beyond it is forgotten, the oldest first.

    Attributes
    ----------
    rows
        Windows of each feature; a fourth of it of each segment's.
    days
        Event time; resolved incidents, feedback and windows that are older go.
    incidents
        Resolved ones. Open ones stay as long as they are open.
    models
        Further ones are passed over, and counted.
    feedback
        Events of each model.
    """

    rows: int = 400
    days: int = 90
    incidents: int = 200_000
    models: int = 10_000
    feedback: int = 1_000


def locked(folder: Path) -> int:
    """Keep others from writing the file, until the descriptor that is returned is closed.

    Raises
    ------
    DriftlineError
        Another one writes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        msg = f"{folder}: expected a folder of its own, got one that another page uses; see --state"
        raise DriftlineError(msg) from error
    return lock


def opened(folder: Path, *, write: bool) -> sqlite3.Connection:
    """Open the file, and make its tables if this is who writes and there are none."""
    path = folder / FILE
    if not write:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
    else:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute(f"pragma cache_size = -{CACHE_KIB}")
        if connection.execute("pragma user_version").fetchone()[0] != VERSION:
            empty(connection)
    connection.row_factory = sqlite3.Row
    connection.execute(f"pragma busy_timeout = {BUSY_MS}")
    return connection


def empty(connection: sqlite3.Connection) -> None:
    """Throw away all there is, and begin anew."""
    # A row of another table could be read in between: all of it is one transaction.
    names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    drops = "".join(f'drop table "{name[0]}";' for name in names)
    connection.executescript(
        f"begin immediate;{drops}{TABLES}pragma user_version = {VERSION};commit;"
    )


def pack(body: Any) -> bytes:
    """Return JSON values as they stand in a blob."""
    return zlib.compress(orjson.dumps(body), 1)


def unpack(blob: bytes) -> Any:
    """Read back what `pack` made."""
    return orjson.loads(zlib.decompress(blob))
