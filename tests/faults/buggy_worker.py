"""``driftline`` with a bug planted in it: the first argument says where."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from driftline.cli import main
from driftline.detect.evidence import Evidence
from driftline.pipeline.observe import Observe


def planted(*_: Any, **__: Any) -> NoReturn:
    msg = "planted bug"
    raise ZeroDivisionError(msg)


PLACES = {"detect": (Evidence, "step"), "observe": (Observe, "_fold")}

if __name__ == "__main__":
    _, place, *arguments = sys.argv
    setattr(*PLACES[place], planted)
    sys.exit(main(arguments))
