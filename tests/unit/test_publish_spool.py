"""The spool: bounded, in order, and what a crash leaves of it is found and read."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from driftline.publish.backlog import Backlog
from driftline.publish.counters import Tally
from driftline.publish.envelope import Envelope, Packer
from driftline.publish.spool import Spool, abandoned

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20


def backlog(folder: Path, most: int = 64 * MIB) -> tuple[Backlog, Tally]:
    tally = Tally()
    made = Backlog(folder, most, tally)
    made.take_over()
    return made, tally


def envelope(number: int, size: int = 100, events: int = 3) -> Envelope:
    return Envelope(f"t{number % 2}", b"%06d" % number + b"x" * (size - 6), events)


def read_all(held: Backlog) -> list[Envelope]:
    found = []
    while (each := held.read()) is not None:
        found.append(each)
    return found


def number(each: Envelope) -> int:
    return int(each.value[:6])


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.spool"))


def test_first_in_first_out_and_nothing_is_left_behind(tmp_path: Path) -> None:
    held, _ = backlog(tmp_path)
    sent = [envelope(i) for i in range(200)]
    for each in sent:
        held.append(each)
    assert held.events == 600
    found = read_all(held)
    assert [(e.topic, e.value, e.events) for e in found] == [
        (e.topic, e.value, e.events) for e in sent
    ]
    assert not held.unread
    assert held.events == 600, "read, and not arrived"
    for each in reversed(found):
        held.arrive(each)
    assert held.events == 0
    assert not segments(tmp_path)
    held.close()
    assert list(tmp_path.iterdir()) == []


def test_reading_and_writing_in_turns(tmp_path: Path) -> None:
    held, _ = backlog(tmp_path)
    seen = []
    for i in range(100):
        held.append(envelope(2 * i))
        held.append(envelope(2 * i + 1))
        each = held.read()
        assert each is not None
        seen.append(number(each))
        held.arrive(each)
    seen += [number(each) for each in read_all(held)]
    assert seen == list(range(200))
    held.close()


def test_what_a_process_left_the_next_one_takes_over(tmp_path: Path) -> None:
    held, _ = backlog(tmp_path)
    for i in range(10):
        held.append(envelope(i))
    first = [held.read() for _ in range(4)]
    for each in first[:3]:
        assert each is not None
        held.arrive(each)
    held.close()
    after, tally = backlog(tmp_path)
    assert tally.recovered == after.events == 21
    after.append(envelope(10))
    assert [number(each) for each in read_all(after)] == list(range(3, 11))
    after.close()


def test_a_living_process_keeps_its_spool(tmp_path: Path) -> None:
    held, _ = backlog(tmp_path)
    held.append(envelope(1))
    assert list(abandoned(tmp_path)) == []
    other, tally = backlog(tmp_path)
    assert tally.recovered == 0
    other.append(envelope(2))
    assert [number(each) for each in read_all(other)] == [2]
    assert [number(each) for each in read_all(held)] == [1]
    held.close()
    other.close()


def test_what_a_killed_process_left_is_found(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from driftline.publish.spool import Spool\n"
        "spool = Spool.make(Path(sys.argv[1]))\n"
        "for i in range(5): spool.append('t', b'%d' % i, 2)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60)
    assert done.returncode == -9
    held, tally = backlog(tmp_path)
    assert tally.recovered == 10
    assert [each.value for each in read_all(held)] == [b"0", b"1", b"2", b"3", b"4"]
    held.close()


@pytest.mark.parametrize("cut", [1, 5, 13, 60, 115])
def test_a_torn_last_record_is_skipped(tmp_path: Path, cut: int) -> None:
    held, _ = backlog(tmp_path)
    for i in range(5):
        held.append(envelope(i))
    held.close()
    (path,) = segments(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    after, tally = backlog(tmp_path)
    assert [number(each) for each in read_all(after)] == [0, 1, 2, 3]
    assert tally.recovered == after.events == 12
    after.close()


def test_a_record_that_the_disk_changed_takes_its_segment_with_it_counted(tmp_path: Path) -> None:
    held, _ = backlog(tmp_path, 8 * MIB)
    for i in range(12):
        held.append(envelope(i, size=MIB // 4))
    held.close()
    first, *others = segments(tmp_path)
    assert others
    whole = first.read_bytes()
    at = whole.index(b"000002")
    first.write_bytes(whole[:at] + b"!" + whole[at + 1 :])
    after, tally = backlog(tmp_path)
    found = [number(each) for each in read_all(after)]
    assert found[:2] == [0, 1]
    assert found[2:] == list(range(12 - len(found) + 2, 12))
    assert tally.dropped["spool_damaged"] == 3 * (12 - len(found)) > 0
    assert after.events + tally.dropped["spool_damaged"] == tally.recovered == 36
    after.close()


def test_it_is_bounded_and_the_oldest_goes_counted(tmp_path: Path) -> None:
    most = 1 * MIB
    held, tally = backlog(tmp_path, most)
    for i in range(300):
        held.append(envelope(i, size=10_000, events=7))
        on_disk = sum(path.stat().st_size for path in segments(tmp_path))
        assert on_disk <= most + 10_100
    found = [number(each) for each in read_all(held)]
    assert found == list(range(300 - len(found), 300))
    assert tally.dropped["spool_full"] == 7 * (300 - len(found))
    assert len(found) * 10_000 >= most * 0.8, "an eighth goes at a time"
    held.close()


def test_what_is_on_its_way_survives_that_the_rest_of_its_segment_goes(tmp_path: Path) -> None:
    held, tally = backlog(tmp_path, MIB)
    for i in range(30):
        held.append(envelope(i, size=10_000))
    flying = [held.read() for _ in range(3)]
    for i in range(30, 200):
        held.append(envelope(i, size=10_000))
    for each in flying:
        assert each is not None
        held.arrive(each)
    left = read_all(held)
    assert held.events == 3 * len(left)
    assert tally.dropped["spool_full"] + held.events + 9 == 600
    held.close()


def test_what_was_on_its_way_comes_first_again(tmp_path: Path) -> None:
    held, _ = backlog(tmp_path)
    for i in range(5, 10):
        held.append(envelope(i))
    assert held.put_first([envelope(i) for i in range(5)]) == []
    held.close()
    after, tally = backlog(tmp_path)
    assert tally.recovered == 30
    assert [number(each) for each in read_all(after)] == list(range(10))
    after.close()


def test_a_segment_that_is_gone_is_never_mistaken_for_a_new_one(tmp_path: Path) -> None:
    """The cursor names a segment by number, so a number must not come back."""
    held, _ = backlog(tmp_path)
    for i in range(3):
        held.append(envelope(i))
        each = held.read()
        assert each is not None
        held.arrive(each)
    held.append(envelope(7))
    held.close()
    after, _ = backlog(tmp_path)
    assert [number(each) for each in read_all(after)] == [7]
    after.close()


def test_a_disk_that_is_full_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, _ = backlog(tmp_path)
    held.append(envelope(0))
    write = os.write

    def half(fd: int, data: bytes) -> int:
        if len(data) > 60:
            return write(fd, data[:60])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        held.append(envelope(1))
    monkeypatch.undo()
    held.append(envelope(2))
    assert [number(each) for each in read_all(held)] == [0, 2]
    assert held.events == 6
    held.close()


def test_a_spool_is_seen_by_others_only_once_it_is_locked(tmp_path: Path) -> None:
    spool = Spool.make(tmp_path)
    assert Spool.adopt(spool.folder) is None
    spool.append("t", b"1", 1)
    spool.close()
    again = Spool.adopt(spool.folder)
    assert again is not None
    assert again.recovered == 1
    again.close()


def test_envelopes_are_full_by_events_and_by_bytes_and_hold_one_model() -> None:
    packer = Packer(events=3, size=50)
    assert packer.add("t", "a", b"1") is None
    assert packer.add("t", "b", b"7") is None
    assert packer.add("t", "a", b"2") is None
    full = packer.add("t", "a", b"3")
    assert full is not None
    assert (full.value, full.events) == (b"[1,2,3]", 3)
    assert packer.add("t", "a", b"4" * 30) is None
    full = packer.add("t", "a", b"5" * 30)
    assert full is not None
    assert full.value == b"4" * 30
    assert sorted((e.value, e.events) for e in packer.close()) == [(b"5" * 30, 1), (b"7", 1)]
    assert not packer.held
    large = packer.add("t", "a", b"6" * 500)
    assert large is None
    assert [e.value for e in packer.close()] == [b"6" * 500]
    assert packer.add("t", "a", b"1,2", events=2) is None
    full = packer.add("t", "a", b"3,4", events=2)
    assert full is not None
    assert (full.value, full.events) == (b"[1,2]", 2)
    assert [(e.value, e.events) for e in packer.close()] == [(b"[3,4]", 2)]


def test_an_envelope_can_be_halved() -> None:
    whole = Envelope("t", b'[{"a":[1,2]},{"a":3},{"a":"],"}]', 3)
    first, second = whole.halves()
    assert (first.value, first.events) == (b'{"a":[1,2]}', 1)
    assert (second.value, second.events) == (b'[{"a":3},{"a":"],"}]', 2)
    assert first.halves() == []
