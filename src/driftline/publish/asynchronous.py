"""The publisher of coroutines."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from driftline.publish.base import Base

if TYPE_CHECKING:
    from typing import Self

    from driftline.events.frame import EventType

__all__ = ["AsyncPublisher"]


class AsyncPublisher(Base[Coroutine[Any, Any, bool]]):
    """Does what `driftline.Publisher` does, for coroutines: each call is awaited.

    It is bound to no event loop, and does not run in the caller's: the same thread sends. With
    ``when_full="block"`` others run while a call waits for room.

    Parameters
    ----------
    bootstrap, **options
        As of `driftline.Publisher`.

    Examples
    --------
    ::

        async with AsyncPublisher("kafka:9092", model="credit-risk") as publisher:
            await publisher.prediction("p-1", 0.71, {"age": 41, "country": "DE"})
    """

    async def flush(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as of the other
        """Do as `driftline.Publisher.flush`."""
        return await self._core.flush_async(timeout)

    async def close(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109
        """Do as `driftline.Publisher.close`."""
        return await self._core.close_async(timeout)

    def _offer(self, type_: EventType, event: dict[str, Any]) -> Coroutine[Any, Any, bool]:
        return self._core.put_async(type_, event)

    async def __aenter__(self) -> Self:
        """Start the thread, so that the first event does not have to."""
        self._core.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close."""
        await self.close()
