"""What a replay has observed so far, on disk, so that one that was killed can go on."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import cramjam
import orjson

import driftline
from driftline.contract.canonical import canonical
from driftline.replay.naming import NamedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from driftline.replay.naming import NamedTopic
    from driftline.replay.stretch import Plan

__all__ = ["FOLDER", "Saved", "binding"]

FOLDER = ".resume"
MOST_BYTES = 100 * 2**30
"""Beyond it nothing more is kept: what is not there is observed again."""
SUFFIX = ".zst"


def binding(
    named: Sequence[NamedFile | NamedTopic], plan: Plan, spans: Iterable[tuple[int, int]]
) -> str:
    """Return what checkpoints are bound to: the sources as they are now, contracts, references.

    Parameters
    ----------
    spans
        Offsets of the partitions that are read.
    """
    sources = []
    for source in named:
        if isinstance(source, NamedFile):
            stat = source.path.stat()
            sources.append([source.name, source.type, stat.st_size, stat.st_mtime_ns])
        else:
            sources.append([source.bootstrap, source.topic, source.type])
    references = [plan.references.latest(contract.model) for contract in plan.book]
    told = [
        driftline.__version__,
        sources,
        list(spans),
        [canonical(contract) for contract in plan.book],
        [None if reference is None else reference.id for reference in references],
        plan.span,
        plan.reject_unknown,
    ]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()


class Saved:
    """Observed stretches by name, each in a file of its own that is whole or not there.

    Checkpoints of other sources or contracts are removed when it is opened.

    Parameters
    ----------
    out
        Folder of the replay's outputs.
    bound
        See `binding`.

    Attributes
    ----------
    found
        Stretches that an earlier run has left.
    foreign
        Whether it had left some of something else.
    """

    def __init__(self, out: Path, bound: str, most_bytes: int = MOST_BYTES) -> None:
        self._folder = out / FOLDER
        key = self._folder / "bound"
        self.foreign = key.exists() and key.read_text() != bound
        if self.foreign or not key.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            key.write_text(bound)
        left = list(self._folder.glob(f"*{SUFFIX}"))
        self.found = len(left)
        self._bytes = sum(path.stat().st_size for path in left)
        self._most_bytes = most_bytes
        self.taken = 0

    def read(self, name: str) -> bytes | None:
        """Return a stretch that was observed before, or None."""
        path = self._folder / f"{name}{SUFFIX}"
        if not path.exists():
            return None
        self.taken += 1
        return bytes(cramjam.zstd.decompress(path.read_bytes()))

    def write(self, name: str, data: bytes) -> None:
        """Keep a stretch; of one that is there already the new one counts."""
        packed = bytes(cramjam.zstd.compress(data, level=1))
        if self._bytes + len(packed) > self._most_bytes:
            return
        path = self._folder / f"{name}{SUFFIX}"
        half = path.with_suffix(".half")
        half.write_bytes(packed)
        half.replace(path)
        self._bytes += len(packed)

    def remove(self) -> None:
        """Remove all of it: the outputs are there."""
        shutil.rmtree(self._folder, ignore_errors=True)
