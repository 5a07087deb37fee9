"""Alerts: changes of incidents as CloudEvents."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from driftline.contract.types import HOUR
from driftline.events.time import format_ts
from driftline.incidents.cloudevent import cloud_event
from driftline.incidents.grouping import FLOW
from driftline.incidents.incident import hash_of

if TYPE_CHECKING:
    from driftline.contract import Contract
    from driftline.detect.protocol import Finding
    from driftline.events.frame import Segment
    from driftline.incidents.context import Context
    from driftline.incidents.incident import Change, Incident

__all__ = ["alert_message", "finding_part", "replay_command"]

MAX_LISTED = 200
"""Columns and members that an alert lists; it says how many there are in all."""
LEAD_IN_US = HOUR
LEAD_IN_SLOTS = 60
FILE = re.compile(r"/|\.(jsonl|csv|parquet)$")


def _owner(contract: Contract) -> dict[str, str | None] | None:
    owner = contract.owner
    if owner is None:
        return None
    return {"team": owner.team, "contact": owner.contact, "escalation": owner.escalation}


def alert_message(change: Change, contract: Contract, context: Context) -> tuple[bytes, bytes]:
    """Write a change as a message for the `alerts` topic.

    Returns
    -------
    (key, value)
        The incident's id, by which the topic is compacted, and a CloudEvent as JSON with sorted
        keys: the same change gives the same bytes.
    """
    incident = change.incident
    told = dict(incident.alert)
    if change.state != "resolved" and change.finding is not None:
        told = finding_part(change.finding)
    feature = told["feature"]
    # The slots at hand are of all rows, so of a segment they say nothing; its own windows do.
    # A silence is about time alone; which slots are at hand then depends on when it was noticed.
    columns = incident.family != FLOW
    window = None
    segment = tuple(sorted(told.get("segment", {}).items()))
    if columns and not segment:
        names = [feature] if feature is not None else []
        # An act is later than the slots that had closed by then.
        until = min(change.at, context.now)
        window = context.window(incident.change_point, until, contract.slot, names)
    data: dict[str, Any] = {
        **told,
        "incident": incident.id,
        "state": change.state,
        "number": change.number,
        "reason": change.reason,
        "model": contract.model,
        "severity": incident.severity,
        "features": incident.features[:MAX_LISTED],
        "features_total": len(incident.features),
        "detectors": incident.detectors,
        "members": [_member(incident, i) for i in range(min(len(incident.members), MAX_LISTED))],
        "opened_at": format_ts(incident.detected_at),
        "resolved_at": None if incident.resolved_at is None else format_ts(incident.resolved_at),
        "reference": context.normal(feature, segment) if columns else None,
        "window": window,
        "runbook": contract.runbook,
        "owner": _owner(contract),
        "replay": replay_command(incident, contract, context.topics, change.at),
        **_said(incident),
    }
    if window is not None:
        data["window"] = {**window, "statistics": window["statistics"].get(feature)}
    if change.escalate_to is not None:
        data["escalate_to"] = change.escalate_to
    if change.state == "resolved":
        data["text"] = f"{change.reason}; it was: {told['text']}"
    name = hash_of("alert", incident.id, change.number)
    subject = contract.model if feature is None else f"{contract.model}/{feature}"
    value = cloud_event(name, f"alert.{change.state}", subject, change.at, data)
    return incident.id.encode(), value


def _said(incident: Incident) -> dict[str, Any]:
    """Return what people and time have made of it, each part where there is one."""
    said: dict[str, Any] = {}
    for name in ("acknowledged", "silenced", "verdict"):
        word = getattr(incident, name)
        if word is not None:
            instants = {key: value for key, value in asdict(word).items() if key in {"at", "until"}}
            said[name] = asdict(word) | {key: format_ts(at) for key, at in instants.items()}
    if incident.flapping is not None:
        returns = [format_ts(at) for at in incident.returns]
        said["flapping"] = {"since": format_ts(incident.flapping), "returns": returns}
    return said


def finding_part(finding: Finding) -> dict[str, Any]:
    """Return what an alert says of one finding, as JSON values."""
    return {
        "feature": finding.feature,
        "kind": finding.kind,
        "detector": finding.detector,
        "change_point": format_ts(finding.change_point),
        "detected_at": format_ts(finding.detected_at),
        "effect": finding.effect,
        "effect_unit": finding.effect_unit,
        "text": finding.text,
        "log_e": finding.log_e,
        "evidence": finding.evidence,
        **_segment_part(finding.segment),
    }


def _member(incident: Incident, position: int) -> dict[str, Any]:
    member = incident.members[position]
    return {
        "feature": member.feature,
        "kind": member.kind,
        "change_point": format_ts(member.change_point),
        "detected_at": format_ts(member.detected_at),
        "detectors": list(member.seen_by),
        **_segment_part(member.segment),
    }


def _segment_part(segment: Segment) -> dict[str, Any]:
    """Return the field that names a segment; there is none where it is about all rows."""
    return {"segment": dict(segment)} if segment else {}


def replay_command(
    incident: Incident, contract: Contract, topics: tuple[str, ...], until: int
) -> str:
    """Return the command that shows an incident again.

    Topics are named at ``$KAFKA``, which the reader sets to host:port: an alert is the same
    wherever it was made. A model whose reference is its first events is replayed from the start,
    as another start would be another reference; others from an hour (or 60 slots) before the
    change.

    Parameters
    ----------
    topics
        Topics or files that the model's events came from.
    until
        Event time of the change, microseconds.
    """
    slot = contract.slot
    parts = ["driftline", "replay"]
    # $KAFKA is for the shell to fill in; everything else is quoted against it.
    sources = [shlex.quote(t) if FILE.search(t) else f'"kafka://$KAFKA/{t}"' for t in topics]
    parts += sources or ['"kafka://$KAFKA/predictions"']
    if contract.stated:
        parts += ["--contract", shlex.quote(f"{contract.model}.yaml")]
    if contract.reference.source != "warmup":
        lead_in = max(LEAD_IN_US, LEAD_IN_SLOTS * slot)
        first = (incident.change_point - lead_in) // slot * slot
        parts += ["--from", format_ts(first)]
    last = -(-(until + contract.lateness + slot) // slot) * slot
    parts += ["--to", format_ts(last), "--out", f"replay-{incident.id}"]
    return " ".join(parts)
