from __future__ import annotations

import random
from dataclasses import replace

import msgspec
import numpy as np
import orjson
import pytest

from driftline.contract import Contract, ReferencePlan
from driftline.contract.types import DAY, HOUR, MINUTE, SECOND, Owner, Retrain
from driftline.detect.protocol import Finding
from driftline.events.outputs import Alert, Feedback
from driftline.events.time import format_ts
from driftline.incidents import Context, Incidents
from driftline.stats import Pane, Reference

START = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z
SLOT = 10 * SECOND
DE, FR = ((("country", name),) for name in ("DE", "FR"))
CONTRACT = Contract(model="credit-risk", runbook="https://r", owner=Owner(team="risk-ml"))


def finding(feature: str | None = "age", at: int = 0, **more) -> Finding:
    given = {
        "state": "raised", "model": "credit-risk", "feature": feature, "kind": "drift",
        "detector": "evidence", "severity": "page", "change_point": START + at - 2 * SLOT,
        "detected_at": START + at, "effect": 0.8, "effect_unit": "reference sd",
        "text": "median 41 → 52", "log_e": 12.5, "evidence": {"aspect": "location"},
    }  # fmt: skip
    return Finding(**{**given, **more})


def cleared(feature: str | None = "age", at: int = 0, **more) -> Finding:
    return finding(feature, at, state="cleared", **more)


def context(at: int = 0, **more) -> Context:
    return Context(now=START + at, topics=("driftline.predictions",), **more)


def reported(incidents: Incidents, *findings: Finding, at: int = 0) -> list[tuple[str, str, str]]:
    changes = incidents.on_findings(findings, context(at))
    return [(c.state, c.finding.feature if c.finding else None, c.reason) for c in changes]


def events(messages: list[tuple[bytes, bytes]]) -> list[dict]:
    return [orjson.loads(value) for _, value in messages]


def test_one_cause_is_one_incident_with_an_update_for_each_further_column():
    incidents = Incidents(CONTRACT)
    assert reported(incidents, finding("age"), finding("score"), finding("income")) == [
        ("opened", "age", "first finding"),
        ("updated", "income", "it joined"),
        ("updated", "score", "it joined"),
    ]
    assert reported(incidents, finding("savings", SLOT)) == [("updated", "savings", "it joined")]
    assert len(incidents.open) == 1
    assert incidents.open[0].features == ["age", "income", "score", "savings"]


def test_what_can_page_names_the_incident():
    incidents = Incidents(CONTRACT)
    first = finding("age", severity="notice"), finding("income"), finding(None, kind="schema")
    assert [c[1] for c in reported(incidents, *first)] == [None, "income", "age"]


def test_a_second_detector_is_a_witness_and_says_nothing():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding())
    agrees = finding(at=20 * SLOT, detector="adwin", change_point=START + 15 * SLOT)
    assert reported(incidents, agrees) == []
    assert incidents.open[0].detectors == ["adwin", "evidence"]
    (change,) = incidents.on_findings([finding("income", SLOT)], context())
    assert change.incident.detectors == ["adwin", "evidence"]


def test_changes_far_apart_are_two_incidents():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"))
    assert reported(incidents, finding("income", HOUR)) == [("opened", "income", "first finding")]
    assert len({incident.id for incident in incidents.open}) == 2


def test_a_late_finding_of_an_old_change_joins():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"))
    late = finding("income", 2 * HOUR, change_point=START + 10 * MINUTE)
    assert reported(incidents, late) == [("updated", "income", "it joined")]


def test_the_closest_incident_takes_it():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"))
    reported(incidents, finding("income", 10 * MINUTE))
    near = finding("savings", 10 * MINUTE + SLOT)
    changes = incidents.on_findings([near], context())
    assert changes[0].incident.feature == "income"


@pytest.mark.parametrize(
    ("first", "then", "slots", "joined"),
    [
        ("age", "score", 30, True),
        ("age", "score", 31, False),
        ("age", "income", 30, False),
        ("prediction", "score", 30, False),
    ],
)
def test_predictions_join_an_incident_about_an_input_not_long_after(first, then, slots, joined):
    incidents = Incidents(CONTRACT)
    reported(incidents, finding(first))
    reported(incidents, cleared(first, SLOT))
    # It comes back with another change: what counts is when it did.
    back = HOUR
    reported(incidents, finding(first, back))
    late = finding(then, back + slots * SLOT, change_point=START + MINUTE)
    assert (reported(incidents, late)[0][0] == "updated") is joined


def test_a_change_that_may_have_begun_with_an_incident_joins_it():
    span = {"change_point_interval": [format_ts(START - 20 * HOUR), format_ts(START)]}
    sure = finding("score", HOUR, change_point=START - 10 * HOUR, detected_at=START + HOUR)
    for evidence, joined in (({}, False), (span, True)):
        incidents = Incidents(CONTRACT)
        reported(incidents, finding("age"))
        score = replace(sure, evidence=evidence)
        assert (reported(incidents, score)[0][0] == "updated") is joined


def test_a_segment_of_what_has_moved_as_a_whole_is_listed_and_says_nothing():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"))
    # However late: where the whole has moved, so have its segments.
    assert reported(incidents, finding("age", 5 * HOUR, segment=DE, effect=1.5)) == []
    assert reported(incidents, finding("age", 5 * HOUR, segment=FR, effect=1.6)) == [
        ("updated", "age", "the effect is twice as large in this segment")
    ]
    (incident,) = incidents.open
    assert [m.segment for m in incident.members] == [(), DE, FR]


def test_the_whole_and_other_segments_join_the_one_that_was_first():
    incidents = Incidents(CONTRACT)
    assert reported(incidents, finding("age", segment=DE)) == [("opened", "age", "first finding")]
    for more in (finding("age", SLOT, segment=FR), finding("age", SLOT)):
        assert reported(incidents, more) == [("updated", "age", "it joined")]
    assert len(incidents.open) == 1


def test_what_moves_the_whole_later_is_another_cause():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age", segment=DE))
    reported(incidents, finding("age", HOUR))
    assert [incident.members[0].segment for incident in incidents.open] == [DE, ()]
    assert len({incident.id for incident in incidents.open}) == 2


@pytest.mark.parametrize(("beyond", "first"), [(3.0, DE), (0.5, ()), (0.0, ())])
def test_a_segment_names_an_incident_if_its_evidence_is_clearly_the_stronger(beyond, first):
    whole = finding("age", log_e=14.0, evidence={"log_threshold": 12.0})
    part = finding("age", log_e=18.0 + beyond, evidence={"log_threshold": 16.0}, segment=DE)
    others = finding("income", log_e=None), finding("savings", log_e=12.1, segment=FR)
    for order in ((whole, *others, part), (part, *others, whole)):
        incidents = Incidents(CONTRACT)
        reported(incidents, *order)
        (incident,) = incidents.open
        assert incident.members[0].key == ("age", "drift", first)


def test_each_segment_clears_by_itself():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"), finding("age", segment=DE))
    assert reported(incidents, cleared("age", HOUR)) == []
    assert reported(incidents, cleared("age", HOUR, segment=FR)) == []
    assert [c[0] for c in reported(incidents, cleared("age", HOUR, segment=DE))] == ["resolved"]
    back = finding("age", HOUR + SLOT, segment=DE, change_point=START)
    assert [c[2] for c in reported(incidents, back)] == ["it came back"]


def test_flow_and_data_do_not_mix():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"))
    silence = finding(None, kind="silence", detector="silence")
    assert reported(incidents, silence) == [("opened", None, "first finding")]
    assert reported(incidents, finding(None, SLOT, kind="volume")) == [
        ("updated", None, "it joined")
    ]


def test_severity_raised_is_told():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding(severity="notice", detector="adwin"))
    assert incidents.open[0].severity == "notice"
    assert reported(incidents, finding(at=SLOT)) == [("escalated", "age", "it is a page now")]
    assert incidents.open[0].severity == "page"


def test_effect_doubled_is_told_once_and_only_in_its_own_unit():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding(effect=0.5))
    assert reported(incidents, finding(at=SLOT, effect=0.9)) == []
    assert reported(incidents, finding(at=SLOT, effect=5, effect_unit="rate")) == []
    doubled = [("updated", "age", "the effect has doubled")]
    assert reported(incidents, finding(at=2 * SLOT, effect=-1.0)) == doubled
    assert reported(incidents, finding(at=3 * SLOT, effect=1.9)) == []
    assert reported(incidents, finding(at=4 * SLOT, effect=2.0)) == doubled


def test_a_vanished_column_is_not_told_again_as_missing():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding(kind="schema", detector="schema"))
    assert reported(incidents, finding(at=SLOT, kind="missing")) == []
    other = Incidents(CONTRACT)
    reported(other, finding(kind="drift"))
    assert reported(other, finding(at=SLOT, kind="missing")) == [("updated", "age", "it joined")]


def test_it_is_resolved_when_every_witness_has_cleared():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding("age"), finding("income"), finding("age", detector="adwin"))
    assert reported(incidents, cleared("age", HOUR)) == []
    assert reported(incidents, cleared("income", HOUR)) == []
    assert reported(incidents, cleared("savings", HOUR)) == []
    assert reported(incidents, cleared("age", HOUR + SLOT, detector="adwin")) == [
        ("resolved", "age", "everything in it has cleared")
    ]
    assert incidents.open == []


def test_cleared_and_raised_again_in_one_slot_stays_open():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding(detector="adwin"))
    both = cleared(at=SLOT, detector="adwin"), finding(at=SLOT, detector="adwin")
    assert reported(incidents, *both) == []
    assert len(incidents.open) == 1


def test_a_slower_detector_of_the_same_change_reopens_it():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding())
    name = incidents.open[0].id
    reported(incidents, cleared(at=HOUR))
    slow = finding(at=2 * HOUR, detector="adwin", change_point=START + 5 * MINUTE)
    assert reported(incidents, slow) == [("reopened", "age", "it came back")]
    assert incidents.open[0].id == name
    assert incidents.open[0].resolved_at is None


def test_what_came_back_as_a_notice_is_no_page():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding())
    reported(incidents, cleared(at=HOUR))
    slow = finding(at=2 * HOUR, detector="adwin", severity="notice", change_point=START)
    assert reported(incidents, slow) == [("reopened", "age", "it came back")]
    assert incidents.open[0].severity == "notice"


def test_of_several_resolved_incidents_the_closest_comes_back():
    incidents = Incidents(CONTRACT)
    names = []
    for hour in (0, 8, 16):
        reported(incidents, finding(at=hour * HOUR))
        names.append(incidents.open[0].id)
        reported(incidents, cleared(at=(hour + 1) * HOUR))
    assert len(set(names)) == 3
    slow = finding(at=18 * HOUR, detector="adwin", change_point=START + 8 * HOUR + SLOT)
    assert reported(incidents, slow) == [("reopened", "age", "it came back")]
    assert incidents.open[0].id == names[1]


def test_what_returns_soon_is_the_same_incident_and_later_a_new_one():
    incidents = Incidents(CONTRACT)
    reported(incidents, finding())
    name = incidents.open[0].id
    reported(incidents, cleared(at=HOUR))
    assert reported(incidents, finding("income", at=2 * HOUR))[0][0] == "opened"
    reported(incidents, cleared("income", at=2 * HOUR + SLOT))
    assert reported(incidents, finding(at=7 * HOUR)) == [("reopened", "age", "it came back")]
    assert incidents.open[0].id == name
    assert incidents.open[0].change_point == START + 7 * HOUR - 2 * SLOT
    reported(incidents, cleared(at=8 * HOUR))
    assert reported(incidents, finding(at=14 * HOUR + SLOT))[0][0] == "opened"
    reported(incidents, cleared(at=15 * HOUR))
    old = finding(at=3 * DAY, change_point=START)
    assert reported(incidents, old)[0][0] == "opened"


def test_ids_are_of_what_they_are_about():
    def names(*findings: Finding) -> list[str]:
        return [c.incident.id for c in Incidents(CONTRACT).on_findings(findings, context())]

    assert names(finding()) == names(finding(effect=3.0, detected_at=START + SLOT))
    assert len(names(finding())[0]) == 16
    different = [
        finding("income"), finding(kind="missing"), finding(detector="adwin"),
        finding(change_point=START - 9 * SLOT),
    ]  # fmt: skip
    assert len({names(f)[0] for f in [finding(), *different]}) == 5


def test_findings_of_two_moments_may_come_in_one_step_or_two():
    silence = finding(None, HOUR, kind="silence", detector="silence")
    over = cleared(None, 2 * HOUR, kind="silence", detector="silence")
    late, at_once = Incidents(CONTRACT), Incidents(CONTRACT)
    apart = [late.step([silence], context(HOUR + 7)), late.step([over], context(2 * HOUR + SLOT))]
    together = at_once.step([silence, over], context(2 * HOUR + SLOT))
    assert [m for step in apart for m in step.alerts] == together.alerts
    assert [m for step in apart for m in step.feedback] == together.feedback
    assert [e["type"] for e in events(together.alerts)] == [
        "driftline.alert.opened", "driftline.alert.resolved",
    ]  # fmt: skip
    assert late.snapshot() == at_once.snapshot()


def test_too_many_incidents_become_one_about_many():
    incidents = Incidents(CONTRACT)
    told = []
    for i in range(150):
        told += reported(incidents, finding(f"f{i}", i * HOUR))
    assert len(incidents.open) == 101
    assert len(told) == 101
    assert told[-1] == ("opened", "f100", "more than 100 incidents are open")
    many = incidents.open[-1]
    assert many.feature is None
    assert many.features == [f"f{i}" for i in range(100, 150)]
    for i in range(10):
        reported(incidents, cleared(f"f{i}", 200 * HOUR))
    assert reported(incidents, finding("new", 201 * HOUR))[0][0] == "opened"
    for i in range(100, 150):
        told = reported(incidents, cleared(f"f{i}", 202 * HOUR))
    assert told[0][0] == "resolved"


def test_closed_incidents_are_forgotten():
    incidents = Incidents(CONTRACT)
    for i in range(150):
        reported(incidents, finding(f"f{i}", at=i * MINUTE), at=i)
        reported(incidents, cleared(f"f{i}", at=i * MINUTE + SLOT))
    closed = incidents.snapshot()["closed"]
    assert (len(closed["recent"]), len(closed["past"])) == (100, 50)
    reported(incidents, finding("income", 10 * DAY))
    closed = incidents.snapshot()["closed"]
    assert (len(closed["recent"]), len(closed["past"])) == (0, 150)
    reported(incidents, finding("savings", 92 * DAY))
    assert incidents.snapshot()["closed"] == {"recent": [], "past": []}


def random_findings(seed: int, steps: int = 60) -> list[list[Finding]]:
    rng = random.Random(seed)
    out = []
    for step in range(steps):
        at = step * SLOT * 5
        out.append(
            [
                finding(
                    rng.choice(["age", "income", "savings", "score", None]), at,
                    state=rng.choice(["raised", "cleared"]),
                    kind=rng.choice(["drift", "missing", "schema", "silence"]),
                    detector=rng.choice(["evidence", "adwin"]),
                    severity=rng.choice(["page", "notice"]),
                    effect=rng.choice([0.1, 0.5, 2.0]),
                    change_point=START + at - rng.randrange(0, 40) * SLOT,
                    segment=rng.choice([(), (), DE, FR]),
                )
                for _ in range(rng.randrange(4))
            ]
        )  # fmt: skip
    return out


@pytest.mark.parametrize("seed", range(5))
def test_a_snapshot_at_any_step_goes_on_bit_for_bit(seed):
    steps = random_findings(seed)
    contract = Contract(model="credit-risk", retrain=Retrain(at_most_every=HOUR, on=("drift",)))
    straight = Incidents(contract)
    stopped = Incidents(contract)
    for number, found in enumerate(steps):
        at = number * SLOT * 5
        resumed = Incidents(contract)
        resumed.restore(orjson.loads(orjson.dumps(stopped.snapshot())))
        stopped = resumed
        assert stopped.step(found, context(at)) == straight.step(found, context(at))
        assert stopped.snapshot() == straight.snapshot()


@pytest.mark.parametrize("seed", range(5))
def test_every_incident_is_opened_once_and_numbered_through(seed):
    numbers: dict[str, int] = {}
    incidents = Incidents(CONTRACT)
    for found in random_findings(seed):
        for change in incidents.on_findings(found, context()):
            name = change.incident.id
            assert change.number == numbers.get(name, 0) + 1
            assert (change.state == "opened") == (change.number == 1)
            numbers[name] = change.number
    assert numbers


def test_a_snapshot_of_another_format_is_refused():
    incidents = Incidents(CONTRACT)
    with pytest.raises(ValueError, match="format 2"):
        incidents.restore({**incidents.snapshot(), "format": 9})


# -- alerts ---------------------------------------------------------------------------------------


def reference(seed: int = 1) -> Reference:
    rng = np.random.default_rng(seed)
    columns = {"age": rng.normal(41, 11, 2_000).tolist(), "country": ["DE", "FR"] * 1_000}
    return Reference.build("credit-risk", columns)


def pane(on: Reference, mean: float, rows: int = 50) -> Pane:
    made = Pane.empty(on, 0)
    made.events = {"prediction": rows}
    ages = on.columns[on.index["age"]].bin_numbers(np.full(rows, mean))
    flat = np.zeros_like(made.counts)
    for name, codes in (("age", ages), ("country", np.zeros(rows, dtype=np.int64))):
        first = int(on.starts[on.index[name]])
        flat += np.bincount(codes + first, minlength=flat.size)
    made.counts = flat
    made.minimum = np.full(1, mean)
    made.maximum = np.full(1, mean)
    return made


def alert(*findings: Finding, contract: Contract = CONTRACT, **more) -> dict:
    step = Incidents(contract).step(findings, context(**more))
    (event,) = events(step.alerts)
    return event


def test_an_alert_is_a_cloud_event_with_all_that_was_promised():
    event = alert(finding())
    assert event["specversion"] == "1.0"
    assert event["source"] == "driftline"
    assert event["type"] == "driftline.alert.opened"
    assert event["subject"] == "credit-risk/age"
    assert event["time"] == "2026-03-02T00:00:00Z"
    assert event["datacontenttype"] == "application/json"
    data = event["data"]
    assert data["model"] == "credit-risk"
    assert data["feature"] == "age"
    assert data["features"] == ["age"]
    assert data["kind"] == "drift"
    assert data["detector"] == "evidence"
    assert data["severity"] == "page"
    assert data["state"] == "opened"
    assert data["change_point"] == "2026-03-01T23:59:40Z"
    assert data["detected_at"] == "2026-03-02T00:00:00Z"
    assert (data["effect"], data["effect_unit"]) == (0.8, "reference sd")
    assert data["text"] == "median 41 → 52"
    assert data["evidence"] == {"aspect": "location"}
    assert data["runbook"] == "https://r"
    assert data["owner"]["team"] == "risk-ml"


def test_the_key_is_the_incident_and_the_id_is_the_change():
    incidents = Incidents(CONTRACT)
    step = incidents.step([finding("age"), finding("income")], context())
    assert {key.decode() for key, _ in step.alerts} == {incidents.open[0].id}
    first, second = events(step.alerts)
    assert first["id"] != second["id"]
    assert second["data"]["feature"] == "income"
    assert second["data"]["features"] == ["age", "income"]
    again = Incidents(CONTRACT).step([finding("age"), finding("income")], context())
    assert again == step


def test_an_alert_about_the_whole_model_has_no_feature():
    event = alert(finding(None, kind="silence", detector="silence"))
    assert event["subject"] == "credit-risk"
    assert event["data"]["feature"] is None
    assert event["data"]["window"] is None
    assert event["data"]["reference"] is None


def test_a_resolved_alert_repeats_what_it_was():
    incidents = Incidents(CONTRACT)
    incidents.step([finding()], context())
    (event,) = events(incidents.step([cleared(at=HOUR)], context(HOUR)).alerts)
    data = event["data"]
    assert event["type"] == "driftline.alert.resolved"
    assert event["time"] == data["resolved_at"] == "2026-03-02T01:00:00Z"
    assert data["detected_at"] == "2026-03-02T00:00:00Z"
    assert data["text"] == "everything in it has cleared; it was: median 41 → 52"


def test_an_alert_carries_statistics_since_the_change_and_of_the_reference():
    on = reference()
    recent = [(START + i * SLOT, pane(on, 41.0 if i < -2 else 60.0)) for i in range(-5, 0)]
    data = alert(finding(), reference=on, recent=recent)["data"]
    assert data["reference"]["id"] == on.id
    assert data["reference"]["statistics"]["mean"] == pytest.approx(41, abs=1)
    assert data["window"]["start"] == "2026-03-01T23:59:40Z"
    assert data["window"]["end"] == "2026-03-02T00:00:00Z"
    assert data["window"]["statistics"]["count"] == 100
    assert data["window"]["statistics"]["min"] == 60
    levels = alert(finding("country"), reference=on, recent=recent)["data"]["reference"]
    assert levels["statistics"]["levels"] == {"DE": 1000, "FR": 1000}


def test_a_new_reference_resolves_what_was_found_on_the_old_one():
    incidents = Incidents(CONTRACT)
    silence = finding(None, kind="silence", detector="silence")
    incidents.step([finding(), silence], context(reference=reference()))
    step = incidents.step([], context(HOUR, reference=reference(2)))
    (event,) = events(step.alerts)
    assert event["data"]["feature"] == "age"
    assert event["data"]["reason"] == "a new reference holds"
    assert [incident.kind for incident in incidents.open] == ["silence"]


def test_the_replay_command_reproduces_it():
    fixed = Contract(
        model="credit-risk",
        reference=ReferencePlan(source="file", path="r.parquet"),
        stated=frozenset({"model", "reference"}),
    )
    command = alert(finding(), contract=fixed)["data"]["replay"]
    assert command.startswith('driftline replay "kafka://$KAFKA/driftline.predictions" ')
    assert "--contract credit-risk.yaml" in command
    assert "--from 2026-03-01T22:59:40Z --to 2026-03-02T00:00:40Z --out replay-" in command
    warm = alert(finding())["data"]["replay"]
    assert "--from" not in warm
    assert "--contract" not in warm
    at_file = Incidents(fixed).step([finding()], Context(START, topics=("my data/e.jsonl",)))
    assert "replay 'my data/e.jsonl' --contract" in events(at_file.alerts)[0]["data"]["replay"]


@pytest.mark.parametrize("seed", range(3))
def test_all_messages_have_the_published_shape(seed):
    contract = Contract(model="credit-risk", retrain=Retrain(at_most_every=HOUR, on=("drift",)))
    incidents = Incidents(contract)
    on = reference()
    recent = [(START + i * SLOT, pane(on, 60.0)) for i in range(-5, 300)]
    kinds = set()
    for number, found in enumerate(random_findings(seed)):
        step = incidents.step(found, context(number * SLOT * 5, reference=on, recent=recent))
        for messages, shape in ((step.alerts, Alert), (step.feedback, Feedback)):
            for _, value in messages:
                decoded = msgspec.json.decode(value, type=shape)
                # Nothing is written that the shape does not name.
                assert msgspec.to_builtins(decoded) == orjson.loads(value)
                kinds.add(decoded.type)
    assert len(kinds) >= 6


def test_nothing_that_is_not_finite_gets_out():
    event = alert(finding(effect=float("inf"), log_e=float("nan")))
    assert event["data"]["effect"] is None
    assert event["data"]["log_e"] is None


# -- feedback -------------------------------------------------------------------------------------


def asked(step) -> list[tuple[str, str]]:
    return [
        (e["type"].rpartition(".")[2], e["data"].get("why") or e["data"].get("violation"))
        for e in events(step.feedback)
        if e["data"].get("violation") in {None, "sla.silence", "sla.min_rate"}
    ]


RETRAIN = [("retrain_requested", "drift")]


def test_a_page_asks_for_a_retraining_and_a_notice_does_not():
    incidents = Incidents(CONTRACT)
    assert asked(incidents.step([finding(severity="notice")], context())) == []
    step = incidents.step([finding("age", SLOT)], context(SLOT))
    assert asked(step) == RETRAIN
    event = events(step.feedback)[-1]
    assert event["data"]["incident"] == incidents.open[0].id
    assert event["time"] == "2026-03-02T00:00:10Z"
    assert asked(incidents.step([finding("income", 2 * SLOT)], context(2 * SLOT))) == []


def test_other_kinds_ask_only_if_the_contract_says_so():
    missing = finding(kind="missing")
    assert asked(Incidents(CONTRACT).step([missing], context())) == []
    on = Contract(model="credit-risk", retrain=Retrain(on=("missing",)))
    assert asked(Incidents(on).step([missing], context())) == [("retrain_requested", "missing")]


def test_retraining_is_limited_and_what_is_still_open_waits():
    incidents = Incidents(CONTRACT)
    assert asked(incidents.step([finding("age")], context())) == RETRAIN
    assert asked(incidents.step([finding("income", DAY)], context(DAY))) == []
    assert asked(incidents.step([finding("savings", 2 * DAY)], context(2 * DAY))) == []
    incidents.step([cleared("income", 3 * DAY)], context(3 * DAY))
    assert asked(incidents.step([], context(7 * DAY - 1))) == []
    step = incidents.step([], context(7 * DAY))
    assert asked(step) == [("retrain_escalated", "drift")]
    assert events(step.feedback)[0]["data"]["feature"] == "savings"
    incidents.step([cleared("savings", 8 * DAY)], context(8 * DAY))
    step = incidents.step([cleared("age", 9 * DAY)], context(9 * DAY))
    assert asked(step) == [("retrain_closed", "drift")]
    assert asked(incidents.step([], context(20 * DAY))) == []


def test_an_old_model_asks_by_age():
    old = Contract(model="credit-risk", retrain=Retrain(max_age=90 * DAY))
    incidents = Incidents(old)
    assert asked(incidents.step([], context())) == []
    assert asked(incidents.step([], context(90 * DAY - 1))) == []
    by_age = [("retrain_requested", "age")]
    assert asked(incidents.step([], context(90 * DAY))) == by_age
    assert asked(incidents.step([], context(91 * DAY))) == []
    assert asked(incidents.step([], context(97 * DAY))) == [("retrain_escalated", "age")]


def test_what_the_contract_lacks_is_told_once():
    bare = Contract(model="credit-risk")
    incidents = Incidents(bare)
    (event,) = events(incidents.step([], context()).feedback)
    assert event["type"] == "driftline.feedback.contract_violated"
    assert event["subject"] == "credit-risk"
    assert event["data"]["violation"] == "no_contract"
    assert event["time"] == "2026-03-02T00:00:00Z"
    assert incidents.step([], context(5 * DAY)).feedback == []
    resumed = Incidents(bare)
    resumed.restore(incidents.snapshot())
    assert resumed.step([], context(6 * DAY)).feedback == []


def test_a_review_that_falls_overdue_is_told_then():
    import datetime as dt

    contract = Contract(model="m", review_by=dt.date(2026, 3, 4), stated=frozenset({"model"}))
    incidents = Incidents(contract)
    told = [e["data"]["violation"] for e in events(incidents.step([], context()).feedback)]
    later = [e["data"]["violation"] for e in events(incidents.step([], context(3 * DAY)).feedback)]
    assert len(told) > 1
    assert len(later) == 1
    assert "review" in later[0]


def test_a_broken_promise_violates_the_contract():
    incidents = Incidents(CONTRACT)
    silence = finding(None, kind="silence", detector="silence")
    step = incidents.step([silence], context())
    assert asked(step) == [("contract_violated", "sla.silence")]
    assert events(step.feedback)[0]["data"]["incident"] == incidents.open[0].id
