"""The vocabulary of faults: every kind is told, read back, checked, and written the same way."""

from __future__ import annotations

import re

import orjson
import pytest
from pyarrow import parquet
from tests.unit._planted import ALL, DAY, HOUR, scenario

from driftline.cli import main
from driftline.cli.simulate import command
from driftline.simulate import KINDS, Scenario, ScenarioError, parse_fault, to_files, traffic, truth

BESIDE = {
    "people": "people:{}:10@0s",
    "retrain": "retrain:{}:1d:500@0s",
}
MANY = (
    "people:credit-risk:5@0s", "override:credit-risk:30%:right@1d in device=ios",
    "ignore:credit-risk:10%@2d", "late:credit-risk:x2@1d", "tire:credit-risk:50%@1d..2d",
    "holdout:credit-risk:20%@0s", "uplift:credit-risk:+5pp@1d",
    "label_delay:credit-risk:2h:lognormal@0s", "label_bias:credit-risk:x3@1d",
    "label_error:credit-risk:5%@1d", "label_loss:credit-risk:10%@1d",
    "skew:credit-risk:income:stale:10%@0s", "skew:credit-risk:country:code:10%@0s",
)  # fmt: skip


def planted(*faults: str, models: str = "credit-risk", **more) -> Scenario:
    return Scenario(
        tuple(traffic(name) for name in models.split(",")),
        tuple(parse_fault(text) for text in faults),
        rate=more.pop("rate", 500 / 86_400),
        duration=more.pop("duration", 3 * DAY),
        following=more.pop("following", ALL),
        label_delay=HOUR,
        **more,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_an_example_that_can_be_planted(kind):
    plan = KINDS[kind]
    fault = parse_fault(plan.usage)
    assert fault.kind == kind
    assert str(fault) == plan.usage
    beside = [BESIDE[plan.beside].format(fault.model)] if plan.beside else []
    made = planted(plan.usage, *beside, models=fault.model, duration=20 * DAY)
    told = truth(made)["faults"][0]
    assert told["fault"] == plan.usage
    assert told["shows_as"] == list(plan.shows_as)
    if plan.detail is not None:
        assert told[plan.detail.name] is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_help_shows_each_kind_with_its_example(kind):
    shown = re.sub(r"\s+", " ", command.__doc__ or "")
    assert KINDS[kind].usage in shown


def test_the_list_shows_each_kind_with_its_example(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["simulate", "--list"]) == 0
    shown = capsys.readouterr().out
    for kind, plan in KINDS.items():
        (line,) = (each for each in shown.splitlines() if each.split()[:1] == [kind])
        assert plan.usage in line
        assert plan.about in line


def test_the_truth_says_what_where_since_when_and_how_much():
    told = {each["kind"]: each for each in truth(planted(*MANY))["faults"]}
    assert (told["override"]["size"], told["override"]["unit"]) == (0.3, "share")
    assert told["override"]["which"] == "right"
    assert told["override"]["where"] == {"device": "ios"}
    assert told["override"]["start"] == "2026-03-03T00:00:00Z"
    assert (told["tire"]["end"], told["tire"]["of"]) == ("2026-03-04T00:00:00Z", "both")
    assert told["people"]["usual"]["override"] == 0.08
    assert (told["label_delay"]["size"], told["label_delay"]["unit"]) == (7200.0, "s")
    assert told["label_delay"]["law"] == "lognormal"
    assert told["label_bias"]["class"] == "default"
    assert (told["uplift"]["size"], told["uplift"]["base"]) == (0.05, 0.3)
    assert (told["skew"]["form"], told["skew"]["share"]) == ("code", 0.1)
    (loop,) = truth(planted("retrain:bench-2:1d@0s", "loop:bench-2:70%:90%@2d", models="bench-2"))[
        "faults"
    ][1:]
    assert (loop["size"], loop["adherence"], loop["shows_as"]) == (0.7, 0.9, ["loop"])


@pytest.mark.parametrize(
    ("models", "faults"),
    [
        ("credit-risk,recommender", MANY),
        ("demand-forecast,bench-3", (
            "retrain:demand-forecast:6h:200@0s", "loop:demand-forecast@1d",
            "label_error:bench-3:20%@0s", "late:bench-3:x3@0s", "skew:bench-3:f00:round=0.1@0s",
        )),
    ],
)  # fmt: skip
def test_same_seed_same_bytes_however_it_is_cut(models, faults):
    made = planted(*faults, models=models, rate=3_000 / 86_400)

    def read(size):
        found = []
        for block in made.blocks(size):
            found += zip(block.types, block.keys, block.ts.tolist(), block.values, strict=True)
        return found

    whole = read(5_000)
    assert read(7) == whole
    assert [ts for _, _, ts, _ in whole] == sorted(ts for _, _, ts, _ in whole)
    assert {kind for kind, *_ in whole} == set(made.types)


def test_a_model_beside_it_stays_as_it_was():
    def others(*faults: str) -> list[tuple[str, bytes]]:
        made = planted(*faults, models="credit-risk,recommender")
        return [
            (kind, value)
            for block in made.blocks()
            for kind, value in zip(block.types, block.values, strict=True)
            if b'"model":"recommender"' in value
        ]

    assert others(*MANY) == others()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("override:credit-risk:24%@1d", "fault of kind people in credit-risk beside it, got none"),
        ("loop:demand-forecast@1d", "a fault of kind retrain in demand-forecast beside it"),
        ("people:credit-risk:0@0s", "expected 1 to 200 people, got 0"),
        ("people:credit-risk:ten@0s", "expected a size like 10, got 'ten'"),
        ("ignore:credit-risk:150%@0s", "up to 100%, got 1.5"),
        ("late:credit-risk:x0@0s", "a factor above 0"),
        ("late:credit-risk:4@0s", "a size like x4, got '4'"),
        ("label_delay:credit-risk:soon@0s", "a size like 2h, got 'soon'"),
        ("label_delay:credit-risk@0s", "a size like 2h, got none"),
        ("label_delay:credit-risk:2h:gamma@0s", "law: expected one of shifted, exponential"),
        ("label_bias:credit-risk:x8:maybe@0s", "a class among repaid, default, got 'maybe'"),
        ("label_bias:demand-forecast:x8@0s", "labels of demand-forecast are numbers"),
        ("label_bias:credit-risk:x0.5@0s", "a factor above 1, got 0.5"),
        ("label_loss:credit-risk:30%:all@0s", "expected kind:model[:size] before the @"),
        ("tire:credit-risk:90%@5d", "tire needs an end"),
        ("tire:credit-risk:90%:feet@5d..6d", "of: expected one of both, time, overrides"),
        ("holdout:credit-risk:100%@0s", "from 0 to below 100%, got 1"),
        ("uplift:credit-risk:+80pp:30%@0s", "got 0.3 in the holdout, 1.1 in the model's arm"),
        ("uplift:credit-risk:5%@0s", "a size like +5pp, got '5%'"),
        ("uplift:credit-risk:+5pp:half@0s", "base: expected a share like 5%, got 'half'"),
        ("retrain:credit-risk:1d@0s", "predicts numbers; credit-risk predicts classes"),
        ("retrain:demand-forecast@0s", "a size like 1d, got none"),
        ("retrain:demand-forecast:1d:50@0s", "rows to train on, got 50"),
        ("retrain:bench-200:1d@0s", "at most 100 columns, got 200"),
        ("loop:demand-forecast:50%:200%@0s", "up to 100%, got 2"),
        ("skew:credit-risk:income@0s", "a mistake such as x1000, .*got 'nothing'"),
        ("skew:credit-risk:income:rot@0s", "a mistake such as x1000, .*got 'rot'"),
        ("skew:credit-risk:income:null@0s", "a mistake such as x1000, .*got 'null'"),
        ("skew:credit-risk:country:x1000@0s", "numeric or integer; country is categorical"),
        ("skew:credit-risk:income:lower@0s", "categorical; income is numeric"),
        ("skew:credit-risk:device:lower@0s", "written so already .android"),
        ("skew:credit-risk:income:null=0@0s", "income is never missing"),
        ("skew:credit-risk:savings:null=none@0s", "expected a number, .*got 'none'"),
        ("skew:credit-risk:returning:null=0@0s", "expected true or false, .*got '0'"),
        ("skew:credit-risk:income:swap=country@0s", "another feature of that kind .age, debt"),
        ("skew:credit-risk:income:x1@0s", "a factor that changes anything, got x1"),
        ("skew:credit-risk:incom:x2@0s", "did you mean income?"),
        ("skew:credit-risk:income:x2:0%@0s", "a share above 0"),
    ],
)  # fmt: skip
def test_faults_are_checked(text, says):
    model = re.split("[:@]", text)[1]
    with pytest.raises(ScenarioError) as caught:
        planted(text, models=model)
    assert re.search(says.replace("+", r"\+").replace("?", r"\?").replace("[:", r"\[:"),
                     str(caught.value))  # fmt: skip
    assert text in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind, plan in KINDS.items() if plan.needs])
def test_what_would_change_nothing_is_refused(kind):
    fault = parse_fault(KINDS[kind].usage)
    needs = {"label": "labels", "features": "training"}.get(
        str(fault.plan.needs), f"{fault.plan.needs}s"
    )
    with pytest.raises(ScenarioError, match=f"expected --with {needs}"):
        planted(KINDS[kind].usage, models=fault.model, following=ALL - {fault.plan.needs})


def test_a_model_is_trained_by_one_plan():
    with pytest.raises(ScenarioError, match="one fault of kind retrain"):
        planted("retrain:bench-2:1d@0s", "retrain:bench-2:2d@0s", models="bench-2")


def test_parquet_holds_what_is_planted(tmp_path):
    made = planted(
        *MANY, "retrain:demand-forecast:1d:200@0s", "skew:demand-forecast:footfall:x0.5@0s",
        models="credit-risk,demand-forecast",
    )  # fmt: skip
    to_files(made, tmp_path, "parquet")
    events = [
        orjson.loads(value) | {"type": kind}
        for block in made.blocks()
        for kind, value in zip(block.types, block.values, strict=True)
    ]
    for path in tmp_path.glob("*.parquet"):
        model, kind, _ = path.name.split(".")
        rows = parquet.read_table(path).to_pylist()
        kind = kind if kind in {"features", "lifecycle"} else kind.removesuffix("s")
        told = [e for e in events if (e["model"], e["type"]) == (model, kind)]
        assert len(rows) == len(told)
        for row, event in zip(rows, told, strict=True):
            flat = {k: v for k, v in event.items() if k != "features"}
            flat |= {f"features.{k}": v for k, v in event.get("features", {}).items()}
            there = {k: v for k, v in row.items() if v is not None}
            assert there == {k: v for k, v in flat.items() if v is not None}
    assert len(list(tmp_path.glob("*.parquet"))) == 2 * 5 + 1


def test_the_command_plants_it_all(tmp_path, capsys):
    out = tmp_path / "data"
    faults = (
        "people:credit-risk@0s",
        "skew:credit-risk:income:x1000@1h",
        "label_loss:credit-risk@0s",
    )
    options = [part for text in faults for part in ("--fault", text)]
    code = main(
        ["simulate", "--out", str(out), "--models", "credit-risk", "--duration", "2h", "--rate",
         "10/min", "--with", "labels,decisions,training", *options]
    )  # fmt: skip
    assert code == 0
    assert "planted faults: 3" in capsys.readouterr().out
    told = orjson.loads((out / "truth.json").read_bytes())
    assert [each["fault"] for each in told["faults"]] == list(faults)
    assert set(told["events"]) == {"prediction", "label", "decision", "features"}
    assert main(["simulate", "--out", str(out), "--fault", "skew:credit-risk:income:x2@0s"]) == 2
    assert "expected --with training" in capsys.readouterr().err


def test_topics_are_those_of_the_types_there_will_be():
    assert scenario(model="bench-2").types == [
        "prediction", "decision", "features", "label", "outcome",
    ]  # fmt: skip
    made = scenario("retrain:bench-2:1d@0s", model="bench-2")
    assert made.types[-1] == "lifecycle"
