"""What a measurement was made on: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from driftline import __version__
from driftline.broker.settings import KAFKA_VERSION

if TYPE_CHECKING:
    from driftline.bench.cores import Cores

__all__ = ["describe"]

PACKAGES = ("aiokafka", "faust-streaming", "river", "orjson", "numpy")


def describe(cores: Cores) -> str:
    """Say in one line: processor, cores, pinning, system, versions, load from elsewhere."""
    parts = [
        f"{_processor()}, {os.cpu_count()} cores",
        f"measured on core {min(cores.measured)}, all else on {', '.join(map(str, cores.others))}"
        if cores.pinned
        else "not pinned",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"Kafka {KAFKA_VERSION}",
        f"driftline {__version__}",
        *(f"{name} {version(name)}" for name in PACKAGES),
        f"load average {os.getloadavg()[0]:.1f} at the end",
    ]
    return "; ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
