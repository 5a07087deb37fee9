"""Packed files: what their suffixes say, and unpacking them."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path
from tempfile import NamedTemporaryFile

import cramjam

from driftline.replay.errors import UnreadableError

__all__ = ["SUFFIXES", "suffix_of", "unpacked"]

PLAIN = (".jsonl", ".csv", ".parquet")
PACKED = (".gz", ".zst")
SUFFIXES = (*PLAIN, *(f"{plain}{packed}" for plain in PLAIN[:2] for packed in PACKED))
"""Of the files that can be read. Parquet packs its own columns."""
COPIED_AT_ONCE = 2**20


def suffix_of(name: str) -> str | None:
    """Return what is in a file by its name, packed or not: ".jsonl", ".csv", ".parquet" or None."""
    name = name.lower()
    found = next((each for each in SUFFIXES if name.endswith(each)), None)
    return None if found is None else found.removesuffix(".gz").removesuffix(".zst")


def unpacked(path: Path, spool: Path) -> Path:
    """Return the path itself, or where its content has been unpacked to in `spool`.

    Raises
    ------
    UnreadableError
        It is not packed as its suffix says, or it ends too soon.
    """
    packing = path.suffix.lower()
    if packing not in PACKED:
        return path
    with NamedTemporaryFile(dir=spool, suffix=path.with_suffix("").suffix, delete=False) as made:
        copy = Path(made.name)
    try:
        if packing == ".gz":
            with gzip.open(path, "rb") as packed, copy.open("wb") as out:
                shutil.copyfileobj(packed, out, COPIED_AT_ONCE)
        else:
            # From file to file: neither is held in memory.
            cramjam.zstd.decompress_into(cramjam.File(str(path)), cramjam.File(str(copy)))
    except (gzip.BadGzipFile, EOFError, zlib.error, cramjam.DecompressionError) as error:
        what = "gzip" if packing == ".gz" else "zstd"
        msg = f"{path}: expected a {what} file ({error})"
        raise UnreadableError(msg) from error
    return copy
