"""join: the same sums however the ledger was read, and again after whatever went wrong."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from driftline.contract import Book, parse
from driftline.events import InputSpec, Record, Source
from driftline.ledger.cell import Cell
from driftline.ledger.exact import UNIT_BITS
from driftline.ledger.metrics import evaluate
from driftline.ledger.store import Store
from driftline.ledger.task import Task
from driftline.pipeline.checkpoint import Checkpoint
from driftline.pipeline.join import Join
from driftline.pipeline.joined import decode_joined
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import References

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from driftline.pipeline.join import Joining

CONTRACT = parse(
    "{model: m, slot: 10s, lateness: 20s,"
    " quality: {metric: auc, at_least: 0.6, label_horizon: 10m, window: 1m},"
    ' decision: {act_when: "score >= 0.5", action: go, within: 1m,'
    " baseline: {arm: holdout, share: 20%}},"
    " skew: {}}",
    "m.yaml",
)
BOOK = Book((CONTRACT,))
TASK = Task.of(CONTRACT)
SPAN = 60_000_000
START = 1_795_464_000
PREDICTIONS, LABELS = Source("predictions", 0), Source("labels", 0)
DECISIONS, OUTCOMES, FEATURES = (Source(name, 0) for name in ("decisions", "outcomes", "features"))
TYPES = {
    PREDICTIONS: "prediction",
    LABELS: "label",
    DECISIONS: "decision",
    OUTCOMES: "outcome",
    FEATURES: "features",
}
LEDGER = Source("ledger", 0)


def events(seed: int, count: int = 400) -> dict[Source, list[Record]]:
    """Predictions and what belongs to them: late, doubled, corrected, early, or nobody's."""
    rng = random.Random(seed)
    later: dict[Source, list[tuple[float, dict[str, Any]]]] = {
        DECISIONS: [], OUTCOMES: [], FEATURES: []
    }  # fmt: skip
    made: list[tuple[float, dict[str, Any]]] = []
    told: list[tuple[float, dict[str, Any]]] = []
    for number in range(count):
        at = START + number * 0.5
        score = round(rng.random(), 3)
        name = f"p{number}"
        body = {"model": "m", "prediction_id": name, "ts": at, "score": score}
        body |= {"arm": "holdout" if rng.random() < 0.2 else "model", "entity_id": f"e{number % 7}"}
        features = {"age": number % 40, "tone": rng.choice("abc"), "odd": None}
        made.append((at, body | {"prediction": "1" if score > 0.5 else "0", "features": features}))
        for source, told_of in _later(rng, number, features).items():
            for wait, said in told_of:
                when = at + wait
                about = {"model": "m", "prediction_id": name, "ts": when}
                later[source].append((when, about | said))
        if rng.random() < 0.05:
            made.append((at + 3, body | {"prediction": "0", "features": features}))
        if rng.random() < 0.8:
            when = at + rng.choice([1.0, 30.0, 90.0, 900.0, -5.0])
            label = int(rng.random() < score)
            told.append((when, {"model": "m", "prediction_id": name, "ts": when, "label": label}))
            if rng.random() < 0.2:
                again = when + rng.choice([0.0, 20.0])
                changed = {"label": rng.choice([0, 1]), "ts": again}
                told.append((again, told[-1][1] | changed))
    told.append((START + 60, {"model": "m", "prediction_id": "x", "ts": START + 60, "label": 1}))
    return {
        source: [
            Record(offset, None, json.dumps(body).encode())
            for offset, (_, body) in enumerate(sorted(rows, key=lambda row: row[0]))
        ]
        for source, rows in {PREDICTIONS: made, LABELS: told, **later}.items()
    }


def _later(
    rng: random.Random, number: int, features: dict[str, Any]
) -> dict[Source, list[tuple[float, dict[str, Any]]]]:
    """What is decided of a prediction, what comes of that, and what training makes of its row."""
    found: dict[Source, list[tuple[float, dict[str, Any]]]] = {
        DECISIONS: [], OUTCOMES: [], FEATURES: []
    }  # fmt: skip
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        actor, action = rng.choice(["ada", "bob", None]), rng.choice(["go", "go", "stop"])
        said = {"action": action} | ({} if actor is None else {"actor": actor})
        found[DECISIONS].append((rng.choice([2.0, 30.0, 90.0, -3.0]), said))
    for _ in range(rng.choice([0, 1, 1, 2])):
        said = {"value": rng.choice([0, 1, 2.5]), "kind": rng.choice(["margin", "returns"])}
        found[OUTCOMES].append((rng.choice([40.0, 200.0, 900.0]), said))
    if rng.random() < 0.7:
        wrong = features | ({"age": number} if rng.random() < 0.1 else {})
        said = {"features": wrong, "source": "training"}
        found[FEATURES].append((rng.choice([10.0, 120.0, -4.0]), said))
    return found


def observed(read: dict[Source, list[Record]], seed: int, *, again: bool = False) -> list[bytes]:
    """What observe writes to the ledger, the inputs interleaved and cut at random."""
    rng = random.Random(seed)
    observes = {
        source: Observe(source, InputSpec(source.topic, kind), BOOK, References())
        for source, kind in TYPES.items()
    }
    left = {source: list(records) for source, records in read.items()}
    out: list[bytes] = []
    while any(left.values()):
        source = rng.choice([source for source, records in left.items() if records])
        cut = rng.randint(1, 60)
        batch, left[source] = left[source][:cut], left[source][cut:]
        emission = observes[source].on_batch(batch)
        values = [value for _, value in emission.ledger]
        # An observe that died before it could commit sends the same once more.
        out += values * (2 if again and rng.random() < 0.3 else 1)
        out += [emission.mark] if emission.mark else []
    for observe in observes.values():
        emission = observe.finish()
        out += [value for _, value in emission.ledger] + [emission.mark or b""]
    return out


def new(folder: Path, start: Checkpoint | None = None) -> Join:
    return Join(LEDGER, list(TYPES), BOOK, Store(folder, 10**15), start)


def records(messages: Sequence[bytes], first: int = 0) -> list[Record]:
    return [Record(at, None, value) for at, value in enumerate(messages) if at >= first]


def summed(joinings: Sequence[Joining]) -> dict[tuple[int, int], Any]:
    """By slot of arrival and window; a slot that is sent again must be the same."""
    found: dict[tuple[int, int], Any] = {}
    for joining in joinings:
        for _, value in joining.cells:
            joined = decode_joined(json.loads(value), TASK, SPAN)
            assert joined is not None
            for window, cell in joined.cells.items():
                assert (joined.start, window) not in found
                found[joined.start, window] = cell.to_values()
    return found


def whole(cells: dict[tuple[int, int], Any]) -> Cell:
    out = Cell.empty(TASK)
    for values in cells.values():
        out.merge(Cell.from_values(TASK, values))
    return out


@pytest.mark.parametrize("seed", range(3))
def test_the_order_and_the_cut_of_what_is_read_make_no_difference(
    seed: int, tmp_path: Path
) -> None:
    read = events(seed)
    found = []
    for way in range(3):
        join = new(tmp_path / str(way))
        messages = records(observed(read, way, again=way == 2))
        rng, joinings = random.Random(way), []
        while messages:
            cut = rng.randint(1, 30)
            joinings.append(join.on_batch(messages[:cut]))
            messages = messages[cut:]
        found.append(summed(joinings))
        join.close()
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 20


def test_sums_are_those_of_a_plain_join(tmp_path: Path) -> None:
    read = events(7, 1_500)
    join = new(tmp_path)
    cells = whole(summed([join.on_batch(records(observed(read, 1)))]))
    made: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    bodies = [json.loads(record.value or b"") for record in read[PREDICTIONS]]
    for body in sorted(bodies, key=lambda body: body["ts"], reverse=True):
        made[body["prediction_id"]] = body
    orphans = 0
    for record in read[LABELS]:
        body = json.loads(record.value or b"")
        if body["prediction_id"] not in made:
            orphans += 1
        elif body["ts"] <= made[body["prediction_id"]]["ts"] + 600:
            held = labels.get(body["prediction_id"])
            if held is None or (held["ts"], held["label"]) <= (body["ts"], body["label"]):
                labels[body["prediction_id"]] = body
    pairs = [(made[name], body["label"]) for name, body in sorted(labels.items())]
    truth = [label for _, label in pairs]
    values = evaluate(cells.card, ["accuracy", "auc"])
    assert cells.card.rows == len(pairs)
    assert values["accuracy"] == pytest.approx(
        accuracy_score(truth, [int(body["prediction"]) for body, _ in pairs]), abs=1e-12
    )
    assert values["auc"] == pytest.approx(
        roc_auc_score(truth, [body["score"] for body, _ in pairs]), abs=1e-6
    )
    assert cells.counts["predicted"] == len(made)
    assert cells.counts["labelled"] == len(pairs)
    assert cells.counts["waiting"] == orphans == 1
    accounted = sum(cells.counts.get(n, 0) for n in ("labelled", "again", "too late", "waiting"))
    _holds_decisions(cells, read, made)
    corrected = len(read[LABELS]) - accounted
    assert corrected >= 0
    assert cells.counts["repeated"] + len(made) == len(read[PREDICTIONS])


def _holds_decisions(
    cells: Cell, read: dict[Source, list[Record]], made: dict[str, dict[str, Any]]
) -> None:
    """Hold what was decided, what came of it and compared rows to a plain join."""
    last: dict[str, dict[str, Any]] = {}
    values: dict[tuple[str, str], dict[str, Any]] = {}
    trained: dict[str, dict[str, Any]] = {}
    for source in (DECISIONS, OUTCOMES, FEATURES):
        bodies = [json.loads(record.value or b"") for record in read[source]]
        # Of two at the same moment the one that says more, in order of the alphabet or in size.
        for body in sorted(bodies, key=lambda b: (b["ts"], b.get("action"), b.get("value"))):
            name = body["prediction_id"]
            if body["ts"] > made[name]["ts"] + 600:
                continue
            if source == DECISIONS:
                last[name] = body
            elif source == OUTCOMES:
                values[name, body["kind"]] = body
            else:
                trained[name] = body["features"]
    acts = cells.acts
    assert acts.total("made") == len(made)
    assert acts.total("decided") == len(last)
    assert acts.total("held") == sum(body["arm"] == "holdout" for body in made.values())
    wanted = {name: made[name]["score"] >= 0.5 for name in last if made[name]["arm"] == "model"}
    followed = sum((last[name]["action"] == "go") == asked for name, asked in wanted.items())
    assert acts.total("followed") == followed
    assert acts.total("overridden") == len(wanted) - followed
    tried = {name for name, _ in values}
    total = sum(body["value"] for body in values.values())
    assert cells.trials.rows == len(tried)
    assert sum(arm.rows for arm in cells.trials.plain) == len(tried)
    assert sum(arm.y for arm in cells.trials.plain) / 2**UNIT_BITS == pytest.approx(total)
    assert cells.skew.rows == len(trained)
    ages = [(made[name]["features"]["age"], row["age"]) for name, row in trained.items()]
    assert cells.skew.tallies["age"].mismatched == sum(a != b for a, b in ages)
    assert cells.skew.tallies["tone"].mismatched == 0


@pytest.mark.parametrize("loss", ["nothing", "what is held", "the last writes", "the whole store"])
@pytest.mark.parametrize("seed", range(2))
def test_a_restart_goes_on_as_if_nothing_had_been(
    loss: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Either entries are written many times over, or some that are held were committed long ago.
    monkeypatch.setattr("driftline.ledger.entries.MOST_HELD", (25, 200)[seed])
    messages = observed(events(seed), seed)
    undisturbed = new(tmp_path / "undisturbed")
    wanted = summed([undisturbed.on_batch(records(messages))])
    rng = random.Random(seed)
    folder, before = tmp_path / "store", tmp_path / "before"
    join, joinings, at = new(folder), [], 0
    old = new(before)
    start = Checkpoint(0)
    while at < len(messages):
        end = min(len(messages), at + rng.randint(1, 40))
        joinings.append(join.on_batch(records(messages[:end], at)))
        if rng.random() < 0.5:
            start = join.checkpoint()
        at = end
        if rng.random() < 0.3:
            # Killed: what was done since the last commit is read again.
            if loss == "what is held":
                join._entries._store.close()
            else:
                join.close()
            if loss == "the whole store":
                folder = tmp_path / f"new{at}"
            elif loss == "the last writes":
                folder, before = before, tmp_path / f"before{at}"
                old.close()
                old = new(before)
            join = new(folder, start)
            if join.stored < start.offset:
                join.rebuild(records(messages[: start.offset], join.stored))
            at = start.offset
            # Sent twice, a slot is merged once; what differs must not.
            joinings.append(join.on_batch([]))
    found: dict[tuple[int, int], Any] = {}
    for joining in joinings:
        for _, value in joining.cells:
            joined = decode_joined(json.loads(value), TASK, SPAN)
            assert joined is not None
            for window, cell in joined.cells.items():
                values = cell.to_values()
                assert found.setdefault((joined.start, window), values) == values
    assert found == wanted
