"""Maintenance: times in which people work on a model, as its contract and lifecycle events say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.incidents.incident import Silence

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.incidents.acts import Act

__all__ = ["Maintenance"]

MOST = 50
"""Windows told of and not over that are remembered; of more the earliest are forgotten."""


class Maintenance:
    """The maintenance windows of one model.

    Of windows told of that overlap the last word counts: one told anew may end sooner, or later.
    """

    def __init__(self, contract: Contract) -> None:
        self._planned = contract.maintenance
        self._told: list[tuple[int, int, str | None, str | None]] = []

    def add(self, act: Act) -> Silence:
        """Take word of a window; return the silence it asks for."""
        assert act.since is not None
        assert act.until is not None
        since, until = act.since, act.until
        kept = [
            window
            for window in self._told
            if window[1] > act.at and (window[1] <= since or window[0] >= until)
        ]
        self._told = sorted([*kept, (since, until, act.by, act.why)])[-MOST:]
        return Silence(by=act.by, at=act.at, until=until, why=act.why, maintenance=True)

    def at(self, at: int) -> Silence | None:
        """Return the silence that holds for what begins at a moment, the longest one."""
        found = [
            Silence(by=by, at=at, until=until, why=why, maintenance=True)
            for since, until, by, why in self._told
            if since <= at < until
        ]
        for window in self._planned:
            end = window.end(at)
            if end is not None:
                found.append(Silence(by=None, at=at, until=end, why=window.why, maintenance=True))
        return max(found, key=lambda silence: silence.until, default=None)

    def snapshot(self) -> list[list[Any]]:
        """Return what was told as JSON values; the contract's windows are the contract's."""
        return [list(window) for window in self._told]

    def restore(self, state: list[list[Any]]) -> None:
        """Take up what `snapshot` gave."""
        self._told = [(since, until, by, why) for since, until, by, why in state]
