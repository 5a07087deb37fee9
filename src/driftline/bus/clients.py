"""Opening and closing aiokafka clients, with one clear error for whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from driftline.bus.errors import BrokerUnreachable, DeliveryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from driftline.bus.config import BrokerConfig

__all__ = ["close", "explained", "opened", "unreachable"]

CLOSE_S = 5.0
"""For leaving a group; a broker that takes longer will notice by itself."""
AGAIN_S = 0.5
PROBE_S = 2.0
PARTITION_BYTES = 4 * 2**20
TOTAL_BYTES = 32 * 2**20


@contextlib.asynccontextmanager
async def opened(
    broker: BrokerConfig, *, patient: bool = False, partition_bytes: int = PARTITION_BYTES
) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer without a group.

    Parameters
    ----------
    patient
        Whether to go on trying for `give_up_after`, as a worker does that rides out an outage.
    partition_bytes
        What one fetch may bring of a partition; little where only a few records are wanted.

    Raises
    ------
    BrokerUnreachable
        When the broker does not answer, or answers no, inside the block too.
    """
    consumer = await _started(broker, partition_bytes, patient=patient)
    try:
        yield consumer
    except (KafkaError, OSError, TimeoutError) as error:
        raise unreachable(broker, error) from error
    finally:
        await close(consumer)


async def _started(
    broker: BrokerConfig, partition_bytes: int, *, patient: bool
) -> AIOKafkaConsumer:
    limit_s = broker.give_up_after / 1e6
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (limit_s if patient else 0)
    while True:
        consumer = AIOKafkaConsumer(
            **broker.client(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=partition_bytes,
            fetch_max_bytes=TOTAL_BYTES,
            fetch_max_wait_ms=100,
        )
        try:
            async with asyncio.timeout(limit_s):
                await consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await close(consumer)
            if loop.time() >= deadline:
                raise unreachable(broker, error) from error
            await asyncio.sleep(AGAIN_S)
        except asyncio.CancelledError:
            await close(consumer)
            raise
        else:
            return consumer


async def close(consumer: AIOKafkaConsumer) -> None:
    """Close a consumer, also when the broker is gone.

    aiokafka 0.14 awaits the fetches that it has cancelled (`Fetcher.close`), so that its own stop
    is cancelled by them; the connections are then closed here.
    """
    try:
        async with asyncio.timeout(CLOSE_S):
            await consumer.stop()
    except (asyncio.CancelledError, KafkaError, TimeoutError):
        task = asyncio.current_task()
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await consumer._client.close()  # noqa: SLF001
        if task is not None and task.cancelling():
            raise


def unreachable(broker: BrokerConfig, error: BaseException) -> BrokerUnreachable:
    """Say which broker failed, and how."""
    name = type(error).__name__
    text = str(error).removeprefix(f"{name}: ") or "no answer"
    return BrokerUnreachable(f"{broker.bootstrap}: {name}: {text}")


async def explained(broker: BrokerConfig, error: BaseException) -> BaseException:
    """Put a broker that is gone before the delivery that failed because of it.

    aiokafka calls a topic unknown when it was first sent to after the broker had gone.
    """
    if not isinstance(error, DeliveryError) or await _listens(broker):
        return error
    return BrokerUnreachable(f"{broker.bootstrap}: no answer ({error})")


async def _listens(broker: BrokerConfig) -> bool:
    """Tell whether any of the addresses takes connections."""
    for address in broker.bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PROBE_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            return True
    return False
