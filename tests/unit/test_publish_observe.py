"""The decorator: what was asked and answered is published, and the function stays what it was."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.unit.test_publish_publisher import NOBODY, spooled

from driftline.publish import AsyncPublisher, Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Seen = "Callable[[Callable[[Publisher], Any]], list[dict[str, Any]]]"


@pytest.fixture
def seen(tmp_path: Path) -> Any:
    """Run something with a publisher, and return the events."""

    def run(work: Callable[[Publisher], Any]) -> list[dict[str, Any]]:
        with Publisher(NOBODY, model="m", version="1", spool=tmp_path) as publisher:
            work(publisher)
        assert not publisher.counts.dropped
        return spooled(tmp_path)

    return run


def test_arguments_are_features_and_the_result_is_the_prediction(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        @publisher.observe()
        def predict(age: int, country: str = "DE") -> float:
            """Predict."""
            return age / 100

        assert predict(41) == 0.41
        assert predict(country="FR", age=20) == 0.2
        assert predict.__name__ == "predict"
        assert predict.__doc__ == "Predict."

    first, second = seen(work)
    assert (first["model"], first["version"], first["prediction"]) == ("m", "1", 0.41)
    assert first["features"] == {"age": 41}
    assert second["features"] == {"age": 20, "country": "FR"}
    assert len(first["prediction_id"]) == 32
    assert first["prediction_id"] != second["prediction_id"]


def test_a_row_and_an_answer_with_its_parts(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        @publisher.observe(model="other", version="2")
        def predict(row: Mapping[str, Any], prediction_id: str) -> dict[str, Any]:
            return {"prediction": "bad", "score": row["x"] / 2}

        predict({"x": 1.0}, "p1")

    (event,) = seen(work)
    assert event["features"] == {"x": 1.0}
    assert (event["model"], event["version"]) == ("other", "2")
    assert (event["prediction_id"], event["prediction"], event["score"]) == ("p1", "bad", 0.5)


def test_probabilities_by_class_are_a_prediction(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        publisher.observe()(lambda x: {"a": 0.25, "b": 0.75})(x=1)

    (event,) = seen(work)
    assert event["prediction"] == {"a": 0.25, "b": 0.75}
    assert "score" not in event


def test_every_part_can_be_said(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        class Service:
            @publisher.observe(
                id="request",
                features=lambda given, _: {"n": len(given["text"])},
                prediction=lambda _, answer: answer.label,
                score="certainty",
                segment=lambda given, _: {"lang": given["lang"]},
                entity_id="customer",
            )
            def answer(self, text: str, lang: str, request: str, customer: int) -> SimpleNamespace:
                return SimpleNamespace(label="spam", certainty=np.float64(0.9))

        Service().answer("hello", "en", request="r1", customer=7)

    (event,) = seen(work)
    assert (event["prediction_id"], event["prediction"], event["score"]) == ("r1", "spam", 0.9)
    assert event["features"] == {"n": 5}
    assert event["segment"] == {"lang": "en"}
    assert event["entity_id"] == 7


def test_a_method_does_not_publish_its_object(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        class Model:
            @publisher.observe()
            def predict(self, a: float, b: float) -> float:
                return a + b

        assert Model().predict(1.0, b=2.0) == 3.0

    (event,) = seen(work)
    assert event["features"] == {"a": 1.0, "b": 2.0}


def test_rows_make_an_event_each(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        @publisher.observe(rows=True, id=lambda given, _: [f"p{i}" for i in given["ids"]])
        def predict(features: list[dict[str, float]], ids: list[int]) -> np.ndarray:
            return np.array([row["x"] * 2 for row in features])

        rows = [{"x": 1.0}, {"x": 2.0}]
        predict(rows, ids=[7, 8])
        rows[0]["x"] = 9.0

    events = seen(work)
    assert [e["prediction_id"] for e in events] == ["p7", "p8"]
    assert [e["features"]["x"] for e in events] == [1.0, 2.0]
    assert [e["prediction"] for e in events] == [2.0, 4.0]


def test_coroutine_functions_with_both_publishers(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncPublisher(NOBODY, model="m", spool=tmp_path) as one:

            @one.observe()
            async def predict(x: float) -> float:
                await asyncio.sleep(0)
                return x

            assert await predict(0.5) == 0.5
            with Publisher(NOBODY, model="n", spool=tmp_path) as other:
                assert await other.observe()(predict)(0.7) == 0.7

    asyncio.run(run())
    assert sorted(e["model"] for e in spooled(tmp_path)) == ["m", "m", "n"]


def test_an_error_of_the_function_is_its_own_and_publishes_nothing(seen: Any) -> None:
    def work(publisher: Publisher) -> None:
        @publisher.observe()
        def predict(x: float) -> float:
            raise ValueError(x)

        with pytest.raises(ValueError, match=r"0\.5"):
            predict(0.5)
        assert publisher.counts.accepted == 0

    assert seen(work) == []


def test_an_error_of_an_extractor_is_counted_and_does_not_reach_the_caller() -> None:
    def broken(given: Any, answer: Any) -> Any:
        raise KeyError(given)

    with Publisher(NOBODY, model="m", close_s=0.1) as publisher:
        assert publisher.observe(features=broken)(lambda x: x)(0.5) == 0.5
        assert publisher.observe(rows=True)(lambda features: 3)(5) == 3
    assert publisher.counts.dropped == {"failed": 2}
    strict = Publisher(NOBODY, model="m", strict=True)
    with pytest.raises(KeyError):
        strict.observe(features=broken)(lambda x: x)(0.5)
