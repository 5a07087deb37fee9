"""Scorecards are sums of integers: the same however pairs were cut, ordered, sent or taken back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftline.ledger import counts, scorecard
from driftline.ledger.classes import LONGEST_NAME, class_name, class_order
from driftline.ledger.counts import Counts
from driftline.ledger.pairs import Pairs
from driftline.ledger.scorecard import ANOTHER, MOST_CLASSES, OTHER, SCORE_STEPS, Scorecard

NAN = float("nan")
row = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from("abc"),
    st.sampled_from([NAN, 0.0, 0.25, 0.3, 1 / 3, 1.0]),
    st.sampled_from([None, (0.2, 0.8), (0.5, None), (None, 1.0)]),
    st.sampled_from([1.0, 0.5, 2.25, 0.0]),
)


def pairs_of(rows: list[tuple], sign: int = 1) -> Pairs:
    predicted, label, score, shares, weight = zip(*rows, strict=True)
    columns = {
        name: np.array(
            [NAN if share is None or share[at] is None else share[at] for share in shares]
        )
        for at, name in enumerate("ab")
    }
    return Pairs(
        predicted=list(predicted),
        score=np.array(score),
        shares=columns if any(share is not None for share in shares) else {},
        label=list(label),
        weight=np.array(weight),
        sign=np.full(len(rows), sign, dtype=np.int8),
    )


def written(card: Scorecard) -> bytes:
    return orjson.dumps(card.to_values())


def merged(cards: list[Scorecard]) -> Scorecard:
    whole = Scorecard.empty()
    for card in cards:
        whole.merge(card)
    return whole


def binary(score: np.ndarray, label: list[str], sign: int = 1) -> Pairs:
    size = len(label)
    return Pairs(
        predicted=["1" if s >= 0.5 else "0" for s in score],
        score=score,
        shares={},
        label=label,
        weight=np.ones(size),
        sign=np.full(size, sign, dtype=np.int8),
    )


@given(rows=st.lists(row, min_size=1, max_size=40), data=st.data())
@settings(max_examples=60, deadline=None)
def test_cut_and_order_do_not_show(rows: list[tuple], data: st.DataObject) -> None:
    whole = Scorecard.of(pairs_of(rows))
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [order[:cut], order[cut:]]
    cards = [Scorecard.of(pairs_of([rows[at] for at in part])) for part in parts if part]
    assert written(merged(cards)) == written(merged(cards[::-1])) == written(whole)
    assert written(Scorecard.from_values(orjson.loads(written(whole)))) == written(whole)


@given(rows=st.lists(row, min_size=1, max_size=20), more=st.lists(row, min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_what_is_taken_back_leaves_nothing(rows: list[tuple], more: list[tuple]) -> None:
    both, back = pairs_of(rows + more), pairs_of(more, sign=-1)
    kept = Scorecard.of(pairs_of(rows))
    assert written(merged([Scorecard.of(both), Scorecard.of(back)])) == written(kept)
    # The taking back may come first, and from elsewhere.
    assert written(merged([Scorecard.of(back), Scorecard.of(both)])) == written(kept)
    emptied = merged([Scorecard.of(pairs_of(more)), Scorecard.of(back)])
    assert written(emptied) == written(Scorecard.empty())


def test_a_card_holds_the_weights_it_was_given() -> None:
    card = Scorecard.of(
        pairs_of(
            [
                ("a", "a", NAN, (0.2, 0.8), 1.0),
                ("a", "c", NAN, (0.5, None), 0.5),
                ("b", "a", 0.25, None, 2.25),
            ]
        )
    )
    assert card.rows == 3
    assert card.weight == 3750
    assert card.confusion == {("a", "a"): 1000, ("a", "c"): 500, ("b", "a"): 2250}
    table = card.table("a")
    assert table.probability.tolist() == pytest.approx([0.2, 0.5], abs=1 / SCORE_STEPS)
    assert table.absent.tolist() == [0, 500]
    assert table.present.tolist() == [1000, 0]
    # The prediction did not name the class that came: it gave it no probability.
    assert card.table("c").codes.tolist() == [0]
    assert card.table("c").present.tolist() == [500]
    scored = card.table("a", scored=True)
    assert scored.present.tolist() == [1000, 2250, 0]


def test_shares_come_before_a_score() -> None:
    card = Scorecard.of(
        pairs_of([("a", "a", 0.75, (0.5, 0.5), 1.0), ("b", "a", 0.75, (None, 1.0), 1.0)])
    )
    assert card.scores == {}
    # Of the second prediction, which did not name it, though the first did: probability 0.
    assert card.table("a", scored=True).probability.tolist() == [0, 0.5]
    assert card.table("a", scored=True).present.tolist() == [1000, 1000]


def test_merging_leaves_the_other_card_alone() -> None:
    one = Scorecard.of(pairs_of([("a", "a", 0.25, None, 1.0)]))
    two = Scorecard.of(pairs_of([("a", "b", 0.25, (0.2, 0.8), 1.0)]))
    before = written(two)
    whole = merged([one, two])
    whole.merge(one)
    assert written(two) == before
    assert whole.rows == 3


def test_coarsening_is_a_function_of_the_union(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST_CODES", 300)
    rng = np.random.default_rng(5)
    parts = [rng.random(120) for _ in range(6)]
    cards = [Scorecard.of(binary(part, ["0"] * 60 + ["1"] * 60)) for part in parts]
    whole = Scorecard.of(binary(np.concatenate(parts), (["0"] * 60 + ["1"] * 60) * 6))
    assert all(counts.coarse for counts in whole.scores.values())
    assert not any(counts.coarse for counts in cards[0].scores.values())
    for order in (range(6), reversed(range(6)), rng.permutation(6)):
        assert written(merged([cards[at] for at in order])) == written(whole)
    pairwise = [merged(cards[:3]), merged(cards[3:])]
    assert written(merged(pairwise)) == written(whole)
    steps = np.concatenate([counts.codes for counts in whole.scores.values()])
    assert not (steps % 2**counts.COARSE_BITS).any()
    assert whole.table("1", scored=True).present.sum() == 360_000
    # A coarse and a fine side meet in one table.
    mixed = merged([whole, Scorecard.of(binary(np.array([0.123456]), ["2"]))])
    assert not (mixed.table("1", scored=True).codes % 2**counts.COARSE_BITS).any()


def test_adding_little_to_much_is_adding() -> None:
    rng = np.random.default_rng(7)
    for first, second in ((5000, 5), (5, 5000), (5000, 3000), (0, 20), (40, 40)):
        one, two = rng.integers(0, 6000, first), rng.integers(0, 6000, second)
        ones, twos = rng.integers(-2, 3, first), rng.integers(-2, 3, second)
        whole = Counts.of(np.concatenate([one, two]), np.concatenate([ones, twos]))
        parts = Counts.of(one, ones) + Counts.of(two, twos)
        assert parts.to_values() == whole.to_values()
    much = Counts.of(np.arange(100), np.ones(100, dtype=np.int64))
    assert (much + Counts.of(np.array([7]), np.array([-1]))).codes.size == 99


def test_a_table_stays_bounded() -> None:
    fine = Counts.of(np.arange(counts.MOST_CODES), np.ones(counts.MOST_CODES, dtype=np.int64))
    assert not fine.coarse
    assert fine.codes.size == counts.MOST_CODES
    over = Counts.of(np.arange(SCORE_STEPS + 1), np.ones(SCORE_STEPS + 1, dtype=np.int64))
    assert over.coarse
    assert over.codes.size == 2**14 + 1
    assert over.total == SCORE_STEPS + 1
    assert (fine + over).total == SCORE_STEPS + 1 + counts.MOST_CODES


def many_classes(order: np.ndarray) -> Scorecard:
    """100 classes predicted and labelled, half of the pairs right, with shares."""
    names = [str(at // 2) for at in range(200)]
    label = [str(at // 2 + (at % 2) * 7) for at in range(200)]
    rows = [
        Scorecard.of(
            Pairs(
                predicted=[names[at]],
                score=np.array([NAN]),
                shares={names[at]: np.array([0.75]), "3": np.array([0.25])},
                label=[label[at]],
                weight=np.ones(1),
                sign=np.ones(1, dtype=np.int8),
            )
        )
        for at in order
    ]
    return merged(rows)


def test_classes_are_bounded_whatever_the_order() -> None:
    rng = np.random.default_rng(2)
    card = many_classes(np.arange(200))
    assert card.classes == [str(at) for at in range(MOST_CLASSES)]
    assert len(card.confusion) <= (MOST_CLASSES + 2) ** 2
    assert card.rows == 200
    assert card.weight == 200_000
    right = sum(weight for (a, b), weight in card.confusion.items() if a == b)
    assert right == 100_000
    assert card.confusion[OTHER, OTHER] == (100 - MOST_CLASSES) * 1000
    assert card.confusion[OTHER, ANOTHER] == (100 - MOST_CLASSES) * 1000
    assert card.other_classes == (200 - 2 * MOST_CLASSES + 7) * 1000
    # Every pair's class has its probability once, so that log loss stays whole.
    assert sum(found.total for found in card.present.values()) == 200_000
    for _ in range(3):
        assert written(many_classes(rng.permutation(200))) == written(card)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("1", [1, 1.0, "1", "1.0", True, "true", "True", "TRUE"]),
        ("0", [0, 0.0, -0.0, "0", "-0", False, "false"]),
        ("-3", [-3, -3.0, "-3", "-3.00"]),
        ("0.5", [0.5, "0.5", "0.50"]),
        ("007", ["007"]),
        ("1e3", ["1e3"]),
        ("Yes", ["Yes"]),
        ("1000", [1e3, 1000, "1000"]),
        ("9007199254740993", [9007199254740993, "9007199254740993", "9007199254740993.0"]),
        ("", [""]),
    ],
)
def test_one_class_has_one_name(name: str, values: list) -> None:
    assert [class_name(value) for value in values] == [name] * len(values)


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)))
def test_names_are_their_own_names(value: float | str) -> None:
    assert class_name(class_name(value)) == class_name(value)


def test_long_names_are_cut_and_stay_apart() -> None:
    one, two = class_name("x" * 5000), class_name("x" * 4999 + "y")
    assert len(one) == LONGEST_NAME
    assert one != two
    assert class_name(one) == one


def test_classes_sort_as_numbers_first() -> None:
    assert sorted(["b", "10", "9", "-1", "B"], key=class_order) == ["-1", "9", "10", "B", "b"]


def test_numbers_are_not_classes() -> None:
    pairs = binary(np.array([0.5]), ["1"])
    with pytest.raises(TypeError, match="expected classes as text, got numbers"):
        Scorecard.of(replace(pairs, label=np.array([1.0])))


def test_take_picks_rows() -> None:
    pairs = pairs_of([("a", "b", 0.25, (0.2, 0.8), 1.0), ("b", "c", NAN, None, 0.5)])
    some = pairs.take(np.array([1]))
    assert (len(pairs), len(some)) == (2, 1)
    assert (some.predicted, some.label) == (["b"], ["c"])
    assert np.isnan(some.shares["a"]).all()
    assert scorecard.weight_steps(some.weight).tolist() == [500]
