from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from typing import TYPE_CHECKING, Any

import cramjam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.errors import DriftlineError
from driftline.events.time import format_ts
from driftline.replay.errors import SourceError, UnreadableError
from driftline.replay.feed import UNKNOWN, sorted_order
from driftline.replay.files import open_file
from driftline.replay.naming import NamedFile, parse_source, parse_sources

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.replay.feed import Feed

START = 1_700_000_000_000_000


def opened(path: Path | str, model: str | None = None) -> Feed:
    named = parse_source(str(path))
    assert isinstance(named, NamedFile)
    spool = named.path.parent / "spool"
    spool.mkdir(exist_ok=True)
    return open_file(named, model, spool)


def drained(feed: Feed, most: int = 7) -> list[tuple[int, Any, int]]:
    out: list[tuple[int, Any, int]] = []
    while records := feed.read(most):
        for record in records:
            assert record.timestamp is None
            assert record.value is not None
            out.append((record.offset, bytes(record.value), feed.origin(record.offset)))
    feed.close()
    return out


def rows(count: int = 40) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    order = rng.permutation(count)
    return [
        {
            "type": "prediction",
            "model": "m",
            "ts": format_ts(START + int(at) // 2 * 1_000_000),
            "prediction_id": f"00{row}",
            "prediction": float(rng.normal()),
            "features": {
                "x": float(rng.normal()) if row % 5 else None,
                "n": int(rng.integers(0, 9)),
                "c": "NA" if row % 3 else "be",
                "b": bool(row % 2),
            },
        }
        for row, at in enumerate(order)
    ]


def flat(row: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in row.items() if name != "features"}
    return out | {f"features.{name}": value for name, value in row["features"].items()}


def write(path: Path, events: list[dict[str, Any]]) -> Path:
    if path.name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress("\n".join(json.dumps(e) for e in events).encode()))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([flat(e) for e in events]), path, row_group_size=11)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, flat(events[0]))
            writer.writeheader()
            writer.writerows(flat(e) for e in events)
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_rows_of_any_file_come_sorted_by_time_and_stable(tmp_path: Path, suffix: str) -> None:
    events = rows()
    found = drained(opened(write(tmp_path / f"e.{suffix}", events)))
    expected = sorted(range(len(events)), key=lambda row: events[row]["ts"])
    assert [offset for offset, _, _ in found] == list(range(len(events)))
    assert [origin for _, _, origin in found] == expected
    assert [json.loads(value) for _, value, _ in found] == [events[row] for row in expected]


def test_lines_are_handed_on_as_they_are(tmp_path: Path) -> None:
    lines = [
        b'{"type":"label" , "ts":"2024-01-01T00:00:02Z","x":NaN}',
        b"not json",
        b'[{"ts":"2024-01-01T00:00:01Z","type":"label"},7]',
        b'{"type":"label"}\xff',
    ]
    (tmp_path / "e.jsonl").write_bytes(b"\n\n".join(lines) + b"\r\n")
    found = drained(opened(tmp_path / "e.jsonl"))
    # What has no time stays behind the line before it.
    assert [value for _, value, _ in found] == [lines[2], lines[3], lines[0], lines[1]]
    assert [origin for _, _, origin in found] == [4, 6, 0, 2]


def test_a_csv_is_typed_by_all_of_its_values(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text(
        "ts,model,prediction_id,version,features.a,features.b,features.c,features.d\n"
        '1700000000,m,0012,1.0,1,TRUE,NA,"x,\ny"\n'
        "1700000001.5,m,0013,,NaN,false,,z\n"
        "1700000002,m,0014,2.0,oops,maybe,DE,\n"
    )
    found = [json.loads(v) for _, v, _ in drained(opened(tmp_path / "predictions.csv"))]
    assert [f["features"] for f in found] == [
        {"a": 1, "b": True, "c": "NA", "d": "x,\ny"},
        {"a": None, "b": False, "c": None, "d": "z"},
        {"a": "oops", "b": "maybe", "c": "DE", "d": None},
    ]
    assert [f["prediction_id"] for f in found] == ["0012", "0013", "0014"]
    assert [f.get("version") for f in found] == ["1.0", None, "2.0"]
    assert [f["ts"] for f in found] == [1700000000.0, 1700000001.5, 1700000002.0]


def test_a_broken_csv_line_is_still_a_record(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "ts,model,prediction_id,label\n2024-01-01,m,1,0\n2024-01-01,m\n2024-01-02,m,2,1\n"
    )
    found = drained(opened(tmp_path / "labels.csv"))
    assert len(found) == 3
    assert found[-1][1:] == (b"2024-01-01,m", 2)


def test_a_table_says_times_segments_and_classes_as_events_do(tmp_path: Path) -> None:
    at = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    table = pa.table(
        {
            "ts": pa.array([at, at], pa.timestamp("ns", "Europe/Vienna")),
            "type": pa.array(["predictions", "predictions"]).dictionary_encode(),
            "model": ["m", None],
            "prediction_id": [7.0, None],
            "prediction.no": [0.25, 0.5],
            "prediction.yes": [0.75, 0.5],
            "segment.region": ["eu", None],
            "features.x": [float("nan"), float("inf")],
        }
    )
    pq.write_table(table, tmp_path / "e.parquet")
    found = [json.loads(v) for _, v, _ in drained(opened(tmp_path / "e.parquet", "only"))]
    assert found[0] == {
        "ts": "2024-01-01T12:00:00.000000Z",
        "type": "prediction",
        "model": "m",
        "prediction_id": 7,
        "prediction": {"no": 0.25, "yes": 0.75},
        "segment": {"region": "eu"},
        "features": {"x": None},
    }
    assert found[1]["model"] == "only"
    assert "segment" not in found[1]


def test_in_a_mixed_table_only_rows_with_features_carry_them(tmp_path: Path) -> None:
    table = pa.table(
        {
            "ts": ["2024-01-01", "2024-01-02", "2024-01-03"],
            "type": ["prediction", "label", "features"],
            "label": [None, 1, None],
            "prediction": [0.5, None, None],
            "features.x": pa.array([None, None, None], pa.float64()),
        }
    )
    pq.write_table(table, tmp_path / "e.parquet")
    found = [json.loads(v) for _, v, _ in drained(opened(tmp_path / "e.parquet"))]
    assert ["features" in event for event in found] == [False, False, True]
    assert ["label" in event for event in found] == [False, True, False]


def test_rows_without_a_model_take_the_only_contracts(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"ts":1700000000,"prediction_id":"a","label":1}\n')
    assert opened(tmp_path / "labels.jsonl", "m").spec.fixed == {"model": "m"}
    (tmp_path / "labels.jsonl").write_text('{"ts":1700000000,"model":"other"}\n')
    assert opened(tmp_path / "labels.jsonl", "m").spec.fixed == {}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("e.jsonl", b"", "got an empty file"),
        ("e.jsonl", b"\n \n", "got an empty file"),
        ("e.jsonl", b'{"ts":1700000000,"label":1}\n', "expected a field type"),
        ("e.jsonl.gz", b"hello", "expected a gzip file"),
        ("e.csv", b"", "expected a header line"),
        ("e.csv", b"a,b\n1,2\n", "expected a column ts, got 'a', 'b'"),
        ("e.csv", b"ts,type\n", "got no rows"),
        ("e.csv", b"ts,ts\n1,2\n", "got twice: 'ts'"),
        ("e.csv", b"ts,x\n2024-01-01,1\n", "expected a column type"),
        ("e.csv", b"ts,type\n2024-01-01,\xff\xfe\n", "expected UTF-8 text"),
        ("e.parquet", b"PAR1 not really", "expected a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, text: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DriftlineError, match=text) as caught:
        opened(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_the_type_of_a_file_is_what_its_rows_say_else_its_name(tmp_path: Path) -> None:
    (tmp_path / "x-labels.jsonl").write_text('{"ts":1}\n')
    assert opened(tmp_path / "x-labels.jsonl").spec.type == "label"
    assert opened(f"outcomes={tmp_path / 'x-labels.jsonl'}").spec.type == "outcome"
    (tmp_path / "x-labels.jsonl").write_text('{"ts":1,"type":"label"}\n')
    assert opened(tmp_path / "x-labels.jsonl").spec.type is None


def test_unknown_times_stay_behind_the_row_before_them() -> None:
    ts = np.array([UNKNOWN, 30, UNKNOWN, 10, UNKNOWN, UNKNOWN, 20])
    order = sorted_order(ts)
    assert order is not None
    assert order.tolist() == [0, 3, 4, 5, 6, 1, 2]
    assert sorted_order(np.array([1, UNKNOWN, 2, 2])) is None


def packed(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else cramjam.zstd.compress(data))
    return path


@pytest.mark.parametrize("plain", ["jsonl", "csv"])
@pytest.mark.parametrize("packing", ["gz", "zst"])
def test_packed_files_say_what_they_hold(tmp_path: Path, plain: str, packing: str) -> None:
    whole = write(tmp_path / f"e.{plain}", rows())
    expected = drained(opened(whole))
    path = packed(tmp_path / f"e.{plain}.{packing}", whole.read_bytes())
    assert drained(opened(path)) == expected
    cut = tmp_path / f"cut.{plain}.{packing}"
    cut.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnreadableError, match=f"cut.{plain}.{packing}: expected a "):
        opened(cut)


def test_a_folder_is_all_its_files_in_order_of_name(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    for name in ("2024/02/b.jsonl", "2024/01/c.jsonl.gz", "2023/z.csv", "2024/02/_SUCCESS"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / ".git").mkdir()
    (folder / ".git/config").touch()
    (folder / "truth.json").touch()  # what `driftline simulate` notes beside its events
    found = parse_sources([f"labels={folder}"])
    assert [(each.name, each.type) for each in found if isinstance(each, NamedFile)] == [
        ("labels=2023/z.csv", "label"),
        ("labels=2024/01/c.jsonl.gz", "label"),
        ("labels=2024/02/b.jsonl", "label"),
    ]
    with pytest.raises(SourceError, match=r"named twice .*b\.jsonl is in it"):
        parse_sources([str(folder), str(folder / "2024/02/b.jsonl")])
    (folder / "2024/notes.txt").touch()
    with pytest.raises(SourceError, match=r"notes\.txt: expected only files ending in \.jsonl"):
        parse_sources([str(folder)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: expected a folder with files of events"):
        parse_sources([str(tmp_path / "empty")])


def test_files_of_one_name_in_two_folders_keep_their_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "e.jsonl").touch()
    found = parse_sources([str(tmp_path / "one"), f"labels={tmp_path / 'two'}"])
    names = [each.name for each in found if isinstance(each, NamedFile)]
    assert names == ["e.jsonl", "labels=e.jsonl"]
    found = parse_sources([str(tmp_path / "one"), str(tmp_path / "two")])
    names = [each.name for each in found if isinstance(each, NamedFile)]
    assert names == [str(tmp_path / "one/e.jsonl"), str(tmp_path / "two/e.jsonl")]
