"""Libraries that compare windows with a reference, given windows as long as driftline's delay.

Each lives in an environment of its own and judges, with its defaults, windows in which one column
of ten has changed: how often it says so, and how often it says it of the nine others.
"""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from driftline.bench.detectors.by_hand import COLUMNS, MONTH
from driftline.bench.detectors.changes import CHANGES
from driftline.bench.entrants import PEERS
from driftline.bench.environments import Unavailable, interpreter
from driftline.bench.errors import BenchError
from driftline.bench.process import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["JUDGED", "Judged", "judge"]

JUDGED = ("mean0.25", "mean0.5", "mean1", "mean2", "variance1.5", "variance2", "shape")
LIBRARIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # 0.7.23 asks for any pandas and cannot be imported with 3.
    "Evidently": ("evidently_windows", ("evidently==0.7.23", "pandas<3")),
    # 0.13.1 imports statsmodels and does not ask for it.
    "NannyML": ("nannyml_windows", ("nannyml==0.13.1", "statsmodels")),
}
TEN = 10
ROWS = 20_000
TIMEOUT_S = 900.0
QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
"""Neither is to report home that it was measured."""


@dataclass(frozen=True)
class Judged:
    """What one library said of the windows of one change.

    Attributes
    ----------
    window
        Events in a window: driftline's median delay for the change in one of 100 columns.
    seen
        Share of windows in which it found the changed column.
    false
        Share of the other columns' windows that it found changed too.
    """

    library: str
    change: str
    window: int
    windows: int
    seen: float
    false: float

    @property
    def false_a_month(self) -> float:
        """False findings in a model-month: 100 columns, 100 events a minute."""
        return self.false * COLUMNS * MONTH / self.window

    @property
    def false_below(self) -> float:
        """What that may be, with 95 %, where none was seen (the rule of three)."""
        return 3 / (self.windows * (TEN - 1)) * COLUMNS * MONTH / self.window

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "library": self.library,
            "change": self.change,
            "window_events": self.window,
            "windows": self.windows,
            "seen": round(self.seen, 4),
            "false": round(self.false, 6),
            "false_a_model_month": round(self.false_a_month, 1),
        }


def judge(
    sizes: Mapping[str, int], windows: int, seed: int, notify: Callable[[str], None]
) -> tuple[list[Judged], dict[str, str]]:
    """Let each library judge windows.

    Parameters
    ----------
    sizes
        Events in a window, by change.
    windows
        Windows of each change.

    Returns
    -------
    What was found, and for each library that could not be run the reason.
    """
    found: list[Judged] = []
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        for change, size in sizes.items():
            reference, judged = draw(change, size, windows, seed)
            np.savez(Path(folder) / f"{change}.npz", reference=reference, windows=judged)
        for library, (program, requirements) in LIBRARIES.items():
            try:
                python = interpreter(program, requirements, notify)
                command = [str(python), "-E", "-s", str(PEERS / f"{program}.py"), folder]
                for said in follow(command, timeout_s=TIMEOUT_S, env=QUIET):
                    notify(f"{library}: {said['change']}")
                    found.append(_read(library, said))
            except (Unavailable, BenchError) as reason:
                skipped[library] = str(reason)
                notify(f"{library} is left out: {reason}")
                found = [each for each in found if each.library != library]
    return found, skipped


def draw(change: str, size: int, windows: int, seed: int) -> tuple[Floats, Floats]:
    """Draw a reference, shape (rows, columns), and windows, shape (windows, events, columns).

    The first column of every window is drawn after the change, all others before it.
    """
    rng = np.random.default_rng([seed, zlib.crc32(change.encode())])
    after = CHANGES[change].after
    assert after is not None
    judged = rng.standard_normal((windows, size, TEN))
    judged[..., 0] = after.values(rng, windows * size).reshape(windows, size)
    return rng.standard_normal((ROWS, TEN)), judged


def _read(library: str, said: Mapping[str, Any]) -> Judged:
    windows = int(said["windows"])
    return Judged(
        library,
        str(said["change"]),
        int(said["events"]),
        windows,
        said["seen"] / windows,
        said["false"] / (windows * (TEN - 1)),
    )
