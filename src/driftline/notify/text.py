"""A message in words: the first line says it all, the rest says what to do.

For somebody who is woken at three in the morning and reads it on a phone: what moved, where, since
when and by how much; then who it belongs to, the runbook, the page, and the command that shows it
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from driftline.contract.types import DAY, HOUR, MINUTE, SECOND
from driftline.events.time import format_ts, read_ts, short_ts
from driftline.incidents.cause import is_open

if TYPE_CHECKING:
    from string import Template

    from driftline.events.outputs import Acknowledgement, Alert
    from driftline.notify.message import Message
    from driftline.notify.routes import Routes

__all__ = ["FIELDS", "Text", "lasting", "text_of"]

MOST_TOLD = 5
"""Models that are told one by one; of more it says how many."""
LONGEST = 200
"""Characters of a first line: what a phone shows of a notification."""
WORDS: Final = {
    "opened": "{severity}: {title}",
    "updated": "{severity}, more: {title}",
    "escalated": "PAGE now: {title}",
    "acknowledged": "Acknowledged: {title}",
    "silenced": "Silenced: {title}",
    "reopened": "{severity} again: {title}",
    "resolved": "Resolved after {lasted}: {title}",
    "merged": "Merged: {title}",
    "repeated": "{severity}, still open: {title}",
}
FIELDS: Final = {
    "first": "the usual first line",
    "title": "what the cause has in common",
    "state": "opened, updated, escalated, reopened, resolved, repeated, …",
    "severity": "page or notice",
    "since": "when the first change began, UTC",
    "lasted": "how long ago that was when it was last heard of",
    "effect": "how much, in the feature's own units",
    "models": "models, with commas",
    "features": "features that they have in common, with commas",
    "kind": "drift, missing, schema, …",
    "details": "a line for each model",
    "owner": "team and contact of each owner",
    "runbook": "addresses of the runbooks",
    "replay": "the command that shows it again",
    "page": "address of the page",
    "cause": "id of the cause",
    "incident": "id of the incident to look at first",
}


class Text:
    """A message in words.

    Attributes
    ----------
    first
        One line, at most 200 characters.
    lines
        What follows, a line each.
    page
        Address of the page, or None.
    """

    def __init__(self, first: str, lines: list[str], page: str | None) -> None:
        self.first = first
        self.lines = lines
        self.page = page

    def __str__(self) -> str:
        """Return the whole text."""
        return "\n".join([self.first, *self.lines])


def text_of(message: Message, routes: Routes, template: Template | None = None) -> Text:
    """Put a message into words, the usual ones or those of a template."""
    fields = fields_of(message, routes)
    page = fields["page"] or None
    if template is not None:
        first, *lines = template.substitute(fields).strip().split("\n") or [""]
        return Text(_cut(first), lines, page)
    lines = [_when(message, fields), *fields["details"].split("\n")]
    if message.beyond:
        count = "one model" if message.beyond == 1 else f"{message.beyond} models"
        lines.append(f"The same cause is seen in {count} beyond this route.")
    if message.into is not None:
        lines.append(f"It has one cause with: {message.into}")
    lines += _people(message)
    said = (
        ("Owner", fields["owner"]),
        ("Do", fields["runbook"]),
        ("Page", fields["page"]),
        ("Replay", fields["replay"]),
    )
    lines += [f"{word}: {value}" for word, value in said if value]
    if message.trial:
        return Text("Test: a message from driftline; nothing has happened.", [], None)
    first = fields["first"]
    if message.late:
        first = _cut(f"Late, of {short_ts(format_ts(message.at))} UTC: {first}")
    return Text(first, lines, page)


def fields_of(message: Message, routes: Routes) -> dict[str, str]:
    """Return what a template may name, by `FIELDS`."""
    cause = message.cause
    lead = cause.lead.data
    members = cause.current or cause.members
    until = read_ts(cause.resolved_at) if cause.resolved_at else read_ts(cause.lead.time)
    since = read_ts(cause.change_point)
    severity = "PAGE" if cause.severity == "page" else "Notice"
    found = {
        "title": cause.title,
        "state": message.state,
        "severity": cause.severity,
        "since": f"{short_ts(format_ts(since))} UTC",
        "lasted": lasting(max(0, until - since)),
        "effect": _effect(cause.lead),
        "models": ", ".join(cause.models),
        "features": ", ".join(cause.features),
        "kind": cause.kind,
        "details": "\n".join(_details(members)),
        "owner": "; ".join(dict.fromkeys(filter(None, map(_owner, members)))),
        "runbook": " ".join(dict.fromkeys(m.data.runbook for m in members if m.data.runbook)),
        "replay": _replay(lead.replay, routes.kafka),
        "page": _page(routes.page_url, cause.id, lead.incident),
        "cause": cause.id,
        "incident": lead.incident,
    }
    first = WORDS[message.state].format(
        severity=severity, title=found["title"], lasted=found["lasted"]
    )
    if message.open:
        first += f", since {found['since'][11:16]} UTC: {found['effect']}"
    return {"first": _cut(first), **found}


def lasting(us: int) -> str:
    """Say how long something lasted, as people do: ``3 h 20 min``.

    Examples
    --------
    >>> lasting(12_000_000_000)
    '3 h 20 min'
    """
    if us < MINUTE:
        return f"{us // SECOND} s"
    if us < HOUR:
        return f"{us // MINUTE} min"
    large, small, one, other = (DAY, HOUR, "d", "h") if us >= DAY else (HOUR, MINUTE, "h", "min")
    rest = us % large // small
    return f"{us // large} {one} {rest} {other}" if rest else f"{us // large} {one}"


def _when(message: Message, fields: dict[str, str]) -> str:
    """Say since when, and how soon it was noticed."""
    cause = message.cause
    noticed = min(read_ts(m.data.detected_at) for m in cause.current or cause.members)
    late = max(0, noticed - read_ts(cause.change_point))
    text = f"Since {fields['since']}, noticed {lasting(late)} later"
    if cause.resolved_at is not None:
        return f"{text}, over since {short_ts(cause.resolved_at)} UTC."
    return f"{text}."


def _details(members: tuple[Alert, ...]) -> list[str]:
    told = [
        f"{m.data.model}: {f'`{m.data.feature}` ' if m.data.feature else ''}{_effect(m)}"
        for m in sorted(members, key=lambda m: (m.data.severity != "page", m.data.model))
    ]
    if len(told) <= MOST_TOLD:
        return told
    return [*told[:MOST_TOLD], f"… and {len(told) - MOST_TOLD} more"]


def _effect(alert: Alert) -> str:
    """Return the effect in words, without what a resolved alert says before it."""
    text = alert.data.text
    return text if is_open(alert) else text.rpartition("; it was: ")[2]


def _people(message: Message) -> list[str]:
    """Say who has acknowledged or silenced something of it, or who should have."""
    lines: dict[str, None] = {}
    for member in message.cause.members:
        if not is_open(member):
            continue
        data = member.data
        if data.acknowledged:
            lines[_said("Acknowledged", data.acknowledged)] = None
        elif data.escalate_to:
            lines[f"Nobody has acknowledged it: {data.escalate_to} is asked to."] = None
        if data.silenced:
            text = _said(f"Silenced until {short_ts(data.silenced.until)} UTC", data.silenced)
            lines[text] = None
    return list(lines)[:MOST_TOLD]


def _said(word: str, note: Acknowledgement) -> str:
    return f"{word} by {note.by or 'somebody'}" + (f": {note.why}" if note.why else "")


def _owner(alert: Alert) -> str:
    owner = alert.data.owner
    if owner is None:
        return ""
    named = " ".join(filter(None, (owner.team, owner.contact)))
    return f"{named} (escalation: {owner.escalation})" if owner.escalation else named


def _replay(command: str, kafka: str | None) -> str:
    return command.replace("$KAFKA", kafka) if kafka else command


def _page(url: str | None, cause: str, incident: str) -> str:
    if url is None:
        return ""
    if "{" not in url:
        return f"{url.rstrip('/')}/incidents/{incident}"
    return url.replace("{incident}", incident).replace("{cause}", cause)


def _cut(line: str) -> str:
    line = " ".join(line.split())  # a feature's name may hold anything
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
