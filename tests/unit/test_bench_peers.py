"""The measured peers stay apart from driftline, and the meter tells the truth."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from river.drift import ADWIN

from driftline import bench
from driftline.bench.launch import AdwinOfEach, Meter, peak_rss_mb, rss_mb

ROOM = Path(bench.__file__).parent
SRC = ROOM.parent
PEERS = Path(__file__).parents[1] / "perf" / "peers"
FOREIGN = {
    *("faust", "mode", "aiokafka", "quixstreams", "bytewax", "launch"),
    *("evidently", "nannyml", "pandas", "confluent_kafka"),
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: path.name)
def test_only_peers_use_what_driftline_is_measured_against(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & FOREIGN


def test_nobody_imports_a_peer() -> None:
    peers = {path.stem for path in PEERS.glob("*.py")}
    assert len(peers) == 8
    assert not [path for path in SRC.rglob("*.py") if imports(path) & peers]


def test_peers_need_no_driftline_to_run() -> None:
    for path in PEERS.glob("*.py"):
        tree = ast.parse(path.read_bytes())
        at_run = [node for node in tree.body if not isinstance(node, ast.If)]
        names = {node.module or "" for node in at_run if isinstance(node, ast.ImportFrom)}
        assert not [name for name in names if name.startswith("driftline")], path


def test_adwin_of_each_is_river_by_hand() -> None:
    events = [{"features": {"a": float(i % 7), "b": float(i >= 500) * 3}} for i in range(1_000)]
    watch = AdwinOfEach()
    for event in events:
        watch.update(event)
    by_hand = 0
    for name in ("a", "b"):
        detector = ADWIN()
        for event in events:
            detector.update(event["features"][name])
            by_hand += detector.drift_detected
    assert watch.found == by_hand > 0


def test_the_meter_counts_from_begin_on(capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter()
    sum(range(2_000_000))
    meter.begin()
    meter.say(5, found=1)
    said = json.loads(capfd.readouterr().out)
    assert said["bench"] == "measured"
    assert (said["events"], said["found"]) == (5, 1)
    assert 0 <= said["cpu_s"] < said["start_cpu_s"]
    assert 0 < said["now_mb"] <= said["rss_mb"]


def test_memory_is_told_in_megabytes() -> None:
    before = rss_mb()
    held = bytearray(b"x" * 50_000_000)
    assert rss_mb() - before == pytest.approx(50, abs=15)
    assert peak_rss_mb() >= before + 40
    assert len(held) == 50_000_000
