from __future__ import annotations

import numpy as np
import pytest

from driftline.ledger.payoffs import Payoffs, UnknownPayoffError
from driftline.ledger.sequences import asymptotic
from driftline.ledger.thresholds import review_threshold
from driftline.ledger.trials import Trials
from driftline.ledger.uplift import BEST_AT, Uplift, UpliftReport


def slot(
    rng: np.random.Generator, rows: int, effect: float, acting: float = 0.5, rate: float = 0.1
) -> Trials:
    """Outcomes of 1 or 0, likelier with the score, and with acting by `effect`."""
    score = rng.beta(2, 6, rows)
    acted = rng.random(rows) < acting
    came = rng.random(rows) < np.clip(rate * 4 * score, 0, 1) + effect * acted
    return Trials.of(acted, np.where(acted, acting, 1 - acting), came.astype(float), score)


def follow(
    seed: int, effect: float, slots: int, rows: int, acting: float = 0.5
) -> tuple[list[str], UpliftReport]:
    rng = np.random.default_rng(seed)
    uplift, seen = Uplift(), []
    for _ in range(slots):
        uplift.update(slot(rng, rows, effect, acting))
        seen.append(uplift.report().verdict)
    return seen, uplift.report()


@pytest.mark.parametrize("acting", [0.5, 0.9])
def test_no_effect_is_never_called_one_however_often_one_looks(acting: float) -> None:
    runs = [follow(seed, 0.0, 20, 500, acting) for seed in range(12)]
    claims = [seen for seen, _ in runs if {"better", "worse"} & set(seen)]
    assert len(claims) <= 2
    assert all(report.low < 0 < report.high for _, report in runs if report.verdict[0] == "c")


@pytest.mark.parametrize(("effect", "verdict"), [(0.02, "better"), (-0.02, "worse")])
def test_a_fifth_of_the_rate_is_found(effect: float, verdict: str) -> None:
    reports = [follow(seed, effect, 10, 2500)[1] for seed in range(6)]
    assert sum(report.verdict == verdict for report in reports) >= 5
    assert np.mean([report.effect for report in reports]) == pytest.approx(effect, abs=0.005)
    assert all(report.low <= report.effect <= report.high for report in reports)


def test_how_many_more_it_takes() -> None:
    rng = np.random.default_rng(3)
    uplift = Uplift()
    for _ in range(6):
        uplift.update(slot(rng, 1000, 0.01))
    report = uplift.report()
    assert report.verdict == "cannot tell yet"
    assert report.effect
    assert report.more
    assert f"{report.more:,} more decisions" in report.reason
    # If all goes on as it did, so many do, and a twentieth fewer do not.
    for more, enough in ((report.more, True), (0.95 * report.more, False)):
        grown = 1 + more / report.rows
        sums = (grown * each for each in (report.rows, uplift._total, uplift._squares))
        low, high = asymptotic(*sums, best_at=BEST_AT)
        assert (not low <= 0 <= high) == enough


def test_guesses_take_out_what_scores_foretell() -> None:
    rng = np.random.default_rng(5)
    wide, narrow = Uplift(), Uplift()
    for _ in range(8):
        score, acted = rng.random(500), rng.random(500) < 0.5
        # Outcomes far from 0, that mostly hang on the score.
        value = 1000 + 50 * score + 2 * acted + rng.normal(size=500)
        narrow.update(Trials.of(acted, np.full(500, 0.5), value, score))
        wide.update(Trials.of(acted, np.full(500, 0.5), value, np.full(500, np.nan)))
    scored, blind = narrow.report(), wide.report()
    assert scored.high - scored.low < 0.4 * (blind.high - blind.low)
    assert scored.low < 2 < scored.high
    assert blind.low < 2 < blind.high
    assert scored.verdict == "better"


def test_what_was_left_to_no_chance_is_not_known() -> None:
    rng = np.random.default_rng(6)
    acted, score = rng.random(400) < 0.5, rng.random(400)
    value = acted + rng.normal(size=400)
    uplift = Uplift()
    uplift.update(Trials.of(acted, np.full(400, np.nan), value, score))
    found = uplift.report()
    assert found.verdict == "cannot be known from these data"
    assert "nobody logged it (400)" in found.reason
    assert "association, not uplift" in found.reason
    assert "Hold out a small share" in found.reason
    certain = Uplift()
    certain.update(Trials.of(acted, np.ones(400), value, score))
    assert certain.report().verdict == "cannot be known from these data"
    never = Uplift()
    never.update(Trials.of(np.ones(400, dtype=bool), np.full(400, 0.9), value, score))
    assert "in none was left" in never.report().reason


def test_a_lopsided_draw_is_worth_fewer_decisions() -> None:
    _, report = follow(7, 0.0, 2, 1000, 0.9)
    left, acted = report.effective
    assert 150 < left < 250
    assert 1750 < acted < 1850
    assert report.verdict == "cannot tell yet"
    assert not np.isfinite(report.low), "twenty outcomes are no normal law"
    assert "50 of the rarer outcome" in report.reason


def test_state_goes_on_bit_for_bit() -> None:
    rng = np.random.default_rng(8)
    slots = [slot(rng, 300, 0.02) for _ in range(6)]
    whole, cut = Uplift(), Uplift()
    for each in slots[:3]:
        cut.update(each)
    again = Uplift()
    again.restore(cut.snapshot())
    for each in slots:
        whole.update(each)
    for each in slots[3:]:
        again.update(each)
    assert again.report() == whole.report()
    assert again.snapshot() == whole.snapshot()


def test_trials_merge_to_the_same_bits_and_take_back() -> None:
    rng = np.random.default_rng(9)
    acted, score = rng.random(300) < 0.4, rng.random(300)
    chance = np.where(rng.random(300) < 0.2, np.nan, rng.uniform(0.05, 1.0, 300))
    chance[:5] = 1.0
    value = rng.normal(size=300) * 100

    def of(rows: slice, sign: int = 1) -> Trials:
        many = np.full(300, sign, dtype=np.int8)
        return Trials.of(acted[rows], chance[rows], value[rows], score[rows], many[rows])

    whole = of(slice(None))
    merged = Trials()
    for each in (slice(200, None), slice(50), slice(50, 200)):
        merged.merge(of(each))
    assert merged.to_values() == whole.to_values()
    assert Trials.from_values(whole.to_values()).to_values() == whole.to_values()
    merged.merge(of(slice(100), -1))
    assert merged.to_values() == of(slice(100, None)).to_values()


def test_thresholds_from_outcomes_of_random_decisions() -> None:
    rng = np.random.default_rng(10)
    held = 0
    for _ in range(20):
        score, acted = rng.random(3000), rng.random(3000) < 0.3
        # Acting begins to pay at a score of .4.
        value = 20 + 5 * rng.normal(size=3000) + acted * 10 * (score - 0.4)
        chance = np.where(acted, 0.3, 0.7)
        found = review_threshold(Payoffs.of_trials(Trials.of(acted, chance, value, score)), 0.9)
        held += found.low <= 0.4 <= found.high
    assert held >= 19
    assert found.regret_at_least > 0


def test_thresholds_need_outcomes_of_both_actions() -> None:
    rng = np.random.default_rng(11)
    score, acted = rng.random(3000), rng.random(3000) < 0.5
    value = rng.normal(size=3000)
    with pytest.raises(UnknownPayoffError, match="left to chance, got none"):
        Payoffs.of_trials(Trials.of(acted, np.full(3000, np.nan), value, score))
    acted &= score > 0.5
    with pytest.raises(UnknownPayoffError, match=r"scores between 0 and 0\.501 none was acted"):
        Payoffs.of_trials(Trials.of(acted, np.full(3000, 0.5), value, score))
