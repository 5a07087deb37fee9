"""What observe has to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driftline.events.frame import DeadLetter

__all__ = ["Emission"]


@dataclass(slots=True)
class Emission:
    """What one step of `Observe` has to say.

    ``panes``, acts among them, go to the topic `panes` by key, ``ledger`` to that topic by
    partition; then ``mark`` goes to every partition of both; ``dead`` goes to the dead letters.
    Only when all of it is durable may the checkpoint be committed.
    """

    panes: list[tuple[bytes, bytes]] = field(default_factory=list)
    ledger: list[tuple[int, bytes]] = field(default_factory=list)
    mark: bytes | None = None
    dead: list[DeadLetter] = field(default_factory=list)
