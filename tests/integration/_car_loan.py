"""synthetic_car_loan as events; see `test_car_loan.py` for what is in it."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from tests.integration._datasets import download

if TYPE_CHECKING:
    from pathlib import Path

CARRIER = "nannyml==0.13.1"
FOLDER = "nannyml/datasets/data"
BREAK = dt.datetime(2019, 3, 31, 3, tzinfo=dt.UTC)
FEATURES = (
    "car_value", "salary_range", "debt_to_income_ratio", "loan_length",
    "repaid_loan_on_prev_car", "size_of_downpayment", "driver_tenure",
)  # fmt: skip


def fetch(folder: Path) -> Path:
    """Fetch the wheel that carries the data into a folder; nothing of it is imported."""
    download(CARRIER, folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for variant in ("", "dq_"):
        for part in ("reference", "analysis"):
            _to_events(folder / FOLDER / f"synthetic_car_loan_{variant}{part}.csv", folder)
    return folder


def _to_events(csv: Path, folder: Path) -> None:
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    rows = pyarrow.csv.read_csv(csv, convert_options=options)
    columns: dict[str, Any] = {
        "type": pa.array(["prediction"] * rows.num_rows),
        "model": pa.array(["car-loan"] * rows.num_rows),
        "prediction_id": rows["id"].cast(pa.string()),
        "ts": rows["timestamp"],
        "prediction": rows["y_pred"].cast(pa.string()),
        "score": rows["y_pred_proba"],
    }
    columns |= {f"features.{name}": rows[name] for name in FEATURES}
    pyarrow.parquet.write_table(pa.table(columns), folder / f"{csv.stem}.parquet")


def run(*arguments: object) -> None:
    command = [sys.executable, "-m", "driftline", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def alerts_of(out: Path) -> list[dict[str, Any]]:
    lines = (out / "alerts.jsonl").read_bytes().splitlines()
    return [orjson.loads(line)["data"] for line in lines]
