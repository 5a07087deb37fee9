"""Judges in this process, or in processes of their own."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from driftline.errors import DriftlineError
from driftline.replay.judge import Judge, Judged, Share, Step
from driftline.replay.pool import attend, context, undisturbed
from driftline.replay.stretch import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from driftline.contract import Book

__all__ = ["Judges", "Seat", "seated"]

UNANSWERED = 8
"""Steps that a process may be behind: it never waits for its next one, and few are held."""


class Seat(NamedTuple):
    """One judge: by which contracts, and of which models."""

    book: Book
    share: Share


class Judges(Protocol):
    """All judges of a replay, who take the same steps."""

    def take(self, step: Step, *, exact: bool) -> list[bytes]:
        """Have a step judged, and return references that hold from now on.

        Parameters
        ----------
        exact
            Return only when every judge has taken it: what the next ones are observed by depends
            on what comes of it.
        """
        ...

    def finish(self) -> list[Judged]:
        """Close everything, and return what each judge leaves, in the order of the seats."""
        ...


@contextmanager
def seated(seats: Sequence[Seat], folder: Path, jobs: int) -> Iterator[Judges]:
    """Yield judges: one alone in this process, several in up to `jobs` others.

    Parameters
    ----------
    folder
        With the plan; outputs on their way into order are put there.
    """
    if len(seats) == 1:
        here = _Here(seats, folder)
        try:
            yield here
        finally:
            here.close()
        return
    count = min(jobs, len(seats))
    there = _There([seats[place::count] for place in range(count)], folder)
    try:
        yield there
    except BaseException:
        there.kill()
        raise
    finally:
        there.close()


class _Here:
    """Judges of this process, each with references of its own."""

    def __init__(self, seats: Sequence[Seat], folder: Path, name: str = "0") -> None:
        self._judges = []
        for place, seat in enumerate(seats):
            plan = read_plan(folder)
            spool = folder / f"judge-{name}-{place}"
            spool.mkdir()
            self._judges.append(Judge(seat.book, plan.references, plan.sources, spool, seat.share))

    def take(self, step: Step, *, exact: bool = True) -> list[bytes]:  # noqa: ARG002
        return [value for judge in self._judges for value in judge.take(step)]

    def finish(self) -> list[Judged]:
        for judge in self._judges:
            judge.finish()
        return [judge.judged() for judge in self._judges]

    def close(self) -> None:
        for judge in self._judges:
            judge.close()


class _There:
    """Judges in other processes; a process has the seats of one group."""

    def __init__(self, groups: Sequence[Sequence[Seat]], folder: Path) -> None:
        start = context()
        self._groups = groups
        self._pipes: list[Connection] = []
        self._processes = []
        self._unanswered = [0] * len(groups)
        for place, group in enumerate(groups):
            ours, theirs = start.Pipe()
            process = start.Process(  # type: ignore[attr-defined]
                target=_serve, args=(theirs, list(group), str(folder), place), daemon=True
            )
            with undisturbed():
                process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def take(self, step: Step, *, exact: bool) -> list[bytes]:
        fresh: list[bytes] = []
        whole = msgspec.msgpack.encode(step)
        for place, pipe in enumerate(self._pipes):
            while self._unanswered[place] >= UNANSWERED or (
                self._unanswered[place] and pipe.poll()
            ):
                fresh += self._answer(place)
            self._send(place, self._part(step, self._groups[place], whole))
            self._unanswered[place] += 1
        if exact:
            for place in range(len(self._pipes)):
                while self._unanswered[place]:
                    fresh += self._answer(place)
        return fresh

    def _part(self, step: Step, group: Sequence[Seat], whole: bytes) -> bytes:
        shares = {seat.share for seat in group}
        if any(share.of == 1 for share in shares):
            return whole
        mine = [pane for pane in step.panes if any(share.has(pane[0]) for share in shares)]
        return msgspec.msgpack.encode(msgspec.structs.replace(step, panes=mine))

    def finish(self) -> list[Judged]:
        for place in range(len(self._pipes)):
            while self._unanswered[place]:
                self._answer(place)
            self._send(place, b"")
        found = [self._receive(place) for place in range(len(self._pipes))]
        count = len(found)
        seats = sum(len(group) for group in self._groups)
        return [found[seat % count][seat // count] for seat in range(seats)]

    def _send(self, place: int, data: bytes) -> None:
        try:
            self._pipes[place].send_bytes(data)
        except OSError:
            self._receive(place)  # which says why it has gone

    def _answer(self, place: int) -> list[bytes]:
        paths: list[Path] = self._receive(place)
        self._unanswered[place] -= 1
        return [path.read_bytes() for path in paths]

    def _receive(self, place: int) -> list[Any]:
        try:
            found = self._pipes[place].recv()
        except (EOFError, OSError) as error:
            code = self._processes[place].exitcode
            msg = f"a process that judges models has gone (exit code {code}): out of memory?"
            raise DriftlineError(msg) from error
        if isinstance(found, BaseException):
            raise found
        return list(found)

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()


def _serve(pipe: Connection, seats: list[Seat], folder: str, place: int) -> None:
    """Judge the steps that come through a pipe; an empty one is the end.

    Answers are small, whatever is in them: who reads them may be about to send.
    """
    attend()
    try:
        judges = _Here(seats, Path(folder), str(place))
        decode = msgspec.msgpack.Decoder(Step).decode
        number = 0
        try:
            while data := pipe.recv_bytes():
                paths = []
                for value in judges.take(decode(data)):
                    paths.append(Path(folder) / f"judge-{place}-reference-{number}")
                    paths[-1].write_bytes(value)
                    number += 1
                pipe.send(paths)
            pipe.send(judges.finish())
        finally:
            judges.close()
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - raised again where it can be told
        pipe.send(error)
