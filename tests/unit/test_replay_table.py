from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.errors import UsageError
from driftline.stats.table import TableError, read_table

if TYPE_CHECKING:
    from pathlib import Path


def test_a_plain_table_keeps_features_and_predictions(tmp_path: Path) -> None:
    table = pa.table(
        {
            "timestamp": ["2024-01-01", "2024-01-02"],
            "id": [1, 2],
            "label": [0, 1],
            "x": [1.5, float("nan")],
            "grade": pa.array(["a", None]).dictionary_encode(),
            "price": pa.array([Decimal(1), Decimal(2)], pa.decimal128(9, 2)),
            "prediction": [0, 1],
            "score": [0.5, 0.25],
        }
    )
    pq.write_table(table, tmp_path / "r.parquet")
    found = read_table(tmp_path / "r.parquet")
    assert found.columns == {
        "x": [1.5, None],
        "grade": ["a", None],
        "price": [1.0, 2.0],
        "prediction": [0, 1],
        "score": [0.5, 0.25],
    }
    assert found.ts is not None
    assert (found.ts[1] - found.ts[0]) == 86_400_000_000
    assert found.rows == 2


def test_events_give_their_features(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(
        '{"ts":1700000000,"model":"m","prediction":{"no":0.1,"yes":0.9},"features":{"x":1}}\n'
        '[{"type":"features","ts":1700000001,"features":{"y":"a","score":3}}]\n'
        '{"type":"label","ts":1700000001,"label":1}\n'
    )
    found = read_table(tmp_path / "r.jsonl")
    assert found.columns == {
        "prediction": ["yes", None],
        "x": [1, None],
        "y": [None, "a"],
        "features.score": [None, 3],
    }


def test_a_csv_without_time_has_none(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("x,c,prediction\n1,NA,0\n2.5,NA,1\nNA,b,1\n")
    found = read_table(tmp_path / "r.csv")
    assert found.ts is None
    assert found.columns == {
        "x": [1.0, 2.5, None],
        "c": ["NA", "NA", "b"],
        "prediction": [0, 1, 1],
    }


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_table(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("ts,x\nyesterday,1\n")
    with pytest.raises(TableError, match=r"row 1: expected a time in column ts, got 'yesterday'"):
        read_table(tmp_path / "r.csv")
    (tmp_path / "r.jsonl").write_text('{"a":1}\n{"a":\n')
    with pytest.raises(TableError, match="line 2: expected a JSON object"):
        read_table(tmp_path / "r.jsonl")
    (tmp_path / "r.parquet").write_text("no")
    with pytest.raises(TableError, match="expected a Parquet file"):
        read_table(tmp_path / "r.parquet")
    (tmp_path / "r.xls").write_text("no")
    with pytest.raises(UsageError, match=r"ending in \.parquet"):
        read_table(tmp_path / "r.xls")
