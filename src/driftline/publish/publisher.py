"""The publisher of threads and processes; see `driftline.publish.asynchronous` for coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.publish.base import Base

if TYPE_CHECKING:
    from typing import Self

    from driftline.events.frame import EventType

__all__ = ["Publisher"]


class Publisher(Base[bool]):
    """Publishes events without ever holding up or breaking whoever serves predictions.

    A call puts an event into a bounded buffer; a thread of its own encodes, packs, compresses and
    sends. A call waits for nothing (with ``when_full="block"`` for `block_s` at most), raises
    nothing (except with ``strict=True``), and what is lost is counted with its reason. May be used
    from any thread, and after a fork, whose child begins with nothing.

    Parameters
    ----------
    bootstrap
        ``host:port`` of brokers, several separated by commas.
    **options
        See `driftline.publish.Settings`.

    Raises
    ------
    driftline.publish.SettingsError
        With every fault of the settings.

    Examples
    --------
    ::

        with Publisher("kafka:9092", model="credit-risk", version="3") as publisher:
            publisher.prediction("p-1", 0.71, {"age": 41, "country": "DE"})
    """

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was accepted is sent, or counted as dropped; return whether it is.

        Parameters
        ----------
        timeout
            Seconds; `Settings.close_s` where left out.
        """
        return self._core.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Send what waits, and end; return whether all of it was sent in time.

        What was not is put into the spool for the next process, or dropped and counted. Later
        calls are refused and counted.
        """
        return self._core.close(timeout)

    def _offer(self, type_: EventType, event: dict[str, Any]) -> bool:
        return self._core.put(type_, event)

    def __enter__(self) -> Self:
        """Start the thread, so that the first event does not have to."""
        self._core.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Close."""
        self.close()
