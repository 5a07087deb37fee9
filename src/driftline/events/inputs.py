"""The six events that producers send, as types: the documented shape, for schemas and for writing.

The codec does not decode into these (it makes columns); it reads what they describe, and more: any
of these under other names and places, and features of any name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

if TYPE_CHECKING:
    from driftline.events.frame import EventType

__all__ = [
    "INPUTS",
    "TOPICS",
    "DecisionEvent",
    "FeaturesEvent",
    "Input",
    "LabelEvent",
    "LifecycleEvent",
    "OutcomeEvent",
    "PredictionEvent",
]

Model = Annotated[str, Meta(min_length=1, max_length=200, description="Name of the model.")]
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1024,
        description="What labels, decisions and outcomes refer to; an integer is taken as text.",
    ),
]
Moment = Annotated[
    str | float,
    Meta(
        description="Event time: RFC 3339 (no offset is UTC), or epoch seconds (1e8 to 1e11) or "
        "milliseconds (1e11 to 1e14). The record's timestamp where absent.",
        examples=["2026-11-23T20:02:24.123456Z", 1795464144.123],
    ),
]
Version = Annotated[str, Meta(description="Version of the model.")]
SegmentPart = Annotated[
    dict[str, str],
    Meta(max_length=16, description="Statistics are kept for each combination of these as well."),
]
FeatureName = Annotated[str, Meta(min_length=1, max_length=256)]
Features = Annotated[
    dict[FeatureName, float | str | bool | None],
    Meta(max_length=5000, description="Feature values; null (and NaN) is missing."),
]
Probability = Annotated[float, Meta(ge=0, le=1)]
Arm = Annotated[str, Meta(description="'model', or 'holdout' where it was not acted upon.")]
Propensity = Annotated[float, Meta(description="Probability with which this arm was chosen.")]


class Input(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What all events share. Fields that no type names are counted and kept out of statistics."""

    model: Model
    ts: Moment | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    segment: SegmentPart | UnsetType = UNSET


class PredictionEvent(Input, kw_only=True, omit_defaults=True):
    """One prediction that a model served."""

    prediction_id: Id
    prediction: Annotated[
        float | str | bool | dict[FeatureName, Probability],
        Meta(description="A number, a class, or an object of probabilities by class."),
    ]
    score: Annotated[float | None, Meta(description="The score behind a class.")] | UnsetType = (
        UNSET
    )
    features: Features | UnsetType = UNSET
    arm: Arm | UnsetType = UNSET
    propensity: Propensity | UnsetType = UNSET
    entity_id: Annotated[str, Meta(description="Whom or what it is about.")] | UnsetType = UNSET


class FeaturesEvent(Input, kw_only=True, omit_defaults=True):
    """Feature values by themselves: as served, or the same row recomputed offline."""

    features: Features
    prediction_id: Id | UnsetType = UNSET
    source: Literal["serving", "training"] = "serving"


class LabelEvent(Input, kw_only=True, omit_defaults=True):
    """What turned out to be true."""

    prediction_id: Id
    label: float | str | bool
    weight: float | UnsetType = UNSET


class DecisionEvent(Input, kw_only=True, omit_defaults=True):
    """What was done about a prediction."""

    prediction_id: Id
    action: Annotated[str, Meta(min_length=1, max_length=1024)]
    recommended: Annotated[str, Meta(description="What the model advised.")] | UnsetType = UNSET
    actor: Annotated[str, Meta(description="Who or what decided.")] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    arm: Arm | UnsetType = UNSET
    propensity: Propensity | UnsetType = UNSET


class OutcomeEvent(Input, kw_only=True, omit_defaults=True):
    """What a decision was worth."""

    prediction_id: Id
    value: Annotated[float, Meta(description="In the contract's unit of cost.")]
    kind: str | UnsetType = UNSET


class LifecycleEvent(Input, kw_only=True, omit_defaults=True):
    """Something happened to the model itself, or somebody acts on its incidents.

    An act names the ``incident`` by its id; a silence or maintenance has an ``until``, maintenance
    may have a ``since``, and what is judged a ``verdict``: ``true``, ``false`` or ``expected``. Any
    other fields are kept as they are.
    """

    kind: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            examples=[
                "deployed",
                "retrained",
                "drift_accepted",
                "practice_accepted",
                "threshold_reviewed",
                "owner_confirmed",
                "fallback_tested",
                "deprecated",
                "incident_acknowledged",
                "incident_silenced",
                "incident_unsilenced",
                "incident_judged",
                "maintenance",
            ],
        ),
    ]
    feature: (
        Annotated[
            FeatureName,
            Meta(
                description="Of drift_accepted: what is normal now, with all that its incident "
                "holds; everything where absent."
            ),
        ]
        | UnsetType
    ) = UNSET
    why: str | UnsetType = UNSET
    by: str | UnsetType = UNSET


INPUTS: dict[str, type[Input]] = {
    "prediction": PredictionEvent,
    "features": FeaturesEvent,
    "label": LabelEvent,
    "decision": DecisionEvent,
    "outcome": OutcomeEvent,
    "lifecycle": LifecycleEvent,
}
"""The type of each event, by `driftline.events.EventType`."""
TOPICS: dict[EventType, str] = {
    "prediction": "predictions",
    "features": "features",
    "label": "labels",
    "decision": "decisions",
    "outcome": "outcomes",
    "lifecycle": "lifecycle",
}
"""The topic of each event, without prefix, where nobody says otherwise."""
