"""Run a driftline command, measured from inside: ``python -m driftline.bench.watched``.

The command line is run unchanged in this process; two methods of the pipeline are wrapped to see
the first and the last event, one call a batch or a pane, so that the wrapping costs nothing.
"""

from __future__ import annotations

import argparse
import os
import runpy
import signal
import sys
from typing import TYPE_CHECKING

from driftline.bench.launch import Meter
from driftline.pipeline.detect import Detect
from driftline.pipeline.join import Join
from driftline.pipeline.observe import Observe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.events.record import RawRecord, Source
    from driftline.pipeline.emission import Emission
    from driftline.pipeline.join import Joining
    from driftline.pipeline.output import Output

__all__ = ["Watch"]


class Watch:
    """Sees when a worker has read all events and detect has come as far.

    Parameters
    ----------
    events
        Records after which reading is over. The last of each source closes all slots before it, so
        that its mark, behind their panes, is the last message detect has to take in.
    fan_out
        Partitions of `panes`, each with a detect of its own.
    on_end
        Called once, when every detect has taken in the last mark of every source.
    every
        Also say what was taken each time that many more events were read; 0 says nothing.
    joined
        Entries of the ledger that have to be joined as well; 0 where nothing is.
    """

    def __init__(
        self,
        meter: Meter,
        events: int,
        fan_out: int,
        on_end: Callable[[], None],
        every: int = 0,
        joined: int = 0,
    ) -> None:
        self._meter = meter
        self._events = events
        self._fan_out = fan_out
        self._on_end = on_end
        self._every = every
        self._joined = joined
        self._entries: dict[int, int] = {}
        self.read = 0
        self._said = 0
        self._marks: dict[Source, bytes] = {}
        self._taken: dict[bytes, set[int]] = {}
        self._ended = False

    def install(self) -> None:
        """Put the watch between the pipeline's objects and whoever drives them."""
        on_batch, on_message, on_join = Observe.on_batch, Detect.on_message, Join.on_batch

        def seen_batch(observe: Observe, records: Sequence[RawRecord]) -> Emission:
            if not self._meter.begun:
                self._meter.begin()
            emission = on_batch(observe, records)
            self.count(observe.source, len(records), emission.mark)
            return emission

        def seen_message(detect: Detect, offset: int, value: bytes) -> Output:
            output = on_message(detect, offset, value)
            self.take(id(detect), value)
            return output

        def seen_join(join: Join, records: Sequence[RawRecord]) -> Joining:
            joining = on_join(join, records)
            self._entries[id(join)] = join.entries
            self._check()
            return joining

        Observe.on_batch = seen_batch  # type: ignore[method-assign, assignment]
        Detect.on_message = seen_message  # type: ignore[method-assign, assignment]
        Join.on_batch = seen_join  # type: ignore[method-assign, assignment]

    def count(self, source: Source, records: int, mark: bytes | None) -> None:
        """Note a batch, and the mark it sends (marks that a newer one overtakes are never sent)."""
        self.read += records
        if mark is not None:
            self._taken.pop(self._marks.get(source, b""), None)
            self._marks[source] = mark
            self._taken[mark] = set()
        if self._every and self.read - self._said >= self._every:
            self._said = self.read
            self._meter.say(self.read)

    def take(self, detect: int, value: bytes) -> None:
        """Note a message that one detect has taken in."""
        if value not in self._taken:
            return
        self._taken[value].add(detect)
        self._check()

    def _check(self) -> None:
        if self._ended or self.read < self._events or sum(self._entries.values()) < self._joined:
            return
        if all(len(detects) >= self._fan_out for detects in self._taken.values()):
            self._ended = True
            self._on_end()


def main() -> None:
    """Read our own arguments up to ``--`` and run the driftline command behind it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--fan-out", type=int, default=1)
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--joined", type=int, default=0)
    at = sys.argv.index("--")
    given = parser.parse_args(sys.argv[1:at])
    command = sys.argv[at + 1 :]
    meter = Meter()
    if command[0] == "worker":

        def stop() -> None:
            meter.say(watch.read)
            # In order, as an operator would stop it: a worker that cannot do that has failed.
            os.kill(os.getpid(), signal.SIGTERM)

        watch = Watch(meter, given.events, given.fan_out, stop, given.every, given.joined)
        watch.install()
        _run(command)
        return
    watch = Watch(meter, given.events, 1, lambda: None, given.every)
    watch.install()
    code = _run(command)
    if not code:
        # A replay is over when its files are written, not when the last event was read.
        meter.say(watch.read)
    sys.exit(code)


def _run(command: list[str]) -> int:
    sys.argv = ["driftline", *command]
    try:
        runpy.run_module("driftline", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise
    return 0


if __name__ == "__main__":
    main()
