"""The bench measures what it says, within bounds, and fails with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from driftline.bench import environments
from driftline.bench.cores import Cores, choose, on_cores
from driftline.bench.errors import BenchError
from driftline.bench.launch import Meter
from driftline.bench.memory import Memory, Sample
from driftline.bench.pipeline_cost import measure_cost
from driftline.bench.process import follow, measure
from driftline.bench.results import Round, Throughput
from driftline.bench.scaling import CASES, Scaling
from driftline.bench.stream import scenario as models_scenario
from driftline.bench.traffic import FIRST_US, Bus, closing, scenario, write_contract
from driftline.bench.watched import Watch
from driftline.bus.config_file import load as load_config
from driftline.cli import main
from driftline.contract import load as load_contracts
from driftline.events.record import Source
from driftline.pipeline.references import reference_from_file

SAY = 'print(\'{"bench":"measured","events":%d}\', flush=True)'
A, B = Source("t", 0), Source("t", 1)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_last_measurement_counts() -> None:
    assert measure(python(f"{SAY % 1}; print('noise'); {SAY % 2}"), timeout_s=20)["events"] == 2


def test_measurements_come_as_they_are_printed() -> None:
    slow = python(f"import time; {SAY % 1}; time.sleep(30)")
    begun = time.monotonic()
    said = follow(slow, timeout_s=20)
    assert next(said)["events"] == 1
    said.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; sys.exit('all is lost')", "exit code 1; it said last: all is lost"),
        (f"{SAY % 1}; raise SystemExit(3)", "exit code 3"),
        ("print('nothing')", "expected a measurement, got none"),
    ],
)
def test_a_program_that_fails_is_an_error(code: str, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        measure(python(code), timeout_s=20)


def test_a_program_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    child = "import time; time.sleep(60)"
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid))\n"
        "time.sleep(60)"
    )
    with pytest.raises(BenchError, match="did not end within 2 s"):
        measure(python(code), timeout_s=2)
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the grandchild lives on")


@pytest.mark.skipif(not choose().pinned, reason="one core, or no pinning")
def test_a_measured_program_has_one_core_and_we_keep_ours() -> None:
    before = os.sched_getaffinity(0)
    cores = choose()
    ask = python('import os; print(\'{"bench":1,"cores":%s}\' % sorted(os.sched_getaffinity(0)))')
    assert measure(ask, timeout_s=20, cores=cores.measured)["cores"] == sorted(cores.measured)
    assert os.sched_getaffinity(0) == before
    assert not cores.measured & cores.others
    with on_cores(frozenset()):
        assert os.sched_getaffinity(0) == before


def found(**rounds: list[Round]) -> Throughput:
    titles = {"decode": "plain", "worker": "ours", "quix": "theirs"}
    return Throughput(
        "a machine", "a note", 100, 552.0, 1_000.0, 1, titles, rounds, {"quix": "no wheel"}, 1.0
    )


def test_ratios_are_taken_within_rounds() -> None:
    # A machine that slows down for everybody changes no ratio.
    result = found(
        decode=[Round(100, 1.0, 1.0, 50.0), Round(100, 4.0, 4.0, 60.0)],
        worker=[Round(100, 2.0, 2.0, 90.0), Round(100, 8.0, 8.0, 80.0)],
    )
    assert result.ratios() == {("worker", "decode"): (0.5, 0.5, 0.5)}
    assert result.per_cpu_s("decode") == (62.5, 25.0, 100.0)
    assert result.rss_mb("worker") == 90.0


def test_what_is_left_out_is_told_with_its_reason() -> None:
    told = orjson.loads(
        orjson.dumps(found(decode=[Round(1, 1, 1, 1)], worker=[Round(1, 1, 1, 1)]).as_json())
    )
    programs = {each["program"]: each for each in told["programs"]}
    assert programs["quix"] == {"program": "quix", "title": "theirs", "skipped": "no wheel"}
    assert programs["worker"]["events_per_second"] == {"median": 1, "least": 1, "most": 1}


def test_memory_slope_ignores_the_beginning() -> None:
    rising = [Sample(n * 500_000, 200.0 + 5 * max(0, 3 - n), float(n)) for n in range(1, 21)]
    memory = Memory("a machine", rising)
    assert memory.slope == pytest.approx(0, abs=1e-9)
    leaking = [Sample(n * 500_000, 200.0 + 2 * n, float(n)) for n in range(1, 21)]
    assert Memory("a machine", leaking).slope == pytest.approx(4.0)
    assert [s.events for s in memory.each(1_000_000)] == [n * 1_000_000 for n in range(1, 11)]
    assert Memory("a machine", rising[:2]).as_json()["slope_mb_per_million_events"] is None


def watch(events: int, fan_out: int) -> tuple[Watch, list[int]]:
    ended: list[int] = []
    made = Watch(Meter(), events, fan_out, lambda: ended.append(made.read))
    return made, ended


def test_a_worker_is_done_when_every_detect_has_the_last_mark_of_every_source() -> None:
    seen, ended = watch(events=4, fan_out=2)
    seen.count(A, 1, b"a1")
    seen.count(B, 2, b"b1")
    for detect in (1, 2):
        seen.take(detect, b"b1")
        seen.take(detect, b"a1")
    assert not ended  # not all is read
    seen.count(A, 1, b"a2")
    seen.take(1, b"a1")
    seen.take(1, b"a2")
    assert not ended  # the other detect has not seen it
    seen.take(2, b"a2")
    seen.take(2, b"a2")
    assert ended == [4]  # once


def test_a_mark_that_was_overtaken_is_not_waited_for() -> None:
    seen, ended = watch(events=2, fan_out=1)
    seen.count(A, 1, b"a1")
    seen.count(A, 1, b"a2")
    seen.take(1, b"a2")
    assert ended == [2]


def test_events_are_those_that_were_promised() -> None:
    (block,) = scenario(1_000).blocks(1_000)
    assert 545 < sum(map(len, block.values)) / 1_000 < 560
    assert len(orjson.loads(block.values[0])["features"]) == 20
    # Ten thousand a slot of 10 s.
    assert int(block.ts[-1] - block.ts[0]) == pytest.approx(1e6, rel=0.15)
    last = next(closing(1_000, 3).blocks(10))
    assert last.size == 3
    assert int(last.ts[0]) - int(block.ts[-1]) > 60_000_000
    assert FIRST_US % 3_600_000_000 == 57 * 60_000_000


def test_the_worker_is_given_a_good_configuration(tmp_path: Path) -> None:
    contract = write_contract(tmp_path)
    config = Bus("127.0.0.1:9", "b", 1).write_config(tmp_path, "b.w.", contract)
    read = load_config(config)
    assert [spec.topic for spec in read.sources] == ["b.predictions"]
    (model,) = load_contracts(read.contracts)
    assert reference_from_file(model).model == model.model == "bench"


def test_the_cost_of_a_small_case() -> None:
    made = models_scenario(features=3, models=2, per_slot=50, slots=3, slot_s=10.0)
    lines = [value + b"\n" for block in made.blocks(1_000) for value in block.values]
    cost = measure_cost(lines, features=3, models=2)
    assert cost.events == len(lines) > 200
    assert cost.observe_s > 0
    assert cost.detect_s > 0
    assert cost.peak_mb >= cost.start_mb * 0.9


def test_scaling_covers_what_it_has_to() -> None:
    assert [c.features for c in CASES if c.axis == "features"] == [10, 100, 1_000]
    assert [c.models for c in CASES if c.axis == "models"] == [1, 100, 1_000]
    assert Scaling("a machine", ()).as_json()["points"] == []


def test_an_environment_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ran: list[list[str]] = []

    def commands(folder: Path, *_: object) -> list[list[str]]:
        ran.append(["made"])
        return [[sys.executable, "-c", f"import os; os.makedirs({str(folder)!r})"]]

    monkeypatch.setattr(environments, "_commands", commands)
    told: list[str] = []
    first = environments.interpreter("x", ("a==1",), told.append)
    assert environments.interpreter("x", ("a==1",), told.append) == first
    assert len(ran) == len(told) == 1
    assert environments.interpreter("x", ("a==2",), told.append) != first


def test_an_environment_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def commands(folder: Path, *_: object) -> list[list[str]]:
        code = f"import os, sys; os.makedirs({str(folder)!r}); sys.exit('ERROR: no such wheel')"
        return [[sys.executable, "-c", code]]

    monkeypatch.setattr(environments, "_commands", commands)
    with pytest.raises(environments.Unavailable, match="no such wheel"):
        environments.interpreter("x", ("a==1",), lambda _: None)
    assert not list((tmp_path / "driftline" / "bench").iterdir())


def test_an_installation_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired(cmd="pip", timeout=1)

    monkeypatch.setattr(environments.subprocess, "run", late)
    with pytest.raises(environments.Unavailable, match="took longer"):
        environments._run(["pip"])


def test_a_program_that_does_not_exist_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "throughput", "--peers", "worker,flink"]) == 2
    assert "expected some of decode, worker" in capsys.readouterr().err


def test_cores_are_pinned_or_not() -> None:
    assert not Cores(frozenset(), frozenset()).pinned
