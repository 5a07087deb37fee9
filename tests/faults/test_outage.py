"""A broker that goes away for a while: workers wait, and nothing is lost or said twice."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.integration._live import LOAD_S, Live, holds_together
from tests.integration._traffic import PARTITIONS, Recording, recorded, write_contracts

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.broker import EmbeddedBroker


def stop_and_start(
    live: Live, broker: EmbeddedBroker, traffic: Recording, away_s: float, times: int
) -> None:
    """Stop the broker with a worker in full work, and start it again; the worker stays."""
    with live.loading(traffic.messages, LOAD_S) as load:
        worker = live.start()
        live.until("assigned", worker)
        for number in range(times):
            load.reach((number + 0.4) / times)
            time.sleep(1.0)
            before = live.committed()
            broker.stop(keep=True)
            assert load.left, "stopped under load"
            time.sleep(away_s)
            broker.start()
            load.reach((number + 0.8) / times)
            live.moves_on(before)
    assert live.workers[worker].poll() is None, live.log(worker)
    live.workers[worker].terminate()
    assert live.end(worker) == 0, live.log(worker)
    live.finish()
    holds_together(live, traffic)


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_six_seconds(own_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path) -> None:
    traffic = recorded()
    made = Live(own_broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        stop_and_start(live, own_broker, traffic, 6.0, times=1)


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_twenty_seconds_three_times(
    own_broker: EmbeddedBroker, topic_prefix: str, tmp_path: Path
) -> None:
    traffic = recorded(minutes=40, rate=20.0, seed=5)
    made = Live(own_broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        stop_and_start(live, own_broker, traffic, 20.0, times=3)
