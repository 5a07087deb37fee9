"""Work that is cut into pieces, over several processes; the pieces know nothing of the cut."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run_all"]

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def run_all(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    processes: int,
    done: Callable[[Result], None],
) -> list[Result]:
    """Work through all pieces.

    Parameters
    ----------
    work
        A function of a module, of its piece alone.
    processes
        With one, everything happens in this process.
    done
        Told of each result when it is there, in any order.

    Returns
    -------
    The results in the order of their pieces, whatever the number of processes.
    """
    if processes == 1:
        found = []
        for piece in pieces:
            found.append(work(piece))
            done(found[-1])
        return found
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = [pool.submit(work, piece) for piece in pieces]
        try:
            for future in as_completed(futures):
                done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]
