"""Evidently's data drift preset with its defaults, a report for each window."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-not-found]  # in its own environment
from evidently import Report  # type: ignore[import-not-found]
from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]


def drifted(reference: pd.DataFrame, window: pd.DataFrame) -> list[bool]:
    """Return for each column whether its test of drift failed."""
    report = Report([DataDriftPreset()], include_tests=True)
    told = report.run(window, reference).dict()["tests"]
    status = {test["metric_config"]["params"].get("column"): test["status"] for test in told}
    return [status[name] == "FAIL" for name in reference.columns]


def judge(path: Path) -> dict[str, object]:
    """Count the windows in which the first column was found, and any of the others."""
    held = np.load(path)
    windows, events, columns = held["windows"].shape
    names = [f"c{i}" for i in range(columns)]
    reference = pd.DataFrame(held["reference"], columns=names)
    alerts = np.array(
        [drifted(reference, pd.DataFrame(window, columns=names)) for window in held["windows"]]
    )
    return {
        "bench": "windows",
        "change": path.stem,
        "events": events,
        "windows": windows,
        "seen": int(alerts[:, 0].sum()),
        "false": int(alerts[:, 1:].sum()),
    }


if __name__ == "__main__":
    for each in sorted(Path(sys.argv[1]).glob("*.npz")):
        print(json.dumps(judge(each), separators=(",", ":")), flush=True)
