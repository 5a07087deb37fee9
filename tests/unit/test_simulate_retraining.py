from __future__ import annotations

import numpy as np
import pytest
from tests.unit._planted import HOUR, assert_rate, by_id, read

from driftline.simulate import parse_fault, retraining, traffic
from driftline.simulate.ridge import fit, predict
from driftline.simulate.stream import Later, Stream

MODEL = "bench-4"
RETRAIN = f"retrain:{MODEL}:1d:500@0s"
LOOP = f"loop:{MODEL}:60%:85%@2d"


def test_each_training_is_announced_and_answers_from_then_on() -> None:
    found = read(RETRAIN, model=MODEL)
    word = found["lifecycle"]
    assert [e["at"] for e in word] == [24.0, 48.0, 72.0, 96.0, 120.0]
    assert {(e["kind"], e["model"]) for e in word} == {("retrained", MODEL)}
    assert {e["why"] for e in word} == {"every 1d, on the last 500 labels"}
    versions = ["1", *(e["version"] for e in word)]
    assert versions == ["1", "1-r1", "1-r2", "1-r3", "1-r4", "1-r5"]
    for made in found["prediction"]:
        assert made["version"] == versions[int(made["at"] // 24)]


def test_the_first_version_is_the_models_own_rule() -> None:
    plain, found = read(model=MODEL)["prediction"], read(RETRAIN, model=MODEL)["prediction"]
    for before, after in zip(plain, found, strict=True):
        assert (before["at"], before["features"]) == (after["at"], after["features"])
        assert (before["prediction"] == after["prediction"]) == (after["at"] < 24)
        if after["at"] < 24:
            assert before == after


@pytest.mark.parametrize("faults", [(RETRAIN,), (RETRAIN, LOOP)])
def test_a_version_is_what_training_on_the_last_labels_gives(faults: tuple[str, ...]) -> None:
    """Trained here anew, from the events alone: on labels that had come, in a loop or not."""
    found = read(*faults, model=MODEL)
    made = by_id(found["prediction"])
    for day in (1, 4):
        come = [e for e in found["label"] if e["at"] <= 24 * day][-500:]
        x = np.array([list(made[e["prediction_id"]]["features"].values()) for e in come])
        weights = fit(x, np.array([e["label"] for e in come]))
        rows = [e for e in made.values() if 24 * day <= e["at"] < 24 * (day + 1)]
        x = np.array([list(e["features"].values()) for e in rows])
        assert predict(weights, x) == pytest.approx([e["prediction"] for e in rows], abs=2e-6)


def test_labels_follow_predictions_by_usage_and_adherence() -> None:
    honest = {k: e["label"] for k, e in by_id(read(RETRAIN, model=MODEL)["label"]).items()}
    found = read(RETRAIN, LOOP, model=MODEL)
    did, label = by_id(found["decision"]), by_id(found["label"])
    used = rows = 0
    for made in found["prediction"]:
        name, said = made["prediction_id"], made["prediction"]
        act, told, true = did[name], label[name]["label"], honest[name]
        if made["at"] < 48 or act["arm"] == "holdout":
            assert told == true
            continue
        rows += 1
        follows = act["action"] == act["recommended"]
        used += follows
        # 85 % of the error is gone where the prediction was used, to the digits that are sent.
        left = 0.15 if follows else 1.0
        assert told - said == pytest.approx(left * (true - said), abs=3e-6)
    assert_rate(used, rows, 0.6)


def test_before_the_loop_closes_everything_is_as_without_it() -> None:
    plain, looped = read(RETRAIN, model=MODEL), read(RETRAIN, LOOP, model=MODEL)
    for kind in ("prediction", "label", "decision", "lifecycle"):
        before, after = ([e for e in f[kind] if e["at"] < 48] for f in (plain, looped))
        assert before == after


def test_too_few_labels_put_a_training_off() -> None:
    found = read(f"retrain:{MODEL}:1d:500@0s", f"label_delay:{MODEL}:50h:fixed@0s", model=MODEL)
    assert [e["at"] for e in found["lifecycle"]] == [72.0, 96.0, 120.0]


def test_no_more_rows_are_held_than_a_training_needs_and_wait_for_their_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retraining, "MOST_WAITING", 1_000)
    held = []
    for slow in ((), (f"label_delay:{MODEL}:1d:fixed@0s",)):
        faults = [parse_fault(text) for text in (RETRAIN, *slow)]
        later = Later(frozenset({"label"}), HOUR)
        stream = Stream(traffic(MODEL), faults, 0, 4_000 / 86_400, 1, later)
        for number in range(72):
            stream.chunk(number, HOUR)
        held.append((stream._learner._seen[2].size, stream._learner._stride))
    # Labels of an hour are on their way; then those of a day, of which a fourth is learnt from.
    assert [stride for _, stride in held] == [1, 4]
    assert 500 + 100 < held[0][0] < 500 + 250
    assert 500 + 900 < held[1][0] < 500 + 1_100


def test_numbers_and_levels_are_learnt_from() -> None:
    model = "demand-forecast"
    found = read(f"retrain:{model}:1d:1000@0s", model=model)
    labels = {k: e["label"] for k, e in by_id(found["label"]).items()}
    rows = [e for e in found["prediction"] if e["version"] != "2026-03"]
    errors = np.array([labels[e["prediction_id"]] - e["prediction"] for e in rows])
    told = np.array([labels[e["prediction_id"]] for e in rows])
    # Noise has a standard deviation of 6 units, all labels one of some 17.
    assert 5.5 < errors.std() < 7
    assert told.std() > 2 * errors.std()
