"""What both publishers are before they differ in whether a call is awaited."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from driftline.publish.calls import Calls
from driftline.publish.core import Core
from driftline.publish.observe import Observing
from driftline.publish.settings import Options, Settings

if TYPE_CHECKING:
    from driftline.publish.counters import Counts

__all__ = ["Base"]

R = TypeVar("R")


class Base(Observing, Calls[R]):
    """Settings, a core, and what can be asked at any time."""

    def __init__(self, bootstrap: str = Settings.bootstrap, **options: Unpack[Options]) -> None:
        self.settings = Settings(bootstrap=bootstrap, **options)
        self._model = self.settings.model
        self._version = self.settings.version
        self._core = Core(self.settings)

    @property
    def connected(self) -> bool:
        """Whether the broker is reached, as far as is known; events are taken either way."""
        return self._core.connected

    @property
    def counts(self) -> Counts:
        """What became of all events so far."""
        return self._core.counts()

    def __repr__(self) -> str:
        """Say where to; secrets stay out of logs."""
        return f"{type(self).__name__}({self.settings.bootstrap!r}, model={self._model!r})"

    def __reduce__(self) -> Any:
        """Pickle the settings alone: where it is unpickled, it begins with nothing."""
        return _remade, (type(self), self.settings)


def _remade(kind: Any, settings: Settings) -> Any:
    return kind(**{field.name: getattr(settings, field.name) for field in fields(settings)})
