"""What the image leaves out is not missed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

DEPLOY = Path(__file__).parents[2] / "deploy"
USES = """
import sys
sys.path.insert(0, sys.argv[1])
import pyarrow as pa, pyarrow.compute as pc, pyarrow.csv as csv, pyarrow.parquet as pq
assert pa.__file__.startswith(sys.argv[1]), pa.__file__
table = pa.table({"x": [1.5, None, 2.5], "kind": ["a", "b", "a"]})
pq.write_table(table, "t.parquet", compression="zstd")
csv.write_csv(table, "t.csv")
assert pq.read_table("t.parquet").equals(table)
assert pc.sum(csv.read_csv("t.csv")["x"]).as_py() == 4.0
assert [b.num_rows for b in pq.ParquetFile("t.parquet").iter_batches()] == [3]
"""


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_arrow_works_without_what_is_trimmed(tmp_path: Path) -> None:
    whole = Path(pa.__file__).parent
    packages = tmp_path / "packages"
    shutil.copytree(whole, packages / "pyarrow")
    subprocess.run(["sh", str(DEPLOY / "trim-packages"), str(packages)], check=True, timeout=50)
    assert size(packages) < 0.7 * size(whole)
    used = [sys.executable, "-c", USES, str(packages)]
    said = subprocess.run(used, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert said.returncode == 0, said.stderr


def test_the_image_is_nobodys_and_says_how_it_is() -> None:
    last = (DEPLOY / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    lines = last.splitlines()
    assert re.search(r"^USER 10001$", last, re.M)
    assert not [line for line in lines[lines.index("USER 10001") :] if line.startswith("RUN")]
    (check,) = re.findall(r'CMD \["python", "-c", "(.*)"\]', last)
    compile(check, "HEALTHCHECK", "exec")
    ignored = (DEPLOY.parent / ".dockerignore").read_text("utf-8").splitlines()
    assert "!deploy/trim-packages" in ignored
