"""Where stretches are observed: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from multiprocessing.context import BaseContext

__all__ = ["attend", "context", "cores", "dask", "processes", "undisturbed"]

PRELOADED = ["driftline.replay.hosts"]
"""Imported once for all processes: river alone takes a second of a core."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def context() -> BaseContext:
    """Return how processes are started: forked from one that has imported all and done nothing.

    A fork of this process would tear the threads of Arrow and of the progress bar.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def attend() -> None:
    """Leave Ctrl-C to the process that started this one, and end when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


class Pool(ProcessPoolExecutor):
    """Starts a process where a task finds none that is idle; Ctrl-C waits for that."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule a call."""
        with undisturbed():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back while a process may be started.

    The server that forks them prints a traceback when a request ends in the middle, or when Ctrl-C
    reaches it while it imports: it starts with the signals blocked that are blocked here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C raises in the main thread alone
        return
    usual = signal.getsignal(signal.SIGINT)
    if usual is None:
        yield  # the program that this is part of has a handler of its own
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, usual)
        if held:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """Yield a pool of processes; they are ended whatever happens."""
    before = set(multiprocessing.active_children())
    pool = Pool(jobs, mp_context=context(), initializer=attend)
    try:
        yield pool
    except BaseException:
        # Nobody waits for what they are at.
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def dask(scheduler: str | None, jobs: int) -> Iterator[Executor]:
    """Yield a Dask cluster as a pool.

    Parameters
    ----------
    scheduler
        Its address (``tcp://host:8786``); None for a cluster of `jobs` processes on this machine.

    Raises
    ------
    UsageError
        Dask is not installed, or nothing answers at the address.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        msg = "--engine dask: expected dask.distributed, which comes with driftline[dask]"
        raise UsageError(msg) from error
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, silence_logs=50
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client.get_executor(pure=False)
        return
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        msg = f"--scheduler {scheduler}: expected a Dask scheduler's address ({error})"
        raise UsageError(msg) from error
    with client:
        yield client.get_executor(pure=False)
