"""Incidents: findings that have one cause, and what people and systems are told about them.

`Incidents` takes the findings of one model, slot by slot, and groups them: one cause, one incident,
opened, updated, escalated, resolved, reopened, and acknowledged, silenced and judged by people
through lifecycle events (`driftline.incidents.acts`). Each change becomes an *alert*; some ask the
systems around the model to act, as *feedback* events. Both are CloudEvents whose ids are hashes of
what they are about.

`Causes` reads the alerts of all models and sees which of their incidents came together.
"""

from __future__ import annotations

from driftline.incidents.acts import ACTS
from driftline.incidents.cause import Cause, CauseChange
from driftline.incidents.causes import Causes
from driftline.incidents.context import Context, Served
from driftline.incidents.drill import drill_message
from driftline.incidents.history import ANNOUNCING, Told
from driftline.incidents.incident import Change, Incident, Member
from driftline.incidents.loop import loop_message
from driftline.incidents.threshold import threshold_message
from driftline.incidents.tracker import Incidents, Step

__all__ = [
    "ACTS",
    "ANNOUNCING",
    "Cause",
    "CauseChange",
    "Causes",
    "Change",
    "Context",
    "Incident",
    "Incidents",
    "Member",
    "Served",
    "Step",
    "Told",
    "drill_message",
    "loop_message",
    "threshold_message",
]
