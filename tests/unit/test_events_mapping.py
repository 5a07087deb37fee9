from __future__ import annotations

from typing import Any

import pytest

from driftline.errors import UsageError
from driftline.events import InputSpec, MappingError


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"type": "predictions"}, "type: expected one of prediction, features, label"),
        ({"fields": {"predicton_id": "id"}}, "did you mean 'prediction_id'?"),
        ({"fields": {"ts": "meta..time"}}, "fields.ts: expected a dotted path"),
        ({"fields": {"ts": 3}}, "fields.ts: expected a dotted path"),
        ({"fields": {"ts": "*"}}, "fields.ts: only features can take all other fields"),
        ({"fields": {"features": "a.*"}}, "fields.features: '*' stands alone"),
        ({"fields": {"ts": "a", "prediction_id": "a"}}, "fields.prediction_id: 'a' and the place"),
        ({"fields": {"ts": "a.b", "prediction_id": "a"}}, "'a.b', overlap"),
        ({"fields": {"ts": "prediction"}}, "fields.prediction: its default place is taken"),
        ({"fixed": {"model": ""}}, "fixed.model: expected a non-empty string"),
        ({"fixed": {"model": "m" * 201}}, "fixed.model: expected at most 200 characters"),
        ({"fixed": {"prediction": "1"}}, "fixed.prediction: cannot be fixed; these can: arm"),
        ({"fixed": {"modle": "x"}}, "did you mean 'model'?"),
        ({"fixed": {"model": "x"}, "fields": {"model": "m"}}, "also mapped to 'm'; one of the two"),
        ({"topic": ""}, "topic: expected a name"),
    ],
)
def test_wrong_mappings_are_named(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(MappingError) as caught:
        InputSpec(**{"topic": "t", "type": "prediction", **given})
    assert isinstance(caught.value, UsageError)
    assert fault in str(caught.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(MappingError) as caught:
        InputSpec("t", "prediction", {"ts": "", "x": "y"}, {"model": ""})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "fields.ts",
        "fields.x",
        "fixed.model",
    ]


def test_places() -> None:
    spec = InputSpec(
        "t", "prediction", {"prediction": "score", "features": "request"}, {"arm": "a"}
    )
    places = spec.places("prediction")
    assert places["prediction"] == ("score",)
    assert places["features"] == ("request",)
    assert places["ts"] == ("ts",)
    assert "score" not in places  # taken by the prediction
    assert "arm" not in places
    assert InputSpec("t", "features", {"features": "*"}).places("features")["features"] == ()
    assert InputSpec("t", None, {"type": "meta.kind"}).places("label")["type"] == ("meta", "kind")
