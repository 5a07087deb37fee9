"""Whether a Kafka answers, asked in its own protocol over a plain socket.

No client library: it is asked many times a second while a broker starts, from threads with and
without an event loop.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["answers", "free_ports", "wait_until"]

# Metadata, version 4 (Kafka 1.0 to 4.x), correlation 7, client id "ready": no topics, create none.
ASK = struct.pack(">hhih5siB", 3, 4, 7, 5, b"ready", 0, 0)
POLL_S = 0.1


def answers(bootstrap: str, timeout_s: float = 2.0) -> bool:
    """Ask for the cluster's metadata; true once at least one broker is listed.

    A KRaft broker that is still fenced accepts connections but is not listed, and topics can't be
    made on it: an open port alone says too little.
    """
    host, _, port = bootstrap.rpartition(":")
    with (
        contextlib.suppress(OSError, struct.error),
        socket.create_connection((host.strip("[]"), int(port)), timeout_s) as link,
    ):
        link.settimeout(timeout_s)
        link.sendall(struct.pack(">i", len(ASK)) + ASK)
        head = b""
        while len(head) < 16 and (more := link.recv(16 - len(head))):
            head += more
        _size, correlation, _throttle, brokers = struct.unpack(">iiii", head)
        return correlation == 7 and brokers > 0
    return False


def wait_until(done: Callable[[], bool], patience_s: float) -> bool:
    """Poll until `done` or patience ends; says which."""
    end = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def free_ports(count: int) -> list[int]:
    """Find free ports on the loopback address, all different."""
    with contextlib.ExitStack() as stack:
        links = [stack.enter_context(socket.socket()) for _ in range(count)]
        for link in links:
            link.bind(("127.0.0.1", 0))
        return [link.getsockname()[1] for link in links]
