"""NannyML's univariate drift with its defaults, a chunk for each window."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nannyml  # type: ignore[import-not-found]  # in its own environment
import numpy as np
import pandas as pd  # type: ignore[import-not-found]


def judge(path: Path) -> dict[str, object]:
    """Count the windows in which the first column was found, and any of the others."""
    held = np.load(path)
    windows, events, columns = held["windows"].shape
    names = [f"c{i}" for i in range(columns)]
    calculator = nannyml.UnivariateDriftCalculator(column_names=names, chunk_size=events)
    calculator.fit(pd.DataFrame(held["reference"], columns=names))
    judged = pd.DataFrame(held["windows"].reshape(-1, columns), columns=names)
    result = calculator.calculate(judged).filter(period="analysis").to_df()
    alerts = np.array([result[name]["jensen_shannon"]["alert"] for name in names])
    return {
        "bench": "windows",
        "change": path.stem,
        "events": events,
        "windows": windows,
        "seen": int(alerts[0].sum()),
        "false": int(alerts[1:].sum()),
    }


if __name__ == "__main__":
    for each in sorted(Path(sys.argv[1]).glob("*.npz")):
        print(json.dumps(judge(each), separators=(",", ":")), flush=True)
