"""One aiokafka producer, opened again and again until the broker is there, and after it was lost.

The project's one Kafka client. librdkafka would send with less of Python's time, but is a second
client to install, and to understand when it fails; what a call costs does not depend on it, since
no call ever reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.publish.settings import Settings
    from driftline.publish.telling import Teller

__all__ = ["Connection", "InLine"]

START_S = 20.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts to reach a broker that is not there."""
SHUT_S = 2.0
BATCH_BYTES = 1_000_000
"""Just under Kafka's usual limit of a batch. Halved when a broker allows less."""
SMALLEST_BATCH = 4_096
REQUEST_MS = 30_000
RETRY_MS = 500
"""Between two attempts of the client itself: its default of 100 writes ten lines a second to a log
while a broker is away."""


class InLine(ThreadPoolExecutor):
    """Runs what it is given at once: while Python ends, no pool takes anything any more.

    asyncio looks names up in its default executor; the one loop that has this does nothing else
    than to wait for the answer.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call it and return what came of it."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed on to whoever awaits it
            future.set_exception(error)
        return future


class Connection:
    """Keeps a producer open.

    Attributes
    ----------
    up
        Set while `producer` can be used.
    away
        Whether the last attempt to reach the broker failed.
    batch_bytes
        Most bytes of a batch, before compression.
    """

    def __init__(self, settings: Settings, teller: Teller, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._teller = teller
        self._changed = changed
        self._lost = asyncio.Event()
        self.up = asyncio.Event()
        self.producer: AIOKafkaProducer | None = None
        self.away = False
        self.batch_bytes = BATCH_BYTES

    async def keep(self) -> None:
        """Open the producer, wait until it is lost, and do so again."""
        failed = 0
        while True:
            try:
                producer = self._make()
            except Exception as error:  # noqa: BLE001 - of many kinds: TLS files, arguments
                self._teller.tell("client", f"no Kafka client can be made: {error}")
                self.away = True
                await asyncio.sleep(PAUSES_S[-1])
                continue
            try:
                async with asyncio.timeout(START_S):
                    await producer.start()
            except (KafkaError, OSError, TimeoutError) as error:
                await shut(producer)
                self.away = True
                why = f"{self._settings.bootstrap}: {type(error).__name__}: {error}"
                self._teller.tell("broker", f"no broker yet, events wait: {why}")
                await asyncio.sleep(PAUSES_S[min(failed, len(PAUSES_S) - 1)])
                failed += 1
                continue
            except asyncio.CancelledError:
                await shut(producer)
                raise
            failed = 0
            self.away = False
            self.producer = producer
            self._lost.clear()
            self.up.set()
            self._changed()
            try:
                await self._lost.wait()
            finally:
                self.up.clear()
                self.producer = None
                self._changed()
                await shut(producer)

    def has(self, producer: AIOKafkaProducer) -> bool:
        """Return whether this producer is the one to send with."""
        return self.producer is producer and self.up.is_set()

    def lose(self, producer: AIOKafkaProducer, why: str) -> None:
        """Say that a producer is of no use any more: a new one finds the brokers anew."""
        if producer is self.producer:
            self._teller.tell("lost", f"connecting anew: {why}")
            self._lost.set()

    def shrink(self, producer: AIOKafkaProducer) -> None:
        """Send smaller batches: the broker refused one."""
        if producer is self.producer and not self._lost.is_set():
            self.batch_bytes = max(SMALLEST_BATCH, self.batch_bytes // 2)
            self.lose(producer, f"the broker takes no batch of {self.batch_bytes * 2:,} bytes")

    def _make(self) -> AIOKafkaProducer:
        settings = self._settings
        arguments: dict[str, Any] = {
            "bootstrap_servers": settings.bootstrap,
            "acks": "all",
            "enable_idempotence": settings.idempotent,
            "compression_type": None if settings.compression == "none" else settings.compression,
            "max_batch_size": self.batch_bytes,
            # An event of 1 MiB in its batch; the broker has the last word.
            "max_request_size": 2**22,
            "request_timeout_ms": REQUEST_MS,
            "retry_backoff_ms": RETRY_MS,
        }
        return AIOKafkaProducer(**(arguments | dict(settings.connection)))


async def shut(producer: AIOKafkaProducer) -> None:
    """Close a producer, also when its broker is gone.

    aiokafka 0.14 waits without end for batches that cannot be delivered, so that its sender has to
    be cancelled and its connections closed from here.
    """
    with contextlib.suppress(Exception, TimeoutError):
        async with asyncio.timeout(SHUT_S):
            await producer.stop()
            return
    task = producer._sender.sender_task  # noqa: SLF001
    if task is not None:
        task.cancel()
    with contextlib.suppress(Exception, TimeoutError):
        async with asyncio.timeout(SHUT_S):
            await producer.client.close()
