"""What every broker offers, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Broker"]


class Broker(Protocol):
    """A Kafka of one node.

    Call order: `start`, then any of `kill`, `restart`, `stop(keep=True)` and `start` again, and
    `stop` last. Leaving the ``with`` block stops it.
    """

    @property
    def bootstrap(self) -> str:
        """Address for clients, ``host:port``; the same after a restart."""

    @property
    def pid(self) -> int | None:
        """Process id on this machine, where there is one."""

    def start(self) -> Self:
        """Start and wait until it answers; does nothing when it runs."""

    def stop(self, *, keep: bool = False) -> None:
        """Shut down in order; its temporary data goes too unless they are kept for a `start`."""

    def kill(self) -> None:
        """End it as a power cut would; the data stay for `start`."""

    def restart(self) -> None:
        """Stop in order and start again: same address, same data."""

    def log_tail(self, lines: int = 20) -> str:
        """Give the last lines that the broker logged."""

    def __enter__(self) -> Self:
        """Start it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
