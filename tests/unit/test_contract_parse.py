from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path

import msgspec
import pytest

from driftline.contract import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Baseline,
    Book,
    Contract,
    ContractError,
    DetectorPlan,
    FeaturePlan,
    Owner,
    Rate,
    WindowPlan,
    canonical,
    gaps,
    load,
    parse,
    survey,
)
from driftline.errors import DriftlineError

CONTRACTS = Path(__file__).parents[2] / "deploy" / "contracts"
TODAY = dt.date(2026, 11, 23)


def faults(text: str) -> list[str]:
    with pytest.raises(ContractError) as caught:
        parse(text, "x.yaml")
    return [str(fault) for fault in caught.value.faults]


def only(text: str) -> str:
    (fault,) = faults(text)
    return fault


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("model: m\nquality: {metric: auc, at_least: 0.7}", DAY),
        ("model: m\nslot: 7s\nquality: {metric: auc, at_least: 0.7}", 86_401 * SECOND),
        ("model: m\nquality: {metric: auc, at_least: 0.7, label_horizon: 120d}", 2 * DAY),
        (
            "model: m\nquality: {metric: auc, at_least: 0.7, window: 6h, label_horizon: 9d}",
            6 * HOUR,
        ),
    ],
)
def test_quality_windows_are_a_day_unless_stated(text: str, window: int) -> None:
    contract = parse(text, "x.yaml")
    assert contract.quality is not None
    assert contract.quality.span == window
    assert contract.joins
    assert contract.step <= window // 60
    assert not contract.step % contract.slot


def test_the_full_example_says_what_it_says() -> None:
    book = load([CONTRACTS / "credit-risk.yaml"])
    contract = book.of("credit-risk")
    assert contract.owner == Owner(
        team="risk-ml", contact="#risk-ml", escalation="risk-oncall", escalate_after=30 * MINUTE
    )
    assert contract.alerts.severity == {"drill": "notice"}
    (window,) = contract.maintenance
    assert window.end(window.since + 7 * DAY + HOUR) == window.since + 7 * DAY + 2 * HOUR
    assert window.end(window.since + 2 * HOUR) is None
    assert contract.slot == 10 * SECOND
    assert contract.lateness == 30 * SECOND
    assert contract.windows == (
        WindowPlan(length=HOUR, hop=HOUR),
        WindowPlan(length=DAY, hop=HOUR),
    )
    assert contract.budget.false_pages == Rate(count=1, per=30 * DAY)
    assert contract.reference.source == "file"
    assert contract.reference.path == str(CONTRACTS / "training.parquet")
    assert contract.reference.seasonal == "hour_of_week"
    assert contract.feature("age") == FeaturePlan(type="numeric", tolerance=0.1)
    assert contract.feature("country").importance == 3
    assert contract.features is not None
    assert contract.features["debt_to_income"] == FeaturePlan()
    assert contract.detectors[2] == DetectorPlan(name="page_hinkley", parameters={"threshold": 50})
    assert contract.deadletter_share == 0.01
    assert contract.quality is not None
    assert (contract.quality.metric, contract.quality.at_least) == ("auc", 0.72)
    assert contract.decision is not None
    assert contract.decision.act_when == "score >= 0.6"
    assert contract.decision.within == 2 * HOUR
    assert contract.decision.costs == {"fp": 100, "fn": 800}
    assert contract.decision.baseline == Baseline(arm="holdout", share=0.05)
    assert contract.retrain.on == ("drift", "quality")
    assert contract.fallback is not None
    assert contract.fallback.release_after == 30 * MINUTE
    assert contract.sla.min_rate == Rate(count=10, per=MINUTE)
    assert contract.deprecate_after == dt.date(2027, 6, 1)
    assert gaps(contract, TODAY) == []


def test_a_model_is_enough() -> None:
    contract = parse("model: m", "x.yaml")
    assert contract == msgspec.structs.replace(Contract(model="m"), stated=frozenset({"model"}))


def test_stated_keys_are_told_from_defaults() -> None:
    contract = parse("{model: m, slot: 10s, retrain: {}, deadletters: {share: 1%}}", "x.yaml")
    assert contract.stated == {"model", "slot", "retrain", "deadletters"}


def test_yaml_is_read_as_editors_read_it() -> None:
    contract = parse(
        "model: no\n"
        "retrain: {on: [drift]}\n"
        "features: {on: {tolerance: 1e-2}}\n"
        "detectors: [{adwin: {delta: 1e-5, clock: 010, grace: 0x10, on: true, kind: off}}]\n",
        "x.yaml",
    )
    assert contract.model == "no"
    assert contract.retrain.on == ("drift",)
    assert contract.features == {"on": FeaturePlan(tolerance=0.01)}
    assert contract.detectors[0].parameters == {
        "delta": 1e-5,
        "clock": 10,
        "grace": 16,
        "on": True,
        "kind": "off",
    }


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("model: m\nfeatuers: {}", "2:1: $.featuers: unknown key, did you mean features?"),
        ("modle: m", "1:1: $.modle: unknown key, did you mean model?"),
        ("slot: 1s", "1:1: $.model: missing (The model's name, as its events carry it.)"),
        ("model: 3", "1:8: $.model: expected the model's name, 1 to 200 characters, got 3 (quotes"),
        ("model:", "1:7: $.model: expected the model's name, 1 to 200 characters, got nothing"),
        ("model: ' m'", '$.model: expected the model\'s name, 1 to 200 characters, got " m"'),
        (f"model: {'m' * 201}", "$.model: expected the model's name, 1 to 200 characters"),
        ("model: m\nmodel: n", "2:1: $.model: expected each key once, got model again (first on"),
        ("- m", "1:1: $: expected a mapping with model, owner"),
        ("model: m\nslot: 10", "2:7: $.slot: expected a duration such as 500ms, 30s"),
        ("model: m\nslot: 2d", '$.slot: expected a duration from 100ms to 1d, got "2d"'),
        ("model: m\nslot: 0.1us", "$.slot: expected a duration such as"),
        ("model: m\nwindows: []", "$.windows: expected a list of windows such as [1h, "),
        ("model: m\nwindows: 1h", "$.windows: expected a list of windows such as [1h, "),
        ("model: m\nwindows: [15s]", "2:11: $.windows[0]: expected a multiple of the slot (10s)"),
        (
            "model: m\nwindows: [1h, {length: 1h, hop: 25m}]",
            "2:33: $.windows[1].hop: expected a hop that divides the length (1h), got 25m",
        ),
        (
            "model: m\nwindows: [{length: 1m, hop: 15s}]",
            "2:29: $.windows[0].hop: expected a multiple of the slot (10s), got 15s",
        ),
        (
            "model: m\nwindows: [{length: 30d, hop: 10s}]",
            "$.windows[0].hop: expected at most 1000 hops in a length of 30d, got 259200",
        ),
        ("model: m\nwindows: [{hop: 1h}]", "$.windows[0].length: missing (Length"),
        ("model: m\nwindows: [1h, 60m]", "$.windows[1]: expected each value once, got the same"),
        ("model: m\nsla: {silence: 5s}", "$.slot: expected a slot of at most sla.silence (5s)"),
        ("model: m\nsample: 0", "$.sample: expected a whole number from 1 to 65536, got 0"),
        ("model: m\nsample: .inf", "$.sample: expected a whole number from 1 to 65536, got .inf"),
        ("model: m\nsample: .nan", "$.sample: expected a whole number from 1 to 65536, got .nan"),
        ("model: m\nsample: 2.5", "$.sample: expected a whole number from 1 to 65536, got 2.5"),
        ("model: m\nowner: me", "2:8: $.owner: expected a mapping with team, contact, escal"),
        ("model: m\nfeatures: {}", "$.features: expected a mapping of feature names"),
        ("model: m\nfeatures: [age]", "$.features: expected a mapping of feature names"),
        ("model: m\nfeatures: {'': {}}", '$.features[""]: expected a name of 1 to 256 bytes'),
        (f"model: m\nfeatures:\n  {'é' * 129}: {{}}", "expected a name of 1 to 256 bytes, got one"),
        (
            "model: m\nfeatures: {age: {tolerance: -1}}",
            "2:29: $.features.age.tolerance: expected a number of at least 0, got -1",
        ),
        (
            "model: m\nfeatures: {a b: {tolerance: 1e999}}",
            '$.features["a b"].tolerance: expected a number of at least 0, got 1e999',
        ),
        (
            "model: m\nfeatures: {a: {type: numerical}}",
            'one of numeric, categorical, boolean, got "numerical" (did you mean numeric?)',
        ),
        (
            "model: m\nfeatures: {a: {type: boolean, tolerance: 2}}",
            "$.features.a.tolerance: expected at most 1 for a boolean feature",
        ),
        ("model: m\ndetectors: [ADWIN]", 'got "ADWIN" (did you mean adwin?)'),
        ("model: m\ndetectors: [{PageHinkley: {}}]", '"PageHinkley" (did you mean page_hinkley?)'),
        ("model: m\ndetectors: [[adwin]]", "2:13: $.detectors[0]: expected one of evidence, adwin"),
        (
            "model: m\ndetectors: [{adwin: {}, ddm: {}}]",
            "$.detectors[0]: expected one detector's name with its parameters, got a mapping with",
        ),
        (
            "model: m\ndetectors: [adwin, {adwin: {delta: 1}}]",
            "$.detectors[1]: expected each detector once, got adwin again (first at [0])",
        ),
        (
            "model: m\ndetectors: [{adwin: {delta: {}}}]",
            "$.detectors[0].adwin.delta: expected a number, text, true, false, null or a list",
        ),
        ("model: m\ndeadletters: 1%", '$.deadletters: expected a mapping with share, got "1%"'),
        ("model: m\ndeadletters: {}", "$.deadletters.share: missing (Share above which"),
        ("model: m\ndeadletters: {share: 5}", "expected a share from 0 to 1, such as 5% or 0.05"),
        ("model: m\ndeadletters: {share: 101%}", "expected a share from 0 to 1, such as 5%"),
        ("model: m\nbudget: {false_pages: 0/d}", "expected a rate above zero such as"),
        ("model: m\nbudget: {false_pages: 1 per month}", "expected a rate above zero such as"),
        ("model: m\nbudget: {false_pages: 1/0s}", "expected a rate above zero such as"),
        ("model: m\ndrill: {every: 1d, within: 2d}", "2:28: $.drill.within: expected at most"),
        ("model: m\ndrill: {every: 1d, shifts: [mean 1sd]}", "a shift such as mean +1sd, spread"),
        ("model: m\ndrill: {every: 1d, shifts: [spread x1]}", "a shift such as mean +1sd, spread"),
        ("model: m\ndrill: {shifts: [mix 5%]}", "$.drill.every"),
        (
            "model: m\nfeatures: {a: }\ndrill: {every: 1d, features: [a, b]}",
            "$.drill.features: expected names of features (a, prediction, score), got b",
        ),
        ("model: m\nbudget: {false_pages: 3}", "2:23: $.budget.false_pages: expected a rate abo"),
        (
            "model: m\nreference: {from: file}",
            "$.reference.path: expected a path, which from: file",
        ),
        (
            "model: m\nalerts: {severity: {missing: page}}",
            "$.alerts.severity.missing: expected notice (its pages are pages; its notices are not",
        ),
        ("model: m\nalerts: {severity: {loop: notice}}", "$.alerts.severity.loop: unknown key"),
        (
            "model: m\nalerts: {flapping: 1 per 6h}",
            "$.alerts.flapping: expected a whole number of returns from 2 to 100, got 1",
        ),
        (
            "model: m\nalerts: {flapping: 4 per 30d}",
            "$.alerts.flapping: expected a time from 1m to 7d, got 30d",
        ),
        (
            "model: m\nmaintenance: [{since: 2026-11-01}]",
            "$.maintenance[0].until: expected an end, or every and lasts, got nothing",
        ),
        (
            "model: m\nmaintenance: [{since: 2026-11-01, every: 1d, lasts: 1d}]",
            "$.maintenance[0].lasts: expected less than every (1d)",
        ),
        (
            "model: m\nmaintenance: [{since: 2026-11-02, until: 2026-11-01}]",
            "$.maintenance[0].until: expected a time after since",
        ),
        ("model: m\nreference: {path: x}", "expected from: file beside path, got no from, which"),
        (
            "model: m\nreference: {from: topic, topic: t, events: 500}",
            "2:44: $.reference.events: expected from: warmup beside events, got from: topic",
        ),
        (
            "model: m\nreference: {from: topic, topic: t, start: 2026-01-02, end: 2026-01-01}",
            '$.reference.end: expected a time after start, got "2026-01-01"',
        ),
        ("model: m\nreference: {from: topic, topic: a/b}", 'a topic\'s name, got "a/b"'),
        ("model: m\nreference: {events: 3}", "expected a whole number from 100 to 10000000, got 3"),
        ("model: m\nquality: {}", "$.quality.metric: missing (What is measured"),
        ("model: m\nquality: {metric: auc}", "$.quality.at_least: expected a bound: what is prom"),
        (
            "model: m\nquality: {metric: mae, at_least: 3}",
            "$.quality.at_least: expected at_most, because a smaller mae is better, got at_least",
        ),
        (
            "model: m\nquality: {metric: auc, at_most: 3}",
            "$.quality.at_most: expected at_least, because a larger auc is better, got at_most",
        ),
        (
            "model: m\nslot: 7s\nquality: {metric: r2, at_least: 0, label_horizon: 9h, window: 1h}",
            "$.quality.window: expected a multiple of the slot (7s), got 1h",
        ),
        (
            "model: m\nquality: {metric: auc, at_least: 0.7, label_horizon: 90d, window: 1d}",
            "$.quality.window: expected at least 36h, a 60th of label_horizon, got 1d",
        ),
        (
            "model: m\nquality: {metric: f1, at_least: 1}",
            "$.quality.at_least: expected a number between 0 and 1, got 1",
        ),
        (
            "model: m\nquality: {metric: mae, at_most: 0}",
            "$.quality.at_most: expected a number above 0, got 0",
        ),
        (
            "model: m\nquality: {metric: bias, at_least: 1, at_most: -1}",
            "$.quality.at_most: expected at least 1.0, which at_least says, got -1",
        ),
        ("model: m\ndecision: {act_when: score >}", 'expected a comparison such as "score >= 0.6"'),
        (
            "model: m\ndecision: {costs: {fpr: 1}}",
            "$.decision.costs.fpr: unknown key, did you mean",
        ),
        ("model: m\ndecision: {baseline: {}}", "$.decision.baseline.arm: missing (The arm"),
        ("model: m\nretrain: {on: drift}", "$.retrain.on: expected a list of drift, schema"),
        ("model: m\nretrain: {on: [drft]}", 'got "drft" (did you mean drift?)'),
        ("model: m\nfallback: {on: [drift]}", "$.fallback.to: missing (What takes over"),
        ("model: m\nreview_by: 2027-02-30", "$.review_by: expected a date such as 2027-06-01, got"),
        ("model: m\n? [a]\n: b", "2:3: $: expected a name as key, got a list"),
        (
            "model: m\nowner: !team {team: a}\nrunbook: !x y",
            "$.runbook: expected text of 1 to 2000",
        ),
        ("model: m\nfeatures: &f {a: *f}", ""),
        ("model: m\nslot: *s", "2:7: $: not YAML: found undefined alias"),
        ("model: [", "$: not YAML: while parsing a flow node"),
        ("model: m\n\tslot: 1s", "$: not YAML: "),
        ("model: \x07", "1:8: $: expected printable characters, got the character U+0007"),
        ("é: \ud800", "1:4: $: expected printable characters, got the character U+D800"),
        ("[" * 100_000, "1:33: $: not YAML: nested deeper than 32 levels"),
        ("", "1:1: $: expected a contract, got an empty file"),
        ("# nothing\n---\n", "1:1: $: expected a contract, got an empty file"),
        ("model: m\n---\nmodel: n", "3:1: $: expected one document, got 2 documents"),
    ],
)
def test_each_fault_has_its_place_and_says_what_belongs_there(text: str, fault: str) -> None:
    if not fault:
        # An alias to what contains it neither recurses for ever nor passes.
        assert faults(text)
        return
    assert fault in only(text)


def test_all_faults_are_listed_at_once_in_the_order_of_the_file() -> None:
    text = "model: m\nslot: x\nfeatures:\n  a: {tolerance: x, typ: numeric}\nfoo: 1\nsample: -1\n"
    found = faults(text)
    assert [fault.split(": ", 2)[:2] for fault in found] == [
        ["x.yaml:2:7", "$.slot"],
        ["x.yaml:4:18", "$.features.a.tolerance"],
        ["x.yaml:4:21", "$.features.a.typ"],
        ["x.yaml:5:1", "$.foo"],
        ["x.yaml:6:9", "$.sample"],
    ]
    with pytest.raises(DriftlineError) as caught:
        parse(text, "x.yaml")
    assert str(caught.value) == "\n".join(found)


def test_one_faulty_window_does_not_hide_another() -> None:
    found = faults("model: m\nwindows: [x, 15s]")
    assert [fault.split(": ")[1] for fault in found] == ["$.windows[0]", "$.windows[1]"]


def test_files_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: a\n---\nmodel: b\n---\n# nothing\n")
    (tmp_path / "b.yaml").write_text("\ufeffmodel: c\nreference: {from: file, path: d/t.csv}\n")
    book = load([tmp_path / "b.yaml", tmp_path / "a.yaml", tmp_path / ".." / tmp_path / "a.yaml"])
    assert book.models == ("a", "b", "c")
    assert book.of("c").reference.path == str(tmp_path / "d/t.csv")
    assert "a" in book
    assert "z" not in book
    assert book.of("z") == Contract(model="z")
    assert [contract.model for contract in book] == ["a", "b", "c"]
    assert len(book) == 3
    assert pickle.loads(pickle.dumps(book)) == book
    with pytest.raises(AttributeError):
        book.contracts = ()  # type: ignore[misc]


def test_a_book_holds_one_contract_a_model() -> None:
    with pytest.raises(ValueError, match="one contract a model"):
        Book((Contract(model="m"), Contract(model="m", slot=1)))


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: a\n---\nmodel: b\nslot: x\n---\nmodel: [\n")
    (tmp_path / "b.yaml").write_text("\n\nmodel: a\n")
    (tmp_path / "c.yaml").write_bytes("model: é\nrunbook: é\xff".encode("latin-1"))
    paths = [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml", "gone.yaml")]
    entries, found = survey([*paths, tmp_path])
    assert [(entry.contract.model, entry.line) for entry in entries] == [("a", 1)]
    lines = [str(fault).replace(f"{tmp_path}/", "") for fault in found]
    assert lines[0].startswith("a.yaml:4:7: $.slot: expected a duration")
    assert lines[1].startswith("a.yaml:7:1: $: not YAML")
    second = "got a second one for a (first at a.yaml:1)"
    assert lines[2:5] == [
        f"b.yaml:3:1: $.model: expected one contract a model, {second}",
        "c.yaml:1:8: $: expected UTF-8, got the byte 0xE9",
        "gone.yaml: $: cannot be read: no such file or directory",
    ]
    assert lines[5].endswith(": $: cannot be read: is a directory")
    with pytest.raises(ContractError) as caught:
        load(paths)
    assert caught.value.faults == found[:5]


def test_the_fingerprint_is_of_what_is_meant(tmp_path: Path) -> None:
    plain = parse("model: m", "x.yaml").fingerprint
    assert len(plain) == 16
    same = "{retrain: {on: [drift, quality]}, slot: 10000ms, windows: [60m], model: m}"
    assert parse(same, "x.yaml").fingerprint == plain
    assert Contract(model="m").fingerprint == plain
    assert parse("{model: m, slot: 20s}", "x.yaml").fingerprint != plain
    file = "{model: m, reference: {from: file, path: t.csv}}"
    assert parse(file, "/a/x.yaml").fingerprint == parse(file, "/b/x.yaml").fingerprint
    whole = [f"{{model: m, detectors: [{{kswin: {{seed: {n}}}}}]}}" for n in ("1", "1.0")]
    assert parse(whole[0], "x").fingerprint == parse(whole[1], "x").fingerprint


def test_the_canonical_form_spells_defaults_out() -> None:
    assert canonical(Contract(model="m")) == (
        '{"alerts":{"flapping":"4 per 6h","severity":{}},'
        '"budget":{"false_pages":"1 per 30d"},"deadletters":{"share":0.01},'
        '"detectors":["evidence","adwin","correlation","joint"],"idle_after":"1m",'
        '"lateness":"30s","ledger":{"share":1},"maintenance":[],"max_ahead":"1h",'
        '"model":"m","reference":{"events":5000,"from":"warmup"},'
        '"retrain":{"at_most_every":"7d","on":["drift","quality"]},"sample":512,'
        '"segments":{"most":20},'
        '"sla":{},"slot":"10s","windows":["1h"]}'
    )
