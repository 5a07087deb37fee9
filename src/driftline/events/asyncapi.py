"""The AsyncAPI description of all topics, made from the types."""

from __future__ import annotations

from typing import Any

from driftline.events.schema import components

__all__ = ["asyncapi"]

_ENVELOPE = "One event, or a JSON array of events, at most 1 MiB each; UTF-8; any key, or none."
_WINDOWS = (
    "window quality-window decisions-window uplift-window skew-window lifecycle-window "
    "alarms-window"
)
_TOPICS: dict[str, tuple[str, str, str]] = {
    # channel: (action of driftline, shapes by space, what it is)
    "predictions": ("receive", "prediction", f"What models predicted. {_ENVELOPE}"),
    "features": ("receive", "features", f"Feature values by themselves. {_ENVELOPE}"),
    "labels": ("receive", "label", f"What turned out to be true. {_ENVELOPE}"),
    "decisions": ("receive", "decision", f"What was done about predictions. {_ENVELOPE}"),
    "outcomes": ("receive", "outcome", f"What decisions were worth. {_ENVELOPE}"),
    "lifecycle": ("receive", "lifecycle", f"What happened to models themselves. {_ENVELOPE}"),
    "alerts": ("send", "alert", "Changes of incidents, keyed and compacted by incident."),
    "feedback": ("send", "feedback", "What the systems around a model are asked to do."),
    "windows": (
        "send",
        _WINDOWS,
        "Statistics by window; how good a model's predictions are and what comes of them.",
    ),
    "deadletter": (
        "send",
        "deadletter-headers",
        "What could not be read: the original bytes, and in the headers why and where from.",
    ),
}
_CLOUD_EVENTS = "application/cloudevents+json"


def asyncapi(version: str) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document.

    Parameters
    ----------
    version
        Of driftline.
    """
    names, schemas = components()
    told = {shape for _, shapes, _ in _TOPICS.values() for shape in shapes.split()}
    messages = {shape: _message(shape, names[shape]) for shape in names if shape in told}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "driftline",
            "version": version,
            "description": "The topics that driftline reads and writes. Topics of other names and "
            "shapes are mapped in driftline.yaml. The topics panes, state, references, ledger, "
            "notify and notify-deadletter are its own and not described.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: {
                "address": f"{{prefix}}{topic}",
                "description": text,
                "parameters": {
                    "prefix": {
                        "description": "The prefix configured for all topics.",
                        "default": "driftline.",
                    }
                },
                "messages": {
                    shape: {"$ref": f"#/components/messages/{shape}"} for shape in shapes.split()
                },
            }
            for topic, (_, shapes, text) in _TOPICS.items()
        },
        "operations": {
            f"{action}-{topic}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic}"},
                "messages": [
                    {"$ref": f"#/channels/{topic}/messages/{shape}"} for shape in shapes.split()
                ],
            }
            for topic, (action, shapes, _) in _TOPICS.items()
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(shape: str, schema: str) -> dict[str, Any]:
    where = {"$ref": f"#/components/schemas/{schema}"}
    if shape == "deadletter-headers":
        return {"name": shape, "contentType": "application/octet-stream", "headers": where}
    message: dict[str, Any] = {"name": shape}
    if shape in {"alert", "feedback"}:
        message["contentType"] = _CLOUD_EVENTS
        return {**message, "payload": where}
    if shape == "window" or shape.endswith("-window"):
        return {**message, "payload": where}
    many = {"type": "array", "items": where}
    return {**message, "payload": {"anyOf": [where, many]}}
