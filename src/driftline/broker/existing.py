"""A broker that runs already: found, used, and left as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from driftline.broker.ready import answers, wait_until
from driftline.errors import BrokerError

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ExistingBroker"]


class ExistingBroker:
    """Somebody else's Kafka at a known address.

    Parameters
    ----------
    bootstrap
        ``host:port`` of a plaintext listener.
    patience_s
        How long it may take to answer.
    """

    pid = None

    def __init__(self, bootstrap: str, patience_s: float = 15.0) -> None:
        self.bootstrap = bootstrap
        self._patience_s = patience_s

    def start(self) -> Self:
        """Wait until it answers.

        Raises
        ------
        BrokerError
            It does not within `patience_s`.
        """
        if not wait_until(lambda: answers(self.bootstrap), self._patience_s):
            msg = f"no Kafka answers at {self.bootstrap} within {self._patience_s:g} s"
            raise BrokerError(msg)
        return self

    def stop(self, *, keep: bool = False) -> None:
        """Leave it running: it is not ours."""

    def kill(self) -> NoReturn:
        """Refuse: it is not ours."""
        msg = f"the broker at {self.bootstrap} was not started here and is not killed from here"
        raise BrokerError(msg)

    restart = kill

    def log_tail(self, lines: int = 20) -> str:  # noqa: ARG002 - the protocol's signature
        """Give nothing: its log is elsewhere."""
        return ""

    def __enter__(self) -> Self:
        """Wait until it answers."""
        return self.start()

    def __exit__(self, *exc: object) -> None:
        """Leave it running."""
