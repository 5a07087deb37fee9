"""Backtests of real data, two contracts each: which is better is said first, and true.

car_loan has one planted break. elec's three columns of Victoria are constant until its market
opens; that New South Wales' price and demand move together came in December.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.integration._car_loan import BREAK, FEATURES, fetch, run
from tests.integration._datasets import download

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PAGE_HINKLEY = "detectors: [page_hinkley]\n"
OLD = ["--python-version", "3.7", "--platform", "manylinux1_x86_64", "--only-binary", ":all:"]


def compared(out: Path, source: Path, contract: Path, truth: Path) -> dict[str, Any]:
    other = contract.with_name("page-hinkley.yaml")
    other.write_text(contract.read_text() + PAGE_HINKLEY)
    run(
        "replay", source, "--contract", contract, "--compare", other, "--truth", truth, "--out", out
    )
    told: dict[str, Any] = orjson.loads((out / "comparison.json").read_bytes())
    assert told["decoded"] == 1
    assert told["verdict"]["sentence"] in (out / "report.html").read_text()
    return told


def test_car_loan_by_two_contracts(tmp_path: Path) -> None:
    data = fetch(tmp_path)
    contract = tmp_path / "hourly.yaml"
    reference = data / "synthetic_car_loan_reference.parquet"
    contract.write_text(
        f"model: car-loan\nslot: 1h\nreference: {{from: file, path: {reference}}}\n"
    )
    moved = ";".join(
        name for name in FEATURES if name not in {"debt_to_income_ratio", "driver_tenure"}
    )
    truth = tmp_path / "truth.csv"
    truth.write_text(
        f"model,feature,since\ncar-loan,{moved};score;prediction,{BREAK.isoformat()}\n"
    )
    analysis = data / "synthetic_car_loan_analysis.parquet"
    told = compared(tmp_path / "out", analysis, contract, truth)
    first, other = told["contracts"]
    print(told["verdict"], first["false"], other["false"])
    assert first["recall"] == other["recall"] == 1.0
    assert first["known"][0]["delay_s"] <= 24 * 3600
    assert max(first["false_pages_per_month"], other["false_pages_per_month"]) <= 1.0


def test_elec_by_two_contracts(tmp_path: Path) -> None:
    download("scikit-multiflow==0.4.1", tmp_path, *OLD)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        rows = pyarrow.csv.read_csv(archive.open("skmultiflow/data/datasets/elec.csv"))
    names = ["period", "nsw_price", "nsw_demand", "vic_price", "vic_demand", "transfer", "up"]
    rows = rows.rename_columns(names)
    begin, step = dt.datetime(1996, 5, 7, tzinfo=dt.UTC), dt.timedelta(minutes=30)
    events = pa.table(
        {
            "type": ["prediction"] * rows.num_rows,
            "model": ["elec"] * rows.num_rows,
            "prediction_id": [str(row) for row in range(rows.num_rows)],
            "ts": [(begin + step * row).isoformat() for row in range(rows.num_rows)],
            "prediction": rows["up"].cast(pa.string()),
            **{f"features.{name}": rows[name] for name in names[:-1]},
        }
    )
    fifth = rows.num_rows // 5
    pq.write_table(events.slice(0, fifth), tmp_path / "reference.parquet")
    pq.write_table(events.slice(fifth), tmp_path / "events.parquet")
    contract = tmp_path / "hourly.yaml"
    contract.write_text("model: elec\nslot: 1h\nreference: {from: file, path: reference.parquet}\n")
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "model,feature,since\nelec,vic_price;vic_demand;transfer,1997-05-05\n"
        "elec,nsw_demand;nsw_price,1996-12-01\n"
    )
    told = compared(tmp_path / "out", tmp_path / "events.parquet", contract, truth)
    print(told["verdict"])
    assert told["verdict"]["best"] == "A"
    first, other = told["contracts"]
    assert (first["recall"], other["recall"]) == (1.0, 0.5)
    assert (first["false"], other["false"]) == (0, 0)
