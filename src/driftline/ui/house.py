"""What handlers share: the view's readers, templates, assets, contracts, and who is there."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from driftline.ui.live import Hub
from driftline.ui.sessions import Attempts, Session, Sessions
from driftline.ui.view import Reader
from driftline.ui.words import FILTERS
from driftline.ui.worry import Level

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from driftline.bus.clock import Clock
    from driftline.contract import Book
    from driftline.ui.acts import Desk
    from driftline.ui.feed import Feed
    from driftline.ui.settings import Door

__all__ = ["HOUSE", "PERSON", "SESSION", "House", "assets"]

T = TypeVar("T")
THREADS = 4
REPORTS = (
    *("uPlot.iife.min.js", "uPlot.min.css", "colors.js", "axes.js", "plots.js"),
    *("report.css", "review.css"),
)
"""Assets that the reports are made of too; they lie with those."""
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def assets() -> dict[str, bytes]:
    """Return all styles and scripts by name."""
    own = {
        each.name: each.read_bytes()
        for each in (resources.files("driftline.ui") / "assets").iterdir()
        if each.name.endswith(tuple(TYPES))
    }
    reports = resources.files("driftline.replay") / "assets"
    return own | {name: (reports / name).read_bytes() for name in REPORTS}


@dataclass
class House:
    """Everything that a handler may need.

    Attributes
    ----------
    feed, desk
        None where a folder is looked at: nothing comes, and there is nothing to decide.
    """

    folder: Path
    book: Book
    door: Door
    clock: Clock
    feed: Feed | None = None
    desk: Desk | None = None
    hub: Hub = field(default_factory=Hub)
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)

    def begin(self) -> None:
        """Load what does not change; called once, when all parts are there."""
        self.assets = assets()
        joined = b"".join(self.assets[name] for name in sorted(self.assets))
        self.build = hashlib.sha256(joined).hexdigest()[:12]
        self.readers = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
        self.senders = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._local = threading.local()
        self._templates = Environment(
            loader=PackageLoader("driftline.ui"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(FILTERS)
        self._templates.globals.update(build=self.build, Level=Level, live=self.feed is not None)

    async def read(self, call: Callable[..., T], *arguments: Any) -> T:
        """Call something with a reader of the view, on a thread of its own."""

        def there() -> T:
            if not hasattr(self._local, "reader"):
                self._local.reader = Reader(self.folder)
            return call(self._local.reader, *arguments)

        return await asyncio.get_running_loop().run_in_executor(self.readers, there)

    async def show(
        self,
        request: web.Request,
        template: str,
        make: Callable[..., dict[str, Any] | None],
        *arguments: Any,
        status: int = 200,
    ) -> web.Response:
        """Make a page; what `make` returns is what the template is given.

        Raises
        ------
        aiohttp.web.HTTPNotFound
            `make` has found nothing.
        """
        common = {
            "person": request[PERSON],
            "session": request[SESSION],
            "path": request.path,
            "login": self.door.token is not None,
            "theme": theme if (theme := request.cookies.get("theme")) in ("dark", "light") else "",
            "trouble": self._trouble(),
            # Asked before the view is read: what changes meanwhile is told again.
            "revision": self.hub.revision,
        }

        def there(reader: Reader) -> str | None:
            own = make(reader, *arguments)
            if own is None:
                return None
            as_of = reader.as_of()
            return self._templates.get_template(template).render(common | {"as_of": as_of} | own)

        text = await self.read(there)
        if text is None:
            raise web.HTTPNotFound
        return web.Response(text=text, content_type="text/html", status=status)

    def _trouble(self) -> str | None:
        if self.feed is None:
            return None
        if self.feed.trouble is not None:
            return f"{self.feed.trouble}. What is shown is as of the last time that it answered."
        if self.feed.left_out:
            return f"{self.feed.left_out:,} models or more are left out: there is no room for them."
        return None if self.feed.caught_up else "Still reading what stands on the topics."

    def close(self) -> None:
        """Stop the threads."""
        self.readers.shutdown()
        self.senders.shutdown()


HOUSE: web.AppKey[House] = web.AppKey("house", House)
SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)
PERSON: web.RequestKey[str | None] = web.RequestKey("person", str)
"""The name of who is there; None where nobody has logged in."""
