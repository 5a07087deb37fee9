"""What happens to the process: its end, SIGTERM, and forks.

SIGTERM is not answered in the handler itself: the thread that it interrupts may hold a lock that
the sender needs (a logger's, say), and would wait for itself. The handler starts a thread that
sends what waits, within `Settings.close_s`, and then raises the signal again for whatever it did
before. For the program it is as if the signal had come that much later.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from driftline.publish.core import Core

__all__ = ["closed", "opened", "watch"]


class _State:
    """Of this process."""

    def __init__(self) -> None:
        # Strong: what an application forgot to close is still sent at the end.
        self.open: set[Core] = set()
        self.flushing = False
        self.raised = False
        self.previous: Any = None
        self.hooked = False
        self.finalizer = False
        self.all: weakref.WeakSet[Core] = weakref.WeakSet()
        self.abandoned: list[Any] = []


_state = _State()


def watch(*, on_sigterm: bool) -> None:
    """Be there at the end of the process, and at SIGTERM where that can be had."""
    if on_sigterm:
        _handle_sigterm()
    if not _state.hooked:
        _state.hooked = True
        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_after_fork)


def opened(core: Core) -> None:
    """Note a core that has something to send."""
    _state.open.add(core)
    _outlive_multiprocessing()


def closed(core: Core) -> None:
    """Forget one that has not."""
    _state.open.discard(core)


def _at_exit() -> None:
    """Close all at once, each within its own time."""
    cores = list(_state.open)
    for core in cores:
        core.begin_close(None)
    for core in cores:
        core.end_close()


def _after_fork() -> None:
    """In the child: its publishers are empty and have no thread; the parent's go on."""
    # Never collected: closing an inherited event loop would take the parent's sockets out of the
    # kernel's list that both share.
    _state.abandoned += [core.sender for core in _state.open]
    cores = list(_state.open)
    _state.open = set()
    _state.flushing = _state.raised = _state.finalizer = False
    for core in cores:
        core.after_fork()


def _outlive_multiprocessing() -> None:
    """The children of multiprocessing end without `atexit`; they run finalizers of their own."""
    module = sys.modules.get("multiprocessing.process")
    if module is None or module.parent_process() is None or _state.finalizer:
        return
    from multiprocessing.util import Finalize

    _state.finalizer = True
    Finalize(None, _at_exit, exitpriority=10)


def _handle_sigterm() -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # Python lets only the main thread set a handler; the end of the process is enough
    previous = signal.getsignal(signal.SIGTERM)
    # None: set by something that is not Python, and could not be called from here.
    if previous in (None, signal.SIG_IGN, _on_sigterm):
        return
    _state.previous = previous
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    if _state.raised or _state.flushing or not _state.open:
        # Ours, raised again; or a second one, of somebody who does not want to wait.
        _state.flushing = _state.flushing and not _state.raised
        _state.raised = False
        _as_before(number, frame)
        return
    _state.flushing = True
    # Not `threading.Thread`: its start takes a lock that the interrupted code may hold.
    _thread.start_new_thread(_send_then_raise, (number,))


def _send_then_raise(number: int) -> None:
    try:
        cores = list(_state.open)
        if _state.previous == signal.SIG_DFL:
            # The process will be gone: what comes now is refused, what was accepted is sent.
            for core in cores:
                core.begin_close(None)
            for core in cores:
                core.end_close()
        else:
            # The application ends in its own way, and may have more to publish on it.
            begun = time.monotonic()
            for core in cores:
                core.flush(max(0.0, core.settings.close_s - (time.monotonic() - begun)))
    finally:
        _state.raised = True
        os.kill(os.getpid(), number)


def _as_before(number: int, frame: FrameType | None) -> None:
    previous = _state.previous
    if callable(previous):
        previous(number, frame)
    elif previous == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
