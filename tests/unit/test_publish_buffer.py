"""The buffer: bounded, never in the way, and exact about what it let go."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from driftline.publish.buffer import Buffer

if TYPE_CHECKING:
    from driftline.publish.settings import WhenFull


def buffer(capacity: int, when_full: WhenFull = "drop_newest", block_s: float = 0.05) -> Buffer:
    return Buffer(capacity, when_full, block_s, lambda: None)


def test_what_comes_out_is_what_went_in_in_order() -> None:
    held = buffer(10)
    assert all(held.put(i) for i in range(7))
    assert held.take(3) == [0, 1, 2]
    assert held.take(100) == [3, 4, 5, 6]
    assert held.take(100) == []
    assert held.passed() == (7, {"buffer_full": 0, "closed": 0, "failed": 0}, 7)


def test_drop_newest_refuses_the_call() -> None:
    held = buffer(3)
    assert [held.put(i) for i in range(5)] == [True, True, True, False, False]
    assert held.passed().refused["buffer_full"] == 2
    assert held.take(9) == [0, 1, 2]


def test_drop_oldest_lets_the_first_go() -> None:
    held = buffer(3, "drop_oldest")
    assert all(held.put(i) for i in range(5))
    offered, refused, place = held.passed()
    assert (offered, refused["buffer_full"]) == (5, 2)
    assert held.take(9) == [2, 3, 4]
    assert held.gone == place


def test_block_waits_for_room_and_no_longer_than_it_may() -> None:
    held = buffer(2, "block", block_s=0.2)
    held.put(0)
    held.put(1)
    begun = time.monotonic()
    assert held.put(2) is False
    assert 0.2 <= time.monotonic() - begun < 2.0
    maker = threading.Timer(0.05, lambda: held.take(1))
    maker.start()
    assert held.put(3) is True
    maker.join()
    assert held.take(9) == [1, 3]
    assert held.passed().refused["buffer_full"] == 1


def test_a_coroutine_is_told_to_wait() -> None:
    held = buffer(1, "block")
    assert held.put_now(0) is True
    assert held.put_now(1) is None
    held.take(1)
    assert held.put_now(1) is True
    assert buffer(1).put_now(0) is True


def test_a_closed_buffer_refuses_and_says_so() -> None:
    held = buffer(5, "block", block_s=5.0)
    held.put(0)
    held.open = False
    begun = time.monotonic()
    assert held.put(1) is False
    assert time.monotonic() - begun < 1.0
    held.discard()
    assert held.passed() == (2, {"buffer_full": 0, "closed": 2, "failed": 0}, 0)


def test_the_sender_is_woken_only_when_it_sleeps_and_much_has_come() -> None:
    woken: list[int] = []
    held = Buffer(8, "drop_newest", 0.0, lambda: woken.append(1))
    for i in range(2):
        held.put(i)
    assert not woken
    held.put(2)
    assert len(woken) == 1
    held.asleep = False
    held.put(3)
    assert len(woken) == 1


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest", "block"])
def test_counts_are_exact_whatever_threads_do(when_full: WhenFull) -> None:
    """At every moment, and at the end; nothing twice, nothing lost uncounted."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    held = buffer(50, when_full, block_s=0.002)
    threads, each = 4, 3_000
    taken: list[Any] = []
    wrong: list[str] = []
    over = threading.Event()

    def put(name: int) -> None:
        for i in range(each):
            held.put((name, i))

    def take() -> None:
        while not over.is_set() or len(held):
            taken.extend(held.take(7))

    def look() -> None:
        last = 0
        while not over.is_set():
            offered, refused, _ = held.passed()
            if offered < last or sum(refused.values()) > offered:
                wrong.append(f"{offered} after {last}, {refused}")
            last = offered

    others = [threading.Thread(target=each) for each in (take, look)]
    makers = [threading.Thread(target=put, args=(name,)) for name in range(threads)]
    try:
        for thread in others + makers:
            thread.start()
        for thread in makers:
            thread.join(30)
        over.set()
        for thread in others:
            thread.join(30)
    finally:
        sys.setswitchinterval(before)
    offered, refused, _ = held.passed()
    assert not wrong
    assert offered == threads * each
    assert len(taken) + refused["buffer_full"] == offered
    assert len(set(taken)) == len(taken)
    for name in range(threads):
        own = [i for owner, i in taken if owner == name]
        assert own == sorted(own)
