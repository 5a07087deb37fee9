"""Rows of events become pairs of the task that the contract names, or are told to be none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.contract import parse
from driftline.ledger.metrics import evaluate
from driftline.ledger.residuals import Residuals
from driftline.ledger.rows import Read, read_rows
from driftline.ledger.scorecard import Scorecard
from driftline.ledger.task import Task

CLASSES = Task()
NUMBERS = Task(regression=True)


def scores(read: Read) -> list[float | None]:
    return [None if math.isnan(score) else score for score in read.pairs.score.tolist()]


def test_one_class_in_six_spellings() -> None:
    labels = [1, 1.0, "1", True, "true", "1.0", 0, "false"]
    read = read_rows(CLASSES, [1] * 8, labels)
    assert read.pairs.label == ["1"] * 6 + ["0"] * 2
    assert read.pairs.predicted == ["1"] * 8
    assert read.refused == {}
    words = read_rows(CLASSES, ["true", True, "Yes"], [True, 1, "Yes"])
    assert words.pairs.predicted == words.pairs.label == ["1", "1", "Yes"]


def test_classes_with_scores() -> None:
    read = read_rows(
        CLASSES,
        ["yes", "no", "no"],
        ["yes", "yes", "no"],
        score=[0.9, None, 7.5],
        weight=[2, None, 1],
    )
    assert read.pairs.predicted == ["yes", "no", "no"]
    assert scores(read) == [0.9, None, None]
    assert read.unscored.tolist() == [2]
    assert read.pairs.weight.tolist() == [2, 1, 1]
    assert read.pairs.sign.tolist() == [1, 1, 1]
    back = read_rows(CLASSES, ["no"], ["no"], score=[7.5], sign=np.array([-1], dtype=np.int8))
    assert (back.unscored.tolist(), back.pairs.sign.tolist()) == ([0], [-1])


def test_probabilities_are_cut_at_the_threshold() -> None:
    read = read_rows(Task(threshold=0.6), [0.6, 0.59, 0.7], [True, "0", 0.0], score=[None, 5, None])
    assert read.pairs.predicted == ["1", "0", "1"]
    assert read.pairs.label == ["1", "0", "0"]
    assert scores(read) == [0.6, 0.59, 0.7]
    assert not read.unscored.size


def test_probabilities_of_a_class_with_a_name() -> None:
    told = Task(positive="default")
    read = read_rows(told, [0.7, 0.2, 0.2], ["repaid", "repaid", "default"])
    assert read.pairs.predicted == ["default", "not default", "not default"]
    assert read.pairs.label == ["not default", "not default", "default"]
    found = evaluate(Scorecard.of(read.pairs), ["recall", "auc"], positive="default")
    assert found == {"recall": 0.0, "auc": 0.25}
    untold = read_rows(CLASSES, [0.7, 0.2, 0.3], ["repaid", "repaid", 1])
    assert untold.rows.tolist() == [2]
    (reason,) = untold.refused
    assert reason.startswith("label: expected 0 or 1, as quality.positive does not say")


def test_a_probability_of_exactly_one() -> None:
    # Taken for a class, unless it is known that predictions are probabilities.
    guessed = read_rows(CLASSES, [1.0, 0.25], [1, 0])
    assert guessed.pairs.predicted == ["1", "0"]
    assert scores(guessed) == [None, 0.25]
    known = read_rows(Task(probabilities=True), [1.0, 0.0, 0.25, 3], [1, 0, 0, 1])
    assert known.pairs.predicted == ["1", "0", "0"]
    assert scores(known) == [1.0, 0.0, 0.25]
    assert {k: v.tolist() for k, v in known.refused.items()} == {
        "prediction: expected a probability from 0 to 1": [3]
    }
    as_classes = read_rows(Task(probabilities=False), [0.25], ["0.25"])
    assert as_classes.pairs.predicted == as_classes.pairs.label == ["0.25"]


def test_shares_predict_the_likeliest_class() -> None:
    shares = {"b": [0.5, None, 0.7], "a": [0.5, None, 0.1], "1.0": [None, None, 0.2]}
    read = read_rows(CLASSES, [None, "a", "b"], ["a", "b", True], shares=shares)
    assert read.pairs.predicted == ["a", "a", "b"]
    assert sorted(read.pairs.shares) == ["1", "a", "b"]
    assert evaluate(Scorecard.of(read.pairs), ["log_loss"])["log_loss"] == pytest.approx(
        -np.log([0.5, 0.2]).mean(), abs=1e-5
    )


def test_two_spellings_of_a_class_are_one_share() -> None:
    shares = {"1": [0.75, None], "1.0": [None, 0.625]}
    read = read_rows(CLASSES, ["1", "1.0"], [1, 1], shares=shares)
    assert {name: share.tolist() for name, share in read.pairs.shares.items()} == {
        "1": [0.75, 0.625]
    }


def test_rows_that_make_no_sense_are_told() -> None:
    read = read_rows(
        NUMBERS,
        [1, 2.5, None, "3", 4, 5, 6, 1e31],
        [1.5, "tall", 2, 3, True, math.inf, -6, 1],
        weight=[1, 1, 1, 1, 1, 1, -1, 1],
    )
    assert read.rows.tolist() == [0]
    assert (read.pairs.predicted.tolist(), read.pairs.label.tolist()) == ([1.0], [1.5])
    assert {reason: rows.tolist() for reason, rows in read.refused.items()} == {
        "prediction: expected a number": [2, 3],
        "label: expected a number": [1, 4, 5],
        "prediction: expected a number within ±1.3e+30": [7],
        "weight: expected 0 to 1000000": [6],
    }
    classes = read_rows(CLASSES, ["a", None, math.nan], [None, "a", "b"])
    assert len(classes.pairs) == 0
    assert {reason: rows.tolist() for reason, rows in classes.refused.items()} == {
        "prediction: expected a class": [1, 2],
        "label: expected a class": [0],
    }
    assert Scorecard.of(classes.pairs).rows == 0
    assert Residuals.of(read_rows(NUMBERS, [None], [1]).pairs).rows == 0


value = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(["a", "1", "true", "0.5", "x"]),
    st.sampled_from([0, 1, 2, 0.0, 0.25, 0.5, 1.0, 1e40, math.nan, math.inf]),
)
TASKS = (
    CLASSES,
    Task(positive="a", probabilities=True),
    Task(threshold=0.3, positive="0"),
    NUMBERS,
)


@given(
    rows=st.lists(st.tuples(value, value, value, value, value), min_size=1, max_size=30),
    task=st.sampled_from(TASKS),
    cut=st.integers(0, 30),
)
@settings(max_examples=100, deadline=None)
def test_every_row_is_read_by_itself_and_counted_once(
    rows: list[tuple], task: Task, cut: int
) -> None:
    def read(some: list[tuple]) -> Read:
        prediction, label, score, share, weight = zip(*some, strict=True)
        return read_rows(task, prediction, label, score=score, shares={"a": share}, weight=weight)

    def told(read: Read, first: int) -> dict[int, Any]:
        pairs = read.pairs
        columns = (pairs.predicted, pairs.score, pairs.label, pairs.weight)
        plain = [np.asarray(column).tolist() for column in columns]
        found: dict[int, Any] = {
            first + row: repr(each) for row, *each in zip(read.rows.tolist(), *plain, strict=True)
        }
        for reason, refused in read.refused.items():
            for row in refused.tolist():
                assert first + row not in found
                found[first + row] = reason
        return found

    whole = told(read(rows), 0)
    assert sorted(whole) == list(range(len(rows)))
    parts: dict[int, Any] = {}
    for first, part in ((0, rows[:cut]), (cut, rows[cut:])):
        if part:
            parts |= told(read(part), first)
    assert parts == whole


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("quality: {metric: auc, at_least: 0.7}", Task()),
        ("quality: {metric: mae, at_most: 3}", Task(regression=True)),
        (
            "decision: {act_when: score >= .6}\nquality: {metric: f1, at_least: .5, positive: '1'}",
            Task(positive="1", threshold=0.6),
        ),
        (
            "quality: {metric: f1, at_least: 0.7}\ndecision: {act_when: 'prediction > 0.25'}",
            Task(threshold=math.nextafter(0.25, 1)),
        ),
        ("quality: {metric: f1, at_least: 0.7}\ndecision: {act_when: 'score <= 0.6'}", Task()),
        ("quality: {metric: f1, at_least: 0.7}\ndecision: {act_when: 'age >= 60'}", Task()),
    ],
)
def test_the_contract_names_the_task(text: str, task: Task) -> None:
    assert Task.of(parse(f"model: m\n{text}\n", "m.yaml")) == task


def test_a_contract_without_quality_is_of_classes() -> None:
    task = Task.of(parse("{model: m, decision: {act_when: score >= 0.6}}", "m.yaml"))
    assert task == Task(threshold=0.6)
