"""Writes the dashboards beside it with Grafana's own builders: ``python deploy/grafana/generate.py``.

A test holds the files to this, to Grafana's types and to the metrics that there are. Another folder
may be named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from models import models
from workers import workers


def dashboards() -> dict[str, str]:
    """Return the files by name."""
    files = {}
    for name, built in (("workers.json", workers().build()), ("models.json", models().build())):
        for number, panel in enumerate(built.panels, 1):
            panel.id_val = number
        files[name] = JSONEncoder(sort_keys=True, indent=2).encode(built) + "\n"
    return files


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, text in dashboards().items():
        (folder / name).write_text(text, encoding="utf-8")
