"""An explanation as a file: a page, or a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.errors import DriftlineError

if TYPE_CHECKING:
    from pathlib import Path

    from driftline.replay.explain.explanation import Explanation

__all__ = ["SUFFIXES", "write_picture"]

SUFFIXES = (".html", ".svg", ".png")


def write_picture(told: Explanation, path: Path) -> None:
    """Write it, as the suffix says.

    Raises
    ------
    DriftlineError
        What draws is not installed, or the file cannot be written.
    """
    try:
        if path.suffix == ".html":
            from driftline.replay.explain.page import page

            path.write_text(page(told), encoding="utf-8")
            return
        from driftline.replay.explain.chart import draw

        draw(told, path)
    except ModuleNotFoundError as error:
        msg = (
            f"{path}: needs the Python package {error.name!r}: pip install 'driftline[picture]'; "
            "a .html picture needs none"
        )
        raise DriftlineError(msg) from error
    except OSError as error:
        msg = f"{path}: expected a file that can be written ({error.strerror})"
        raise DriftlineError(msg) from error
