"""Workers that die at any moment: what is published is what an undisturbed run publishes."""

from __future__ import annotations

import random
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.integration._live import LOAD_S, Live, holds_together
from tests.integration._traffic import PARTITIONS, Recording, recorded, write_contracts

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.broker.protocol import Broker

LONGEST_LIFE_S = 3.0


def kill_again_and_again(live: Live, traffic: Recording, kills: int, chance: random.Random) -> None:
    """Load the traffic evenly over so many lives of a worker, each ended by SIGKILL."""
    with live.loading(traffic.messages, LOAD_S) as load:
        for number in range(kills):
            worker = live.start()
            # Some die while they start, join or restore; most while they work.
            if chance.random() < 0.8:
                live.until("assigned", worker)
            load.reach((number + 1) / (kills + 1))
            time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
            assert load.left, "killed under load"
            assert live.workers[worker].poll() is None, live.log(worker)
            live.workers[worker].kill()
            live.workers[worker].wait()


@pytest.mark.timeout(400)
def test_kill_9_at_random_moments(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    traffic = recorded()
    made = Live(broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        kill_again_and_again(live, traffic, 4, random.Random(4))
        live.finish()
        holds_together(live, traffic)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_kills(broker: Broker, topic_prefix: str, tmp_path: Path, seed: int) -> None:
    traffic = recorded(minutes=40, rate=20.0, seed=seed)
    made = Live(broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        kill_again_and_again(live, traffic, 20, random.Random(seed))
        live.finish()
        holds_together(live, traffic)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_twenty_kills_of_one_of_two(broker: Broker, topic_prefix: str, tmp_path: Path) -> None:
    """The other one takes over; the dead one comes back."""
    traffic = recorded(minutes=40, rate=20.0, seed=3)
    chance = random.Random(3)
    made = Live(broker.bootstrap, tmp_path, topic_prefix, write_contracts(tmp_path))
    with closing(made) as live:
        live.create(PARTITIONS)
        with live.loading(traffic.messages, LOAD_S) as load:
            running = [live.start(), live.start()]
            for number in range(20):
                for worker in running:
                    live.until("assigned", worker)
                load.reach((number + 1) / 21)
                time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
                assert load.left, "killed under load"
                victim = running.pop(chance.randrange(2))
                live.workers[victim].kill()
                live.workers[victim].wait()
                running.append(live.start())
        for worker in running:
            live.until("assigned", worker)
            live.workers[worker].terminate()
        assert [live.end(worker) for worker in running] == [0, 0]
        live.finish()
        holds_together(live, traffic)
