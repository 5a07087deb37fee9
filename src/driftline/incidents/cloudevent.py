"""The envelope of what driftline says to other systems: CloudEvents 1.0, structured JSON."""

from __future__ import annotations

from typing import Any

import orjson

from driftline.events.time import format_ts

__all__ = ["cloud_event"]


def cloud_event(name: str, kind: str, subject: str, at: int, data: dict[str, Any]) -> bytes:
    """Write a CloudEvent as JSON with sorted keys.

    Parameters
    ----------
    name
        Its id: the same event has the same id in every run.
    kind
        Its type below ``driftline.``: "alert.opened".
    subject
        What it is about: "model/feature", or "model".
    at
        Event time, microseconds since the epoch.
    data
        JSON values; what is not finite is written as null.
    """
    event = {
        "specversion": "1.0",
        "id": name,
        "source": "driftline",
        "type": f"driftline.{kind}",
        "subject": subject,
        "time": format_ts(at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
