from __future__ import annotations

import asyncio
from typing import Any

import pytest

from driftline.bus.delivery import Delivery, Message, Parcel
from driftline.bus.errors import DeliveryError
from driftline.bus.offsets import SafeOffset
from driftline.events.record import Source

A, B = Source("a", 0), Source("b", 0)


class Log:
    """A producer that resolves when told, and everything that happened, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.futures: list[asyncio.Future[None]] = []
        self.hold = False
        self.refuse = ""

    async def send(self, message: Message) -> asyncio.Future[None]:
        text = (message.value or b"").decode()
        if text == self.refuse:
            raise ValueError(text)
        self.lines.append(f"send {text}")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        if not self.hold:
            future.set_result(None)
        return future

    def mark(self, epoch: int, source: Source, safe: SafeOffset) -> None:
        self.lines.append(f"safe {epoch} {source} {safe.offset}")


def message(text: str) -> Message:
    return Message("t", None, text.encode())


def with_delivery(body: Any) -> Log:
    async def main() -> Log:
        log = Log()
        delivery = Delivery(log.send, log.mark, most_bytes=100)
        task = asyncio.create_task(delivery.run())
        try:
            async with asyncio.timeout(5):
                await body(log, delivery)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return log

    return asyncio.run(main())


def test_stages_in_order_then_safe() -> None:
    async def body(log: Log, delivery: Delivery) -> None:
        parcel = Parcel(1, A, [[message("pane")], [message("state")]], [message("mark")])
        await delivery.submit(parcel)
        await delivery.submit(Parcel(1, A, safe=SafeOffset(5)))
        await delivery.drain()

    log = with_delivery(body)
    # The later parcel has no mark, so that of the earlier one still counts.
    assert log.lines == ["send pane", "send state", "send mark", "safe 1 a/0 5"]


def test_nothing_of_a_later_stage_is_sent_before_the_earlier_is_durable() -> None:
    async def body(log: Log, delivery: Delivery) -> None:
        log.hold = True
        safe = SafeOffset(7)
        await delivery.submit(Parcel(1, A, [[message("pane")]], [message("mark")], safe))
        await asyncio.sleep(0.01)
        assert log.lines == ["send pane"]
        log.futures[0].set_result(None)
        await asyncio.sleep(0.01)
        assert log.lines == ["send pane", "send mark"]
        log.futures[1].set_result(None)
        await delivery.drain()

    assert with_delivery(body).lines[-1] == "safe 1 a/0 7"


def test_what_waits_goes_out_together_and_marks_only_once() -> None:
    async def body(log: Log, delivery: Delivery) -> None:
        log.hold = True
        await delivery.submit(Parcel(1, A, [[message("first")]]))
        await asyncio.sleep(0.01)
        for number in range(3):
            latest = [message(f"mark {number}")]
            await delivery.submit(Parcel(1, A, [[message(str(number))]], latest))
        await delivery.submit(Parcel(1, B, [[message("b")]], [message("mark b")]))
        log.hold = False
        log.futures[0].set_result(None)
        await delivery.drain()
        assert delivery.rounds == 2

    lines = with_delivery(body).lines
    assert lines == [f"send {x}" for x in ("first", "0", "1", "2", "b", "mark 2", "mark b")]


@pytest.mark.parametrize("fault", ["refused at once", "failed later"])
def test_a_message_that_cannot_be_delivered_marks_nothing_and_stops_all(fault: str) -> None:
    async def body(log: Log, delivery: Delivery) -> None:
        if fault == "refused at once":
            log.refuse = "x"
        else:
            log.hold = True
        await delivery.submit(Parcel(1, A, [[message("x")]], safe=SafeOffset(1)))
        await asyncio.sleep(0.01)
        if log.futures:
            log.futures[0].set_exception(ValueError("gone"))
        with pytest.raises(DeliveryError, match=r"t: 1 bytes not delivered: ValueError"):
            await delivery.drain()
        with pytest.raises(DeliveryError):
            await delivery.submit(Parcel(1, B, safe=SafeOffset(1)))

    assert not [line for line in with_delivery(body).lines if line.startswith("safe")]


def test_submit_waits_while_too_much_is_under_way() -> None:
    async def body(log: Log, delivery: Delivery) -> None:
        log.hold = True
        await delivery.submit(Parcel(1, A, [[message("x" * 200)]]))
        waiting = asyncio.create_task(delivery.submit(Parcel(1, A, [[message("y")]])))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        log.hold = False
        log.futures[0].set_result(None)
        await waiting
        await delivery.drain()
        assert delivery.idle

    with_delivery(body)
