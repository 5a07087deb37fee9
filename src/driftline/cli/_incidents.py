"""Incidents as the commands find and show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from driftline.bus.config import Config
    from driftline.events.outputs import Alert, AlertData

__all__ = ["about", "incidents_named", "known", "lines_of", "said", "standing", "table_of"]

MOST_LISTED = 10
SHORTEST = 6
STYLES = {"page": "bold red", "notice": "yellow", "resolved": "green"}


def known(config: Config, models: Iterable[str] = (), severity: str = "notice") -> list[Alert]:
    """Return the last word on each incident that the topic holds, the oldest first."""
    from driftline.bus.incidents import known_incidents

    return known_incidents(config.broker, prefix=config.prefix, models=models, severity=severity)


def incidents_named(ids: Sequence[str], found: Sequence[Alert]) -> list[Alert]:
    """Return the incidents that ids, or the beginnings of ids, stand for, each once.

    Raises
    ------
    UsageError
        One stands for none, or for several; all such are told.
    """
    named: dict[str, Alert] = {}
    faults = []
    for text in ids:
        wanted = text.strip().lower()
        meant = [alert for alert in found if alert.data.incident == wanted] or [
            alert for alert in found if wanted and alert.data.incident.startswith(wanted)
        ]
        if len(meant) == 1:
            named[meant[0].data.incident] = meant[0]
        elif meant:
            which = "; ".join(
                f"{alert.data.incident} ({about(alert.data)}, {standing(alert.data)})"
                for alert in meant[:MOST_LISTED]
            )
            more = f"; {len(meant) - MOST_LISTED} more" if len(meant) > MOST_LISTED else ""
            faults.append(f"{text!r}: expected one incident, got {len(meant)}: {which}{more}")
        else:
            faults.append(f"{text!r}: expected the id of an incident, or its beginning, got none")
    if faults:
        raise UsageError("; ".join([*faults, "`driftline incident list --all` shows them"]))
    return list(named.values())


def about(data: AlertData) -> str:
    """Return what an incident is about: "credit-risk · age · drift"."""
    more = f" +{data.features_total - 1}" if data.features_total > 1 else ""
    first = data.features[0] if data.features else "the whole model"
    return f"{data.model} · {first}{more} · {data.kind}"


def said(data: AlertData) -> str:
    """Return what has happened to the data, and to which column where that is not the first."""
    elsewhere = data.feature is not None and data.feature not in data.features[:1]
    return f"{data.feature}: {data.text}" if elsewhere else data.text


def standing(data: AlertData) -> str:
    """Return how an incident stands, in words: "acknowledged by ana"."""
    import msgspec

    words = []
    if data.resolved_at is not None:
        words.append("resolved")
    for name in ("acknowledged", "silenced"):
        said = getattr(data, name)
        if said is not msgspec.UNSET:
            until = f" until {_minute(said.until)}" if name == "silenced" else ""
            words.append(f"{name}{until}{f' by {said.by}' if said.by else ''}")
    if data.flapping is not msgspec.UNSET:
        words.append("flapping")
    if data.verdict is not msgspec.UNSET:
        words.append(f"judged {data.verdict.verdict}")
    return ", ".join(words) or "open"


def _shortened(found: Sequence[Alert]) -> dict[str, str]:
    """Return for each id its shortest beginning that stands for no other one."""
    names = sorted(alert.data.incident for alert in found)
    out = {}
    for at, name in enumerate(names):
        beside = names[max(0, at - 1) : at] + names[at + 1 : at + 2]
        length = SHORTEST
        while any(other.startswith(name[:length]) for other in beside) and length < len(name):
            length += 1
        out[name] = name[:length]
    return out


def table_of(shown: Sequence[Alert], found: Sequence[Alert]) -> Table:
    """Return a table for a terminal; ids are as short as they may be among all of `found`."""
    from rich.markup import escape
    from rich.table import Table

    names = _shortened(found)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    # On a narrow terminal the words are folded, and not the ids that people are to copy.
    for heading, whole in (("id", True), ("", True), ("about", False), ("since", True), ("", False),
                           ("what", False)):  # fmt: skip
        width = max(map(len, names.values()), default=0) if heading == "id" else None
        table.add_column(heading, no_wrap=whole, min_width=width or (6 if whole else None))
    for alert in shown:
        data = alert.data
        severity = "resolved" if data.resolved_at is not None else data.severity
        table.add_row(
            names[data.incident],
            f"[{STYLES[severity]}]{data.severity}[/]",
            escape(about(data)),
            _minute(data.change_point),
            escape(standing(data)),
            escape(said(data)),
        )
    return table


def lines_of(alert: Alert) -> list[tuple[str, str]]:
    """Return what there is to say of one incident, as headings and texts."""
    data = alert.data
    told: list[tuple[str, Any]] = [
        ("incident", data.incident),
        ("about", about(data)),
        ("severity", data.severity),
        ("stands", standing(data)),
        ("last change", f"{data.state}: {data.reason}"),
        ("what", said(data)),
        ("since", data.change_point),
        ("opened", data.opened_at),
        ("resolved", data.resolved_at),
        ("columns", ", ".join(str(name) for name in data.features)),
        ("seen by", ", ".join(data.detectors)),
        ("runbook", data.runbook),
        ("owner", None if data.owner is None else data.owner.contact or data.owner.team),
        ("replay", data.replay),
    ]
    words = ("acknowledged", "silenced", "verdict")
    told += [(f"why {name}", getattr(getattr(data, name), "why", None)) for name in words]
    return [(heading, str(text)) for heading, text in told if text]


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")
