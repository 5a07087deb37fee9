from __future__ import annotations

import numpy as np
import orjson
import pytest

from driftline.simulate import Fault, Scenario, ScenarioError, parse_fault, traffic, truth

MINUTE = 60_000_000
ALL = frozenset({"label", "decision", "outcome"})


def make(*faults: str, models: str = "credit-risk", minutes: int = 4, **more) -> Scenario:
    return Scenario(
        tuple(traffic(name) for name in models.split(",")),
        tuple(parse_fault(text) for text in faults),
        rate=more.pop("rate", 50.0),
        duration=minutes * MINUTE,
        **more,
    )


def stream(scenario: Scenario, size: int = 5_000):
    found = []
    for block in scenario.blocks(size):
        found += zip(block.types, block.keys, block.ts.tolist(), block.values, strict=True)
    return found


READ: dict[tuple, list] = {}


def events(scenario: Scenario, kind: str = "prediction") -> list[dict]:
    # The same scenario is asked for by many tests; the models are not compared by value.
    key = (
        *(m.name for m in scenario.models), *(m.calm for m in scenario.models), scenario.faults,
        scenario.rate, scenario.duration, scenario.following, scenario.label_delay,
        scenario.segment,
    )  # fmt: skip
    if key not in READ:
        READ[key] = [(t, orjson.loads(v)) for t, _, _, v in stream(scenario)]
    return [event for t, event in READ[key] if t == kind]


def feature(rows: list[dict], name: str) -> list:
    return [row["features"].get(name, "absent") for row in rows]


def at(row: dict) -> np.datetime64:
    return np.datetime64(row["ts"][:-1])


def halves(scenario: Scenario, name: str, cut: str = "2026-03-02T00:02:00") -> tuple[list, list]:
    rows = events(scenario)
    before = [r["features"].get(name, "absent") for r in rows if at(r) < np.datetime64(cut)]
    after = [r["features"].get(name, "absent") for r in rows if at(r) >= np.datetime64(cut)]
    return before, after


def numbers(values: list) -> np.ndarray:
    return np.array([v for v in values if v is not None], dtype=float)


@pytest.mark.parametrize("models", ["credit-risk,demand-forecast,recommender", "bench-3"])
def test_same_seed_same_bytes_however_it_is_cut(models):
    scenario = make(models=models, minutes=1, following=ALL, label_delay=MINUTE // 4)
    whole = stream(scenario)
    assert stream(scenario, 7) == whole
    assert stream(scenario, 10**9) == whole
    other = make(models=models, minutes=1, following=ALL, label_delay=MINUTE // 4, seed=2)
    assert stream(other) != whole


def test_blocks_have_the_size_asked_for():
    sizes = [block.size for block in make().blocks(1_000)]
    assert set(sizes[:-1]) == {1_000}
    assert 0 < sizes[-1] <= 1_000


def test_events_come_in_order_of_time_and_within_the_duration():
    scenario = make(models="credit-risk,demand-forecast", following=ALL, label_delay=MINUTE)
    times = [ts for _, _, ts, _ in stream(scenario)]
    assert times == sorted(times)
    assert times[0] >= scenario.start
    assert times[-1] < scenario.start + 4 * MINUTE


def test_written_time_is_the_time_of_the_block():
    for _, _, ts, value in stream(make(following=ALL))[::50]:
        written = np.datetime64(orjson.loads(value)["ts"][:-1], "us")
        assert written.astype(int) == ts


def test_rate_is_kept_on_average():
    assert len(stream(make(minutes=10))) == pytest.approx(30_000, rel=0.02)


def test_a_longer_run_begins_with_the_shorter_one():
    short = stream(make(minutes=3))
    assert stream(make(minutes=5))[: len(short)] == short


def test_limit_of_events_is_exact_and_needs_no_duration():
    scenario = Scenario((traffic("bench"),), rate=1e5, duration=None, events=12_345)
    assert sum(block.size for block in scenario.blocks(1_000)) == 12_345


def test_another_model_beside_it_changes_nothing():
    alone = events(make())
    beside = [e for e in events(make(models="demand-forecast,credit-risk")) if "score" in e]
    assert beside == alone


def test_labels_change_no_prediction():
    assert events(make(following=ALL)) == events(make())


def test_ids_are_unique_and_followers_point_at_predictions():
    scenario = make(following=ALL, label_delay=MINUTE)
    ids = [e["prediction_id"] for e in events(scenario)]
    assert len(set(ids)) == len(ids)
    for kind in ALL:
        followers = events(scenario, kind)
        assert len(followers) > 0.5 * len(ids)
        assert {e["prediction_id"] for e in followers} <= set(ids)
        assert {e["model"] for e in followers} == {"credit-risk"}


def test_a_bench_event_of_20_features_has_about_552_bytes():
    values = [v for *_, v in stream(make(models="bench", minutes=1))]
    assert sum(map(len, values)) / len(values) == pytest.approx(552, rel=0.02)
    assert len(orjson.loads(values[0])["features"]) == 20


def test_calm_traffic_has_no_memory():
    def correlation(*, calm: bool) -> float:
        model = traffic("demand-forecast", calm=calm)
        rows = events(Scenario((model,), duration=4 * MINUTE, rate=50.0))
        series = numbers(feature(rows, "competitor_price"))
        return float(np.corrcoef(series[:-1], series[1:])[0, 1])

    assert correlation(calm=False) == pytest.approx(0.9, abs=0.03)
    assert correlation(calm=True) == pytest.approx(0.0, abs=0.05)


def test_daily_season():
    model = traffic("demand-forecast")
    ts = np.array([3, 15]) * 3_600_000_000
    night, noon = (
        model.draw(np.repeat(t, 4_000), np.random.default_rng(1), {})["footfall"].mean() for t in ts
    )
    assert noon - night == pytest.approx(2 * 0.8 * 32, rel=0.1)


def test_no_fault_touches_what_is_before_it_or_another_feature():
    healthy = events(make())
    for text in (
        "mean:credit-risk:age:+2sd@2m", "missing:credit-risk:age@2m",
        "schema:credit-risk:age:vanish@2m", "correlation:credit-risk:age@2m",
        "stuck:credit-risk:age@2m",
    ):  # fmt: skip
        rows = events(make(text))
        assert len(rows) == len(healthy)
        for clean, hurt in zip(healthy, rows, strict=True):
            if at(clean) < np.datetime64("2026-03-02T00:02:00"):
                assert hurt == clean
            assert hurt["features"]["income"] == clean["features"]["income"]


def test_a_fault_may_keep_to_some_rows():
    healthy, hurt = events(make()), events(make("mean:credit-risk:age:+2sd@2m in country=DE"))
    changed = {a["features"]["country"] for a, b in zip(healthy, hurt, strict=True) if a != b}
    assert changed == {"DE"}
    (told,) = truth(make("mean:credit-risk:age:+2sd@2m in country=DE"))["faults"]
    assert told["where"] == {"country": "DE"}


def test_features_may_be_the_segment_too():
    for row in events(make(segment=("country", "employment"))):
        told = {name: row["features"][name] for name in ("country", "employment")}
        assert row["segment"] == {name: v for name, v in told.items() if v is not None}
        del row["segment"]
    assert not any("segment" in row for row in events(make()))


def test_faults_end():
    healthy, hurt = events(make()), events(make("unit:credit-risk:income@1m..2m"))
    changed = [at(a) for a, b in zip(healthy, hurt, strict=True) if a["features"] != b["features"]]
    assert np.datetime64("2026-03-02T00:01:00") <= min(changed)
    assert max(changed) < np.datetime64("2026-03-02T00:02:00")


def test_mean():
    before, after = halves(make("mean:credit-risk:age:+1sd@2m"), "age")
    sd = traffic("credit-risk").moments["age"].sd
    assert np.mean(after) - np.mean(before) == pytest.approx(sd, rel=0.1)
    assert all(isinstance(v, int) for v in after)
    _, own = halves(make("mean:credit-risk:age:-2.5@2m"), "age")
    assert np.mean(own) - np.mean(before) == pytest.approx(-2.5, abs=0.6)


def test_spread_keeps_the_mean():
    before, after = halves(
        make("spread:demand-forecast:price:x2@2m", models="demand-forecast"), "price"
    )
    assert np.std(after) / np.std(before) == pytest.approx(2, rel=0.1)
    assert np.mean(after) == pytest.approx(np.mean(before), rel=0.01)


def test_shape_keeps_mean_and_sd_and_empties_the_middle():
    before, after = halves(make("shape:credit-risk:savings@2m"), "savings")
    mean, sd = traffic("credit-risk").moments["savings"]
    after = numbers(after)
    assert after.mean() == pytest.approx(mean, abs=0.1 * sd)
    assert after.std() == pytest.approx(sd, rel=0.05)
    middle = np.abs(after - mean) < 0.3 * sd
    assert middle.mean() < 0.05 < (np.abs(numbers(before) - mean) < 0.3 * sd).mean()


def test_mix_and_new_category():
    _, mixed = halves(make("mix:credit-risk:country:20%@2m"), "country")
    assert mixed.count("PT") / len(mixed) == pytest.approx(0.22, abs=0.02)
    assert mixed.count("DE") / len(mixed) == pytest.approx(0.10, abs=0.02)
    before, fresh = halves(make("new_category:credit-risk:country:5%@2m"), "country")
    assert "unheard-of" not in before
    assert fresh.count("unheard-of") / len(fresh) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("name", ["income", "age", "country", "has_mortgage"])
def test_missing_comes_as_null(name):
    before, after = halves(make(f"missing:credit-risk:{name}:30%@2m"), name)
    assert before.count(None) == 0
    assert after.count(None) / len(after) == pytest.approx(0.3, abs=0.03)


def test_unit():
    before, after = halves(make("unit:credit-risk:income:x1000@2m"), "income")
    assert np.median(after) / np.median(before) == pytest.approx(1_000, rel=0.1)


def test_correlation_goes_and_marginals_stay():
    rows = events(make("correlation:credit-risk:income@2m"))
    cut = np.datetime64("2026-03-02T00:02:00")
    pairs = np.log([(r["features"]["income"], r["features"]["loan_amount"]) for r in rows])
    late = np.array([at(r) >= cut for r in rows])
    assert np.corrcoef(pairs[~late].T)[0, 1] > 0.5
    assert abs(np.corrcoef(pairs[late].T)[0, 1]) < 0.05
    for part in (10, 50, 90):
        before, after = (np.percentile(pairs[rows_of, 0], part) for rows_of in (~late, late))
        assert after == pytest.approx(before, abs=0.05)


@pytest.mark.parametrize("name", ["employment_years", "age", "country"])
def test_stuck_repeats_the_last_value(name):
    before, after = halves(make(f"stuck:credit-risk:{name}@2m"), name)
    last = [v for v in before if v is not None][-1]
    assert set(after) == {last}


def test_silence_takes_predictions_and_all_that_follows():
    scenario = make("silence:credit-risk@1m..3m", following=ALL)
    rows = events(scenario)
    inside = [
        r for r in rows
        if np.datetime64("2026-03-02T00:01:00") <= at(r) < np.datetime64("2026-03-02T00:03:00")
    ]  # fmt: skip
    assert inside == []
    assert len(rows) == pytest.approx(6_000, rel=0.05)
    ids = {r["prediction_id"] for r in rows}
    assert {r["prediction_id"] for r in events(scenario, "decision")} <= ids


def test_schema_forms():
    _, gone = halves(make("schema:credit-risk:age:vanish@2m"), "age")
    assert set(gone) == {"absent"}
    _, text = halves(make("schema:credit-risk:age:string@2m"), "age")
    assert all(isinstance(v, str) and v.isdigit() for v in text)
    _, code = halves(make("schema:credit-risk:country:number@2m"), "country")
    assert all(isinstance(v, int) for v in code)
    before, fresh = halves(make("schema:credit-risk:tenure:appear@2m"), "tenure")
    assert set(before) == {"absent"}
    assert all(isinstance(v, float) for v in fresh)
    _, last = halves(make("schema:bench-1:f00:vanish@2m", models="bench-1"), "f00")
    assert set(last) == {"absent"}


def test_ramp_grows_and_stays():
    rows = events(make("ramp:bench-1:f00:+4sd@1m..2m", models="bench-1", rate=200.0))
    minutes = [[], [], [], []]
    for row in rows:
        minutes[
            int((at(row) - np.datetime64("2026-03-02T00:00:00")) / np.timedelta64(60, "s"))
        ].append(row["features"]["f00"])
    assert [np.mean(m) for m in minutes] == pytest.approx([0, 2, 4, 4], abs=0.1)


def test_predictions_move_with_features_and_labels_with_the_world_only():
    def rejected(*faults: str) -> tuple[float, float]:
        scenario = make(*faults, following=ALL, label_delay=1_000_000)
        scores = [e["score"] for e in events(scenario)]
        labels = [e["label"] == "default" for e in events(scenario, "label")]
        return float(np.mean(scores)), float(np.mean(labels))

    healthy = rejected()
    world = rejected("mean:credit-risk:late_payments:+3sd@0s")
    wire = rejected("unit:credit-risk:late_payments:x1000@0s")
    assert world[0] > healthy[0] + 0.2
    assert world[1] > healthy[1] + 0.2
    assert wire[0] > healthy[0] + 0.1
    assert wire[1] == pytest.approx(healthy[1], abs=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "mean:credit-risk:age:+1sd@10m", "mean:credit-risk:age:-2.5@10m..25m",
        "spread:m:f:x1.5@1h", "new_category:credit-risk:country:5%@0s", "missing:m:f:0.1%@90m",
        "unit:m:f:x1000@1m", "correlation:m:f@1m", "silence:m@1m..2m", "schema:m:f:vanish@1m",
        "ramp:m:f:+1sd@1m..3d", "mean:m:f:+1sd@10m..25m in country=DE", "stuck:m:f@1m in a=b c",
    ],
)  # fmt: skip
def test_fault_text_reads_back(text):
    fault = parse_fault(text)
    assert str(fault) == text
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mean:credit-risk:age:+1sd", "no @"),
        ("meen:credit-risk:age@1m", "did you mean mean?"),
        ("mean:credit-risk@1m", "kind:model:feature"),
        ("silence:credit-risk:age@1m", "kind:model"),
        ("mean:credit-risk:age:x2@1m", "a size like +1sd"),
        ("stuck:credit-risk:age:3@1m", "no size"),
        ("mean:credit-risk:age@soon", "a time like 10m"),
        ("mean:credit-risk:age@2m..1m", "end after the start"),
        ("mean:credit-risk:aeg@1m", "did you mean age?"),
        ("mean:other:age@1m", "expected a model among credit-risk"),
        ("mean:credit-risk:country@1m", "country is categorical"),
        ("mix:credit-risk:age@1m", "age is integer"),
        ("mix:credit-risk:country:90%@1m", "only 30.0%"),
        ("missing:credit-risk:age:120%@1m", "up to 100%"),
        ("unit:credit-risk:age:x1@1m", "other than 1"),
        ("correlation:credit-risk:device@1m", "correlated with nothing"),
        ("ramp:credit-risk:age@1m", "needs an end"),
        ("schema:credit-risk:age:rot@1m", "one of vanish"),
        ("schema:credit-risk:age:appear@1m", "nothing can appear"),
        ("schema:credit-risk:country:string@1m", "categorical"),
        ("mean:credit-risk:age@1m in country", "expected feature=level after in"),
        ("mean:credit-risk:age@1m in country=XX", "expected a level of country .DE, FR"),
        ("mean:credit-risk:age@1m in age=3", "expected a level of age .., got '3'"),
        ("silence:credit-risk@1m in country=DE", "silence is of the whole model"),
    ],
)
def test_faults_are_checked(text, says):
    with pytest.raises(ScenarioError, match=says.replace("+", r"\+").replace("?", r"\?")):
        make(text)


def test_all_faults_are_told_at_once():
    with pytest.raises(ScenarioError) as caught:
        make("mean:credit-risk:aeg@1m", "mix:credit-risk:age@1m")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"rate": 0.0}, "rate"),
        ({"seed": -1}, "seed"),
        ({"label_delay": 0}, "label_delay"),
        ({"segment": ("age",)}, "segment: expected categorical features .country, device, empl"),
    ],
)
def test_scenarios_are_checked(more, says):
    with pytest.raises(ScenarioError, match=says):
        make(**more)


def test_models_by_name():
    assert len(traffic("bench-100").features) == 100
    assert traffic("other=credit-risk").name == "other"
    with pytest.raises(ScenarioError, match="did you mean credit-risk"):
        traffic("credit_risk")
    with pytest.raises(ScenarioError, match="1 to 5000 features"):
        traffic("bench-9999")
    with pytest.raises(ScenarioError, match="each once"):
        make(models="credit-risk,credit-risk")


def test_truth_says_what_where_and_when():
    scenario = make("mean:credit-risk:age@2m", "silence:credit-risk@3m..4m")
    first, second = truth(scenario)["faults"]
    assert first["start"] == "2026-03-02T00:02:00Z"
    assert (first["feature"], first["size"], first["unit"]) == ("age", 1.0, "sd")
    assert first["end"] is None
    assert (second["feature"], second["end"]) == (None, "2026-03-02T00:04:00Z")
    assert second["shows_as"] == ["silence", "volume"]


def test_faults_are_data():
    assert str(Fault("mean", "m", "f", MINUTE, None, 2.0, "sd")) == "mean:m:f:+2sd@1m"
