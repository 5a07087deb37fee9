"""What is said of a delivery that failed: that the broker is gone, where it is."""

from __future__ import annotations

import asyncio

from driftline.broker.ready import free_ports
from driftline.bus.clients import explained
from driftline.bus.config import BrokerConfig
from driftline.bus.errors import BrokerError, BrokerUnreachable, DeliveryError

FAILED = DeliveryError("t-alerts: 12 bytes not delivered: UnknownTopicOrPartitionError: ")


def test_a_broker_that_is_gone_is_named() -> None:
    (port,) = free_ports(1)
    error = asyncio.run(explained(BrokerConfig(bootstrap=f"127.0.0.1:{port}"), FAILED))
    assert isinstance(error, BrokerUnreachable)
    assert str(error).startswith(f"127.0.0.1:{port}: no answer (t-alerts: 12 bytes")


def test_a_broker_that_answers_is_not_blamed() -> None:
    async def ask() -> BaseException:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        (dead,) = free_ports(1)
        async with server:
            broker = BrokerConfig(bootstrap=f"127.0.0.1:{dead}, 127.0.0.1:{port}")
            return await explained(broker, FAILED)

    assert asyncio.run(ask()) is FAILED


def test_other_faults_speak_for_themselves() -> None:
    error = BrokerError("state of m: cannot be read")
    assert asyncio.run(explained(BrokerConfig(bootstrap="127.0.0.1:1"), error)) is error
