"""The life of a process: exits, SIGTERM and forks lose nothing that was accepted.

Real processes, a broker that is not there, and a spool that shows what would have been sent.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest
from tests.unit.test_publish_publisher import spooled

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
import logging, os, signal, sys, time, threading
logging.getLogger().addHandler(logging.NullHandler())  # that nobody is there is told elsewhere
from driftline import Publisher
publisher = Publisher("127.0.0.1:1", model="m", spool=sys.argv[1], close_s=10)
def publish(name, count):
    for i in range(count):
        assert publisher.prediction(f"{name}-{i}", 0.5, {"x": i})
def ready():
    print("ready", flush=True)
"""


def run(folder: Path, code: str, *, send: int | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-W", "error", "-c", HEAD + textwrap.dedent(code), str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if send is not None:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
            process.send_signal(send)
        out, err = process.communicate(timeout=50)
    finally:
        process.kill()
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def ids(folder: Path) -> list[str]:
    return [each["prediction_id"] for each in spooled(folder)]


def names(name: str, count: int) -> list[str]:
    return [f"{name}-{i}" for i in range(count)]


def test_an_exit_without_close_leaves_everything_sent_or_on_disk(tmp_path: Path) -> None:
    done = run(tmp_path, "publish('a', 500)")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert ids(tmp_path) == names("a", 500)


def test_an_exception_that_ends_the_process_too(tmp_path: Path) -> None:
    done = run(tmp_path, "publish('a', 50); raise SystemExit(3)")
    assert done.returncode == 3
    assert ids(tmp_path) == names("a", 50)


def test_sigterm_sends_what_was_accepted_and_ends_as_before(tmp_path: Path) -> None:
    """A thread goes on publishing all the while: what was accepted is there, the rest refused."""
    code = """
    told = os.open(sys.argv[1] + ".count", os.O_WRONLY | os.O_CREAT)
    def on():
        accepted = 0
        while publisher.prediction(f"b-{accepted}", 0.5):
            accepted += 1
            os.pwrite(told, b"%012d" % accepted, 0)
            time.sleep(0.0005)
    publish('a', 300)
    threading.Thread(target=on).start()
    time.sleep(0.2)
    ready()
    while True:
        time.sleep(0.01)
    """
    done = run(tmp_path / "spool", code, send=signal.SIGTERM)
    assert done.returncode == -signal.SIGTERM, done.stderr
    found = ids(tmp_path / "spool")
    accepted = int((tmp_path / "spool.count").read_text())
    there = len(found) - 300
    assert there in {accepted, accepted + 1}, "the very last it may not have noted"
    assert sorted(found) == sorted(names("a", 300) + names("b", there))


def test_sigterm_comes_to_the_handler_that_was_there(tmp_path: Path) -> None:
    code = """
    def before(number, frame):
        publish("late", 20)
        sys.exit(7)
    publisher.close()
    signal.signal(signal.SIGTERM, before)
    publisher = Publisher("127.0.0.1:1", model="m", spool=sys.argv[1], close_s=2)
    publish("a", 300)
    ready()
    while True:
        time.sleep(0.01)
    """
    done = run(tmp_path, code, send=signal.SIGTERM)
    assert done.returncode == 7, done.stderr
    assert ids(tmp_path) == names("a", 300) + names("late", 20)


def test_an_ignored_sigterm_stays_ignored(tmp_path: Path) -> None:
    code = """
    publisher.close()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    publisher = Publisher("127.0.0.1:1", model="m", spool=sys.argv[1])
    publish("a", 5)
    ready()
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    """
    assert run(tmp_path, code, send=signal.SIGTERM).returncode == 0
    assert ids(tmp_path) == names("a", 5)


def test_a_publisher_of_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    code = """
    publisher.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    def make():
        global publisher
        publisher = Publisher("127.0.0.1:1", model="m", spool=sys.argv[1])
    thread = threading.Thread(target=make); thread.start(); thread.join()
    publish("a", 5)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    """
    done = run(tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert ids(tmp_path) == names("a", 5)


def test_a_fork_begins_with_nothing_and_the_parent_goes_on(tmp_path: Path) -> None:
    """As gunicorn's workers do, with the parent in full work: each event once, none lost."""
    code = """
    publish("parent", 400)
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            assert publisher.counts.accepted == 0
            publish(f"child{number}", 300)
            counts = publisher.counts  # it may have taken over what an earlier one left
            assert counts.accepted - counts.recovered == 300
            sys.exit(0)
        children.append(child)
    publish("after", 200)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert publisher.counts.accepted == 600
    """
    done = run(tmp_path, code)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = ids(tmp_path)
    wanted = names("parent", 400) + names("after", 200)
    assert [each for each in found if not each.startswith("child")] == wanted
    for number in range(3):
        own = [each for each in found if each.startswith(f"child{number}-")]
        assert own == names(f"child{number}", 300)
    assert len(found) == 1_500


def test_a_child_that_dies_of_sigterm_loses_nothing_and_does_not_touch_its_parent(
    tmp_path: Path,
) -> None:
    code = """
    publish("parent", 100)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        publish("child", 100)
        os.write(write, b".")
        while True:
            time.sleep(0.01)
    os.read(read, 1)
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] == signal.SIGTERM
    publish("after", 100)
    """
    done = run(tmp_path, code)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = ids(tmp_path)
    assert sorted(found) == sorted(names("parent", 100) + names("child", 100) + names("after", 100))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="forking with threads warns there")
def test_children_of_multiprocessing_send_what_they_have(tmp_path: Path) -> None:
    code = """
    import multiprocessing
    context = multiprocessing.get_context("fork")
    publish("parent", 50)
    child = context.Process(target=publish, args=("child", 200))
    child.start()
    child.join()
    assert child.exitcode == 0
    """
    done = run(tmp_path, code)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert sorted(ids(tmp_path)) == sorted(names("parent", 50) + names("child", 200))


def test_a_killed_process_loses_what_was_in_memory_and_nothing_that_was_on_disk(
    tmp_path: Path,
) -> None:
    code = """
    publisher.close()
    publisher = Publisher("127.0.0.1:1", model="m", spool=sys.argv[1], in_flight_bytes=1000)
    publish("a", 2000)
    while publisher.counts.spooled < 1000:
        time.sleep(0.01)
    ready()
    time.sleep(60)
    """
    done = run(tmp_path, code, send=signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    found = ids(tmp_path)
    assert len(found) >= 1000
    assert found == names("a", 2000)[2000 - len(found) :], "the newest, without a gap"


def test_sigterm_is_answered_within_the_time_given(tmp_path: Path) -> None:
    """Nobody is there and there is no spool: it waits `close_s`, and ends all the same."""
    code = """
    publisher.close()
    publisher = Publisher("127.0.0.1:1", model="m", close_s=1.0)
    publish("a", 5)
    ready()
    while True:
        time.sleep(0.01)
    """
    begun = time.monotonic()
    done = run(tmp_path, code, send=signal.SIGTERM)
    assert done.returncode == -signal.SIGTERM
    assert time.monotonic() - begun < 25
    assert list(tmp_path.iterdir()) == []
