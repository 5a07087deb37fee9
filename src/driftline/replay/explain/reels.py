"""Files and partitions of events that can be read from any place."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from msgspec import structs

from driftline.bus.places import open_partitions
from driftline.events.mapping import InputSpec, spec_of
from driftline.replay.files import open_file
from driftline.replay.naming import NamedFile, parse_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from driftline.bus.config import Config
    from driftline.bus.places import Partition
    from driftline.events.record import RawRecord
    from driftline.replay.explain.reel import Reel
    from driftline.replay.naming import NamedTopic

__all__ = ["open_inputs", "open_sources"]

CARRIED = ("prediction", "features", "label", None)
"""Types of input that may hold what moved; None: each event says what it is."""


class _FileReel:
    """A file, in the order of event time."""

    def __init__(self, feed: Any) -> None:
        self._feed = feed
        self.source, self.spec = feed.source, feed.spec
        self.ends = (0, feed.total)

    def read(self, at: int, most: int) -> Sequence[RawRecord]:
        self._feed.seek(at)
        records: Sequence[RawRecord] = self._feed.read(most)
        return records

    def origin(self, offset: int) -> int:
        row: int = self._feed.origin(offset)
        return row


class _PartitionReel:
    """A partition, in the order of its offsets."""

    def __init__(self, partition: Partition, spec: InputSpec) -> None:
        self.spec = spec
        self.source, self.ends, self.read = partition.source, partition.ends, partition.read

    def origin(self, offset: int) -> int:
        return offset


@contextmanager
def open_inputs(config: Config, start_us: int) -> Iterator[list[Reel]]:
    """Open the partitions of the input topics that predictions, features and labels come on.

    Parameters
    ----------
    start_us
        Record time to begin at, microseconds: nothing of interest was written earlier.

    Raises
    ------
    driftline.bus.errors.BrokerUnreachable, driftline.bus.errors.TopicsError
    """
    specs = {spec.topic: spec for spec in config.sources if spec.type in CARRIED}
    with open_partitions(config.broker, list(specs), start_us) as partitions:
        yield [_PartitionReel(each, specs[each.source.topic]) for each in partitions]


@contextmanager
def open_sources(
    arguments: Sequence[str], model: str, config: Config, start_us: int
) -> Iterator[list[Reel]]:
    """Open files and topics named as `driftline replay` takes them.

    Raises
    ------
    UsageError
        A source that cannot be.
    DriftlineError
        One that cannot be read.
    """
    with ExitStack() as stack:
        spool = Path(stack.enter_context(TemporaryDirectory(prefix="driftline-explain-")))
        reels: list[Reel] = []
        for named in parse_sources(arguments):
            if isinstance(named, NamedFile):
                feed = open_file(named, model, spool)
                stack.callback(feed.close)
                reels.append(_FileReel(feed))
            else:
                reels += stack.enter_context(open_inputs(_only(named, config), start_us))
        yield [reel for reel in reels if reel.spec.type in CARRIED]


def _only(named: NamedTopic, config: Config) -> Config:
    """Return the configuration of one topic at the servers that the argument names."""
    spec = spec_of(named.topic, config.inputs)
    if spec.topic not in {each.topic for each in config.inputs}:
        spec = InputSpec(named.topic, named.type)
    broker = structs.replace(config.broker, bootstrap=named.bootstrap)
    return structs.replace(config, broker=broker, inputs=(spec,))
