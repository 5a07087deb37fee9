"""What ended a worker is what is told of it, whatever goes wrong while it stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from driftline.bus.config import Config
from driftline.bus.runtime import Runtime
from driftline.contract import Book

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("trouble", [asyncio.CancelledError(), OSError("no route")])
def test_trouble_while_stopping_does_not_hide_the_fault(
    trouble: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop() -> None:
        raise trouble

    async def crash(_: BaseException) -> None:
        pass

    async def go() -> None:
        runtime = Runtime(Config(datadir=str(tmp_path)), Book(()))
        monkeypatch.setattr(runtime.app, "stop", stop)
        monkeypatch.setattr(runtime.app, "crash", crash)
        with pytest.raises(type(trouble)):
            await runtime.stop()
        await runtime.fail(ZeroDivisionError("planted"))
        await runtime.stop()
        with pytest.raises(ZeroDivisionError, match="planted"):
            await runtime.wait()

    asyncio.run(go())
