"""One cause, one incident: which findings belong together.

- Findings belong to a *family*: "data" (drift, missing, schema) or "flow" (volume, silence); a
  family never joins another's incident.
- A finding joins an open incident that already holds its column and kind (and segment).
- A finding about a segment joins the incident that holds its column and kind for all rows: where
  the whole has moved, its segments have, whenever each of them shows it.
- Otherwise it joins an incident whose change point is close to its own. Close is the largest of
  three slots, a tenth of the time from the incident's change to the finding's detection, and half
  the longer of the two detection delays: what took an hour to see is not dated to the second.
- Predictions move because inputs did, which takes longer to see and is dated less well: what is
  seen of them within thirty slots after an incident about an input was, is close to it.
- Where findings say between which moments their changes began, it is these spans that are close.
- Of several close incidents it joins the closest, and of equally close ones the oldest.
- What joins none opens an incident. Within one slot what can page comes before what cannot, the
  whole model before its columns, and inputs before predictions, which move because inputs did.
  Where segments have something to say as well, the strongest evidence beyond its threshold comes
  first, so that what one segment alone has done bears its name. Where all have moved, the whole
  has the stronger evidence, and where evidence is at its ceiling it is given the benefit.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from driftline.stats import is_prediction_column

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from driftline.detect.protocol import Finding
    from driftline.events.frame import Segment
    from driftline.incidents.incident import Incident

__all__ = [
    "DATA",
    "FLOW",
    "MANY",
    "closeness",
    "family_of",
    "find_incident",
    "in_order_of_rank",
    "net",
]

DATA, FLOW = "data", "flow"
FAMILIES = {"drift": DATA, "missing": DATA, "schema": DATA, "volume": FLOW, "silence": FLOW}
OF_NO_REFERENCE = frozenset({FLOW, "quality", "decision", "skew"})
"""Families whose findings are made on no reference, and stand when another one holds."""
MANY = "many"
"""Family of the incident that takes what comes when too many are open: everything joins it."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
NEAR_SLOTS = 3
FOLLOWING_SLOTS = 30
NEAR_SHARE = 0.1
DELAY_SHARE = 0.5
CLEARLY = 1.0
"""By how much a segment's log evidence has to be the stronger one before it names an incident."""


def family_of(kind: str) -> str:
    """Return a kind's family; a kind of a later room is a family of its own."""
    return FAMILIES.get(kind, kind)


def closeness(finding: Finding, incident: Incident, slot: int) -> int | None:
    """Return the distance of the change points, microseconds; None where they are not close."""
    distance = abs(finding.change_point - incident.change_point)
    earliest, latest = _span(finding.change_point, finding.evidence)
    first, last = _span(incident.change_point, incident.alert.get("evidence", {}))
    apart = max(0, first - latest, earliest - last)
    delay = max(finding.detected_at - finding.change_point, incident.delay)
    near = max(
        NEAR_SLOTS * slot,
        int(NEAR_SHARE * (finding.detected_at - incident.change_point)),
        int(DELAY_SHARE * delay),
    )
    return distance if apart <= near or _follows(finding, incident, slot) else None


def _follows(finding: Finding, incident: Incident, slot: int) -> bool:
    """Return whether what moved of the predictions may have done so because of an incident."""
    return (
        finding.feature is not None
        and is_prediction_column(finding.feature)
        and finding.detected_at - incident.opened_last <= FOLLOWING_SLOTS * slot
        and any(not is_prediction_column(name) for name in incident.features)
    )


def _span(change_point: int, evidence: Mapping[str, Any]) -> tuple[int, int]:
    """Return between which moments a change began, as far as its finding says."""
    told = evidence.get("change_point_interval")
    if told is None:
        return change_point, change_point
    earliest, latest = (
        (dt.datetime.fromisoformat(text) - EPOCH) // dt.timedelta(microseconds=1) for text in told
    )
    return min(earliest, change_point), max(latest, change_point)


def find_incident(finding: Finding, incidents: Iterable[Incident], slot: int) -> Incident | None:
    """Return the incident that a finding belongs to, by the rules above.

    Parameters
    ----------
    incidents
        Open incidents, oldest first.
    slot
        Length of a slot, microseconds.
    """
    best: tuple[int, Incident] | None = None
    whole: Incident | None = None
    for incident in incidents:
        if incident.member(finding.feature, finding.kind, finding.segment) is not None:
            return incident
        if finding.segment and incident.member(finding.feature, finding.kind) is not None:
            whole = whole or incident
        if incident.family != family_of(finding.kind):
            continue
        distance = closeness(finding, incident, slot)
        if distance is not None and (best is None or distance < best[0]):
            best = distance, incident
    return whole or (best[1] if best else None)


def net(findings: Sequence[Finding]) -> list[Finding]:
    """Return the last word of each detector on each column, kind and segment, in order of mention.

    Parameters
    ----------
    findings
        Of one moment, in the order in which the detectors gave them.
    """
    last: dict[tuple[str | None, str, str, Segment], Finding] = {}
    for finding in findings:
        last[finding.feature, finding.kind, finding.detector, finding.segment] = finding
    return list(last.values())


def in_order_of_rank(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings of one moment so that the first is the one to name an incident by."""
    ranked = list(findings)
    if any(finding.segment for finding in ranked):
        ranked.sort(key=_beyond_threshold, reverse=True)
    return sorted(
        ranked,
        key=lambda f: (
            f.severity != "page",
            f.feature is not None,
            f.feature is not None and is_prediction_column(f.feature),
        ),
    )


def _beyond_threshold(finding: Finding) -> float:
    if finding.log_e is None:
        return 0.0
    beyond = finding.log_e - float(finding.evidence.get("log_threshold", finding.log_e))
    return beyond - CLEARLY if finding.segment else beyond
