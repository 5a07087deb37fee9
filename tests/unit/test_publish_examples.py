"""The examples in `deploy/examples` run as they are."""

from __future__ import annotations

import importlib.util
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_publish_publisher import NOBODY, spooled

from driftline.publish import AsyncPublisher, Publisher

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def loaded(name: str, monkeypatch: pytest.MonkeyPatch, spool: Path) -> Any:
    monkeypatch.setenv("KAFKA", NOBODY)
    monkeypatch.setenv("SPOOL", str(spool))
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_fastapi_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fastapi.testclient import TestClient
    service = loaded("fastapi_service", monkeypatch, tmp_path)
    with TestClient(service.app) as client:
        for i in range(5):
            body = {"application_id": f"a{i}", "age": 40, "country": "DE"}
            answer = client.post("/score", json=body)
            assert answer.json() == {"prediction": 0.5}
        assert client.post("/outcomes/a0", params={"repaid": True}).json() == {"accepted": True}
        assert client.post("/score", json={"age": "?"}).status_code == 422
        assert client.get("/published").json()["accepted"] == 6
    label, *predictions = sorted(spooled(tmp_path), key=lambda event: event["topic"])
    assert (label["topic"], label["label"]) == ("driftline.labels", True)
    assert len(predictions) == 5
    assert predictions[0] | {"ts": 0} == {
        "topic": "driftline.predictions",
        "model": "credit-risk",
        "version": "3",
        "ts": 0,
        "prediction_id": "a0",
        "prediction": 0.5,
        "features": {"age": 40, "income": None, "country": "DE"},
    }


def test_the_mlflow_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    pd = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = loaded("mlflow_model", monkeypatch, tmp_path / "spool")
        import mlflow.pyfunc

        path = tmp_path / "model"
        model = module.CreditRisk()
        mlflow.pyfunc.save_model(str(path), python_model=model, pip_requirements=["pandas"])
        served = mlflow.pyfunc.load_model(str(path))
        table = pd.DataFrame(
            {"application_id": ["a", "b"], "age": [40, 120], "income": [None, 5.0]}
        )
        assert list(served.predict(table)) == [0.5, 0.25]
        publisher = served.unwrap_python_model().publisher
        assert publisher.close() is False
    assert publisher.counts.spooled == 2
    first, second = spooled(tmp_path / "spool")
    assert (first["prediction_id"], first["prediction"]) == ("a", 0.5)
    assert first["features"] == {"age": 40, "income": None}
    assert second["features"] == {"age": 120, "income": 5.0}


@pytest.mark.parametrize("kind", [Publisher, AsyncPublisher])
def test_a_publisher_can_be_pickled_with_what_holds_it(kind: Any) -> None:
    before = kind(NOBODY, model="m", capacity=5)
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is kind
    assert after.settings == before.settings
    assert after.counts.accepted == 0
    assert repr(after) == f"{kind.__name__}('127.0.0.1:1', model='m')"
