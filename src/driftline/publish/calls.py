"""The six calls, written once for both publishers.

A call does as little as it can: it makes a dictionary, copies what its caller may change, and puts
it into the buffer. Everything else is the sender's. Wrong values are refused there, so that no call
raises; the type checker and strict mode find them before.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar, Unpack

from driftline.publish.values import hold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from driftline.events.frame import EventType

__all__ = ["Calls", "Common", "DecisionFields", "LabelFields", "OutcomeFields", "PredictionFields"]

R = TypeVar("R")


class Common(TypedDict, total=False):
    """What every event may say. Where `ts` is left out, it is the moment of the call."""

    model: str
    ts: str | float | datetime
    version: str | int
    segment: Mapping[str, str]


class PredictionFields(Common, total=False):
    """Further fields of a prediction."""

    score: float | None
    arm: str | None
    propensity: float | None
    entity_id: str | int | None


class FeaturesFields(Common, total=False):
    """Further fields of features."""

    prediction_id: str | int | None
    source: Literal["serving", "training"]


class LabelFields(Common, total=False):
    """Further fields of a label."""

    weight: float | None


class DecisionFields(Common, total=False):
    """Further fields of a decision."""

    recommended: str | None
    actor: str | None
    reason: str | None
    arm: str | None
    propensity: float | None


class OutcomeFields(Common, total=False):
    """Further fields of an outcome."""

    kind: str | None


class Calls(Generic[R]):
    """What can be published. Each returns whether the event was accepted.

    ``True`` means that it will be sent, or counted as dropped with its reason; ``False`` that it
    was dropped at once, and counted. What the fields mean: `driftline.events.inputs`.
    """

    _model: str | None
    _version: str | None

    def prediction(
        self,
        prediction_id: str | int,
        prediction: float | str | bool | Mapping[str, float],
        features: Mapping[str, Any] | None = None,
        **fields: Unpack[PredictionFields],
    ) -> R:
        """Publish what a model predicted.

        Parameters
        ----------
        prediction
            A number, a class, or probabilities by class. Values of numpy and pandas are taken too.
        features
            Numbers, strings, booleans by name; None and NaN are missing.
        """
        event = self._event()
        event["prediction_id"] = prediction_id
        event["prediction"] = hold(prediction)
        if features is not None:
            event["features"] = hold(features)
        if fields:
            _add(event, fields)
        return self._offer("prediction", event)

    def features(self, features: Mapping[str, Any], **fields: Unpack[FeaturesFields]) -> R:
        """Publish features by themselves: as served, or (``source="training"``) recomputed."""
        event = self._event()
        event["features"] = hold(features)
        _add(event, fields)
        return self._offer("features", event)

    def label(
        self, prediction_id: str | int, label: float | str | bool, **fields: Unpack[LabelFields]
    ) -> R:
        """Publish what turned out to be true."""
        event = self._event()
        event["prediction_id"] = prediction_id
        event["label"] = hold(label)
        _add(event, fields)
        return self._offer("label", event)

    def decision(
        self, prediction_id: str | int, action: str, **fields: Unpack[DecisionFields]
    ) -> R:
        """Publish what was done about a prediction."""
        event = self._event()
        event["prediction_id"] = prediction_id
        event["action"] = action
        _add(event, fields)
        return self._offer("decision", event)

    def outcome(self, prediction_id: str | int, value: float, **fields: Unpack[OutcomeFields]) -> R:
        """Publish what a decision was worth."""
        event = self._event()
        event["prediction_id"] = prediction_id
        event["value"] = hold(value)
        _add(event, fields)
        return self._offer("outcome", event)

    def lifecycle(self, kind: str, **fields: Any) -> R:
        """Publish what happened to the model itself, such as ``retrained``.

        Parameters
        ----------
        fields
            ``why``, ``by`` and whatever else is worth keeping.
        """
        event = self._event()
        event["kind"] = kind
        _add(event, fields)
        return self._offer("lifecycle", event)

    def _event(self) -> dict[str, Any]:
        # The model comes first: it is what a reader looks for first.
        event: dict[str, Any] = {"model": self._model, "ts": time()}
        if self._version is not None:
            event["version"] = self._version
        return event

    def _offer(self, type_: EventType, event: dict[str, Any]) -> R:
        raise NotImplementedError


def _add(event: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        event[name] = hold(value)
