"""The way to a topic when things go wrong in an order that no broker can be asked for.

The client is scripted here; `tests/integration/test_publish.py` has the real one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from driftline.publish.envelope import Envelope
from driftline.publish.lane import Lane
from driftline.publish.telling import Teller


class Client:
    """A producer whose sends wait until they are let through."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.futures: list[asyncio.Future[Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        cluster = SimpleNamespace(partitions_for_topic=lambda _: {0}, unauthorized_topics=set())
        self.client = SimpleNamespace(cluster=cluster)

    async def send(self, topic: str, value: bytes) -> asyncio.Future[Any]:
        await self.gate.wait()
        self.sent.append(value)
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


class Link:
    """A connection with one producer at a time."""

    def __init__(self, producer: Client) -> None:
        self.up = asyncio.Event()
        self.up.set()
        self.producer: Client | None = producer
        self.batch_bytes = 1_000
        self.lost: list[str] = []

    def has(self, producer: Client) -> bool:
        return self.producer is producer and self.up.is_set()

    def lose(self, producer: Client, why: str) -> None:
        self.lost.append(why)

    def shrink(self, producer: Client) -> None:
        self.batch_bytes //= 2


class Stand:
    """A lane, what it was given, and what became of it."""

    def __init__(self) -> None:
        self.client = Client()
        self.link = Link(self.client)
        self.arrived: list[bytes] = []
        self.given_up: Counter[str] = Counter()
        self.resent = 0
        link: Any = self.link
        self.lane = Lane("t", link, Teller(), self._arrive, self._give_up, self._resend)

    def _arrive(self, envelope: Envelope) -> None:
        self.arrived.append(envelope.value)

    def _give_up(self, envelope: Envelope, reason: str) -> None:
        self.given_up[reason] += envelope.events

    def _resend(self) -> None:
        self.resent += 1

    def put(self, *values: bytes) -> None:
        for value in values:
            self.lane.put(Envelope("t", value, value.count(b"{") or 1))


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - callbacks of the loop itself make it true
            await asyncio.sleep(0)


def played(play: Any) -> None:
    async def run() -> None:
        stand = Stand()
        task = asyncio.create_task(stand.lane.run())
        try:
            await play(stand)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_what_fails_while_the_next_is_being_handed_over_is_not_lost() -> None:
    async def play(stand: Stand) -> None:
        client = stand.client
        stand.put(b"1", b"2")
        await until(lambda: len(client.futures) == 2)
        client.gate.clear()
        stand.put(b"3")
        await asyncio.sleep(0.01)
        client.futures[0].set_exception(KafkaConnectionError("gone"))
        client.futures[1].set_result(None)
        await asyncio.sleep(0.01)
        assert stand.lane.oldest == 1
        client.gate.set()
        await until(lambda: len(client.futures) == 4)
        assert client.sent == [b"1", b"2", b"3", b"1"]
        for future in client.futures[2:]:
            future.set_result(None)
        await until(lambda: stand.lane.empty)
        assert sorted(stand.arrived) == [b"1", b"2", b"3"]
        assert stand.resent == 1
        assert stand.lane.size == 0
        assert stand.link.lost

    played(play)


def test_leaving_gives_back_all_that_has_not_arrived_in_order() -> None:
    async def play(stand: Stand) -> None:
        client = stand.client
        stand.put(b"1", b"2", b"3")
        await until(lambda: len(client.futures) == 3)
        client.gate.clear()
        stand.put(b"4", b"5")
        await asyncio.sleep(0.01)
        client.futures[1].set_result(None)
        await asyncio.sleep(0.01)
        left = stand.lane.leave()
        assert [envelope.value for envelope in left] == [b"1", b"3", b"4", b"5"]
        assert stand.arrived == [b"2"]

    played(play)


def test_another_connection_sends_again_what_the_last_one_did_not_answer() -> None:
    async def play(stand: Stand) -> None:
        first = stand.client
        stand.put(b"1", b"2", b"3")
        await until(lambda: len(first.futures) == 3)
        first.futures[1].set_result(None)
        stand.link.up.clear()
        stand.link.producer = second = Client()
        stand.lane.rouse()
        await asyncio.sleep(0.01)
        stand.link.up.set()
        await until(lambda: len(second.futures) == 2)
        assert second.sent == [b"1", b"3"]
        assert stand.arrived == [b"2"]
        assert stand.resent == 2

    played(play)


def test_a_batch_that_is_too_large_is_halved_until_one_event_is_alone() -> None:
    async def play(stand: Stand) -> None:
        client = stand.client
        small, large = b'{"a":1}', b'{"a":"' + b"x" * 900 + b'"}'
        stand.put(b"[" + small + b"," + large + b"]")
        answered = 0
        async with asyncio.timeout(10):
            while not stand.lane.empty:
                for value, future in list(zip(client.sent, client.futures, strict=True))[answered:]:
                    answered += 1
                    if len(value) < 500:
                        future.set_result(None)
                    else:
                        future.set_exception(MessageSizeTooLargeError("too large"))
                await asyncio.sleep(0)
        assert stand.arrived == [small]
        assert stand.given_up == {"too_large": 1}
        assert stand.lane.size == 0

    played(play)


def test_a_topic_that_may_not_be_written_to_is_told_by_its_reason() -> None:
    async def play(stand: Stand) -> None:
        stand.put(b"1")
        await until(lambda: stand.client.futures)
        stand.client.futures[0].set_exception(TopicAuthorizationFailedError("t"))
        await until(lambda: stand.lane.empty)
        assert stand.given_up == {"refused": 1}

    played(play)
