"""Where messages go: one immutable value for each block of the file of routes.

All durations are whole microseconds. How each field is written, what it may be and what it means
stands in one table, in form.py. Secrets are named here (an environment variable, a file), never
held.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Literal

import msgspec

from driftline.contract.types import HOUR, MINUTE, SECOND, Block, Rate
from driftline.errors import UsageError

if TYPE_CHECKING:
    from driftline.events.outputs import Alert
    from driftline.incidents import Cause

__all__ = [
    "Alertmanager",
    "Mail",
    "Match",
    "Pagerduty",
    "Route",
    "Routes",
    "Secret",
    "Slack",
    "State",
    "Stdout",
    "Target",
    "Webhook",
]

State = Literal[
    "opened",
    "updated",
    "escalated",
    "acknowledged",
    "silenced",
    "reopened",
    "resolved",
    "merged",
    "repeated",
]
"""What a message tells; `repeated` says that nothing has changed and it is still open."""


class Secret(Block, frozen=True, kw_only=True):
    """Where a secret is kept."""

    variable: str | None = None
    file: str | None = None

    @property
    def place(self) -> str:
        """Where it is kept, in words."""
        if self.variable is not None:
            return f"the environment variable {self.variable}"
        return f"the file {self.file}"

    def read(self) -> str:
        """Return the secret: the variable's value, or the file's first line.

        Raises
        ------
        UsageError
            There is none.
        """
        if self.variable is not None:
            found = os.environ.get(self.variable, "").strip()
        else:
            try:
                text = Path(self.file or "").read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                msg = f"{self.place}: expected a secret, got {type(error).__name__}"
                raise UsageError(msg) from error
            found = text.split("\n", 1)[0].strip()
        if not found:
            msg = f"{self.place}: expected a secret, got nothing"
            raise UsageError(msg)
        return found


class Slack(Block, frozen=True, kw_only=True):
    """An incoming webhook of Slack, or of what speaks like it (Mattermost, Rocket.Chat)."""

    url: Secret
    """Who knows the address can write to the channel: it is a secret."""


class Webhook(Block, frozen=True, kw_only=True):
    """JSON to any address, signed as Standard Webhooks has it."""

    url: str
    secret: Secret


class Alertmanager(Block, frozen=True, kw_only=True):
    """Prometheus Alertmanager, API v2.

    Attributes
    ----------
    urls
        Of all members of its cluster: each is told, and one that takes it is enough.
    resend
        How often what is open is sent again; after four times that without a word Alertmanager
        holds it for resolved.
    """

    urls: tuple[str, ...]
    token: Secret | None = None
    resend: int = MINUTE


class Pagerduty(Block, frozen=True, kw_only=True):
    """PagerDuty, Events API v2."""

    routing_key: Secret
    url: str = "https://events.pagerduty.com"


class Mail(Block, frozen=True, kw_only=True):
    """A mail server that takes messages for others (SMTP).

    Attributes
    ----------
    ca
        PEM file of the authority that signed its certificate; the system's where left out.
    """

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca: str | None = None
    username: str | None = None
    password: Secret | None = None


class Stdout(Block, frozen=True, kw_only=True):
    """Standard output: text to read, or a line of JSON a message."""

    format: Literal["text", "json"] = "text"


Target = Slack | Webhook | Alertmanager | Pagerduty | Mail | Stdout


class Match(Block, frozen=True, kw_only=True):
    """Which incidents a route tells of; empty is all.

    Attributes
    ----------
    models, teams
        Names or shell patterns; of teams, the owner's in the contract.
    severity
        ``page`` begins to tell of a cause when it is one; what was told is told to its end.
    """

    models: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    severity: Literal["page", "notice"] = "notice"

    def __call__(self, alert: Alert) -> bool:
        """Whether it is of a model, team and kind that are wanted."""
        data = alert.data
        team = data.owner.team if data.owner is not None else None
        return (
            (not self.models or any(fnmatchcase(data.model, each) for each in self.models))
            and (not self.teams or any(fnmatchcase(team or "", each) for each in self.teams))
            and (not self.kinds or data.kind in self.kinds)
        )

    def view(self, cause: Cause) -> Cause | None:
        """Return the part of a cause that is wanted; None where nothing of it is."""
        wanted = tuple(member for member in cause.members if self(member))
        if not wanted:
            return None
        if len(wanted) == len(cause.members):
            return cause
        return msgspec.structs.replace(cause, members=wanted)


class Route(Block, frozen=True, kw_only=True):
    """A target, what it wants to hear, and how often.

    Attributes
    ----------
    states
        Of messages; all where empty. What is left out counts as told.
    wait
        From the first alert of a change to its message, so that what belongs together is one.
    update_every
        Between messages on one cause that only say that more has joined.
    repeat
        After which what is open, and nobody has acknowledged, is told again; None never.
    limit
        Of messages; what is over it waits, pages first.
    give_up_after
        From the first try to the dead letter.
    template
        Text in the place of the usual one.
    """

    name: str
    target: Target
    match: Match = Match()
    states: tuple[State, ...] = ()
    wait: int = 10 * SECOND
    update_every: int = 5 * MINUTE
    repeat: int | None = None
    limit: Rate | None = None
    give_up_after: int = HOUR
    template: str | None = None

    @property
    def steady(self) -> bool:
        """Whether the target wants to hear again and again what is open, and decides by itself."""
        return isinstance(self.target, Alertmanager)

    @property
    def again(self) -> int | None:
        """After which what is open is told again, microseconds."""
        return self.target.resend if isinstance(self.target, Alertmanager) else self.repeat

    @property
    def acknowledges(self) -> bool:
        """Whether the target wants to know that somebody is on it; others are left in peace."""
        return isinstance(self.target, Pagerduty)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that have to be there before anything can be sent."""
        found = (getattr(self.target, name) for name in self.target.__struct_fields__)
        return tuple(each for each in found if isinstance(each, Secret))

    @property
    def text(self) -> Template | None:
        """The route's own text, if it has one."""
        return None if self.template is None else Template(self.template)


class Routes(Block, frozen=True, kw_only=True):
    """The whole file.

    Attributes
    ----------
    page_url
        Of the page that shows an incident: ``{incident}`` and ``{cause}`` stand for the ids.
    kafka
        ``host:port`` that replay commands name in the place of ``$KAFKA``.
    """

    routes: tuple[Route, ...]
    page_url: str | None = None
    kafka: str | None = None

    def named(self, name: str) -> Route:
        """Return a route.

        Raises
        ------
        UsageError
            There is none of that name.
        """
        for route in self.routes:
            if route.name == name:
                return route
        known = ", ".join(route.name for route in self.routes)
        msg = f"route: expected one of {known}, got {name}"
        raise UsageError(msg)
