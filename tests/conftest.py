"""What every test may ask for: the chosen broker, a prefix of its own, and the order of the run."""

from __future__ import annotations

import functools
import os
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from driftline.broker import open_broker
from driftline.broker.docker import docker_problem
from driftline.cli import THREADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.broker.protocol import Broker

# As the command line does, before anything imports numpy.
os.environ.setdefault(THREADS, "1")

# Cheap first: a slip in a pure function shows within seconds, not behind the broker's start.
# `system` has whole models, replays, pages and processes, without a broker.
FOLDERS = ("unit", "contract", "property", "golden", "system", "integration", "faults", "perf")
MARKS = ("broker", "slow", "docker")
# A first run fetches Kafka, and a busy machine starts it slowly.
BROKER_TIMEOUT_S = 180


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what uses the broker, give it time, and put the cheap tests first."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            item.add_marker("broker")
        real = item.get_closest_marker("broker") or item.get_closest_marker("docker")
        if real and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(BROKER_TIMEOUT_S))
    items.sort(key=lambda item: _place(item, config))


def _place(item: pytest.Item, config: pytest.Config) -> tuple[int, int]:
    marks = [at + 1 for at, mark in enumerate(MARKS) if item.get_closest_marker(mark)]
    parts = item.path.relative_to(config.rootpath).parts
    folder = parts[1] if len(parts) > 2 else ""
    return max(marks, default=0), FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)


@functools.cache
def _docker_problem() -> str | None:
    return docker_problem()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is about containers where there can be none, and say why."""
    if item.get_closest_marker("docker") and (problem := _docker_problem()):
        pytest.skip(problem)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """The real Kafka that DRIFTLINE_BROKER names, started once for the whole run."""
    with open_broker(notify=lambda line: print(f"driftline: {line}", file=sys.stderr)) as started:
        yield started


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test has: tests share the broker, never a topic or a group."""
    return f"t{uuid.uuid4().hex[:10]}-"
