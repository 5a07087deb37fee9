"""Seeded traffic as producers really send it: in envelopes, twice, late, disordered and broken."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import orjson

from driftline.simulate import Scenario, parse_fault, traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PARTITIONS = 3
TOPIC_OF = {
    "prediction": "predictions",
    "label": "labels",
    "decision": "decisions",
    "outcome": "outcomes",
}
SECOND = 1_000_000
MODELS = ("credit-risk", "demand-forecast", "recommender")
HOLD_S = {"disordered": (1, 4), "late": (40, 120)}


class Message(NamedTuple):
    """A Kafka message to be; ``events`` is how many elements have to be accounted for."""

    topic: str
    partition: int
    timestamp: int
    value: bytes | None
    events: int = 1
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True)
class Recording:
    """Messages in the order of sending, and what was done to them."""

    messages: list[Message]
    done: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        return sum(message.events for message in self.messages)


CONTRACTS = {
    # A reference from a file, segments, windows of two kinds, a silence that is allowed.
    "credit-risk": """
model: credit-risk
owner: {team: risk-ml, contact: "#risk-ml"}
slot: 10s
lateness: 5s
sample: 64
windows: [1m, {length: 5m, hop: 1m}]
reference: {from: file, path: credit-risk.jsonl}
detectors: [evidence, adwin]
deadletters: {share: 20%}
quality: {metric: auc, at_least: 0.6, label_horizon: 3m, window: 1m, positive: default}
decision: {act_when: "score >= 0.6", action: reject, within: 1m, baseline: {arm: holdout}}
skew: {}
""",
    # A reference from the first events, and a silence that is not.
    "demand-forecast": """
model: demand-forecast
slot: 5s
lateness: 10s
windows: [2m]
reference: {from: warmup, events: 1500}
detectors: [evidence, page_hinkley]
deadletters: {share: 20%}
sla: {silence: 1m}
quality: {metric: mae, at_most: 1, label_horizon: 2m, window: 2m}
ledger: {share: 50%}
""",
    # The recommender has none: it is watched with defaults, after 5000 events.
}


def write_contracts(folder: Path) -> list[Path]:
    """Write the contracts, and the reference file that one of them names."""
    blocks = Scenario((traffic("credit-risk"),), rate=20.0, duration=200 * SECOND, seed=99).blocks()
    heads = [b'{"type":"prediction",', *(_in_channel(c) for c in (b"web", b"app"))]
    # Two rows of five have a segment, as many as in the traffic: enough of each to watch it.
    values = (value for block in blocks for value in block.values)
    lines = [heads[row % 5 % 3] + value[1:] for row, value in enumerate(values)]
    (folder / "credit-risk.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    paths = []
    for model, text in CONTRACTS.items():
        paths.append(folder / f"{model}.yaml")
        paths[-1].write_text(text)
    return paths


@cache
def recorded(minutes: int = 12, rate: float = 12.0, seed: int = 1) -> Recording:
    """Make traffic of three models with a planted drift and a planted silence, and spoil it.

    Predictions and labels of all models, features of one; of credit-risk also what was decided,
    what came of it, and what training makes of some rows. At half-time `age` moves by 2 sd, and for
    three minutes demand-forecast says nothing.
    """
    half = minutes // 2
    scenario = Scenario(
        models=tuple(traffic(name) for name in MODELS),
        faults=(
            parse_fault(f"mean:credit-risk:age:+2sd@{half}m"),
            parse_fault(f"silence:demand-forecast@{half}m..{half + 3}m"),
        ),
        rate=rate,
        duration=minutes * 60 * SECOND,
        seed=seed,
        following=frozenset({"label", "decision", "outcome"}),
        label_delay=20 * SECOND,
    )
    events = [
        (kind, key, ts, value)
        for block in scenario.blocks()
        for kind, key, ts, value in zip(
            block.types, block.keys, block.ts.tolist(), block.values, strict=True
        )
        if kind in {"prediction", "label"} or b'"credit-risk"' in value
    ]
    return _spoil(events, random.Random(seed))


def _spoil(events: Iterable[tuple[str, bytes, int, bytes]], chance: random.Random) -> Recording:
    done: Counter[str] = Counter()
    timed: list[tuple[int, int, Message]] = []
    pack: dict[tuple[str, int], list[bytes]] = {}

    def send(when: int, message: Message) -> None:
        timed.append((when, len(timed), message))

    for kind, key, ts, value in events:
        place = TOPIC_OF[kind], crc32(key) % PARTITIONS
        when, stamp = ts, ts // 1_000
        for fate, share in (("disordered", 0.08), ("late", 0.01)):
            if chance.random() < share:
                done[fate] += 1
                when += int(chance.uniform(*HOLD_S[fate]) * SECOND)
        shown = _dressed(value, kind, chance, done)
        if chance.random() < 0.006:
            done["broken"] += 1
            send(when, Message(*place, stamp, _broken(shown, chance)))
            continue
        if kind == "prediction" and b'"recommender"' in value and chance.random() < 0.5:
            done["features"] += 1
            send(when, Message("features", place[1], stamp, _features_of(value, chance)))
        if kind == "prediction" and b'"credit-risk"' in value and chance.random() < 0.2:
            done["recomputed"] += 1
            later = ts + chance.choice([-2, 15, 30]) * SECOND
            row = _recomputed(value, later, chance)
            send(later, Message("features", place[1], later // 1_000, row))
        held = pack.setdefault(place, [])
        if held or chance.random() < 0.05:
            held.append(shown)
            if len(held) == 4:
                if chance.random() < 0.2:
                    done["broken in an array"] += 1
                    held[chance.randrange(4)] = b'{"model":17}'
                done["envelopes"] += 1
                send(when, Message(*place, stamp, b"[" + b",".join(held) + b"]", 4))
                held.clear()
            continue
        message = Message(*place, stamp, shown)
        send(when, message)
        if chance.random() < 0.01:
            done["twice"] += 1
            send(when + chance.choice([0, SECOND // 10]), message)
    for place, held in pack.items():
        if held:
            last = max(when for when, _, _ in timed)
            value = b"[" + b",".join(held) + b"]"
            send(last, Message(*place, last // 1_000, value, len(held)))
    timed.sort()
    return Recording([message for _, _, message in timed], done)


def _in_channel(channel: bytes) -> bytes:
    return b'{"type":"prediction","segment":{"channel":"%b"},' % channel


def _dressed(value: bytes, kind: str, chance: random.Random, done: Counter[str]) -> bytes:
    """Give an event a segment, a value of another type, a field or a feature nobody knows."""
    if kind != "prediction":
        return value
    if b'"credit-risk"' in value and chance.random() < 0.4:
        value = b'{"segment":{"channel":"%b"},' % chance.choice([b"web", b"app"]) + value[1:]
    if chance.random() < 0.01:
        done["typed wrong"] += 1
        body = orjson.loads(value)
        name = chance.choice([n for n, v in body["features"].items() if v is not None])
        old = body["features"][name]
        body["features"][name] = 17.5 if isinstance(old, str) else "n/a"
        value = orjson.dumps(body)
    if chance.random() < 0.01:
        done["unknown field"] += 1
        value = b'{"surprise":1,' + value[1:]
    if chance.random() < 0.01:
        done["new feature"] += 1
        value = value.replace(b'"features":{', b'"features":{"fresh":1.5,', 1)
    return value


def _broken(value: bytes, chance: random.Random) -> bytes | None:
    return chance.choice(
        [
            value[:-20],
            value.replace(b'"model"', b'"modal"', 1),
            value.replace(b'"ts":', b'"ts":17,"was":', 1),
            value.replace(b'"prediction_id"', b'"id"', 1),
            value.replace(b"a", b"\xff", 1),
            b"",
            None,
        ]
    )


def _recomputed(value: bytes, ts: int, chance: random.Random) -> bytes:
    """What training makes of a row; of some it makes another one."""
    body = orjson.loads(value)
    features = dict(body["features"])
    if chance.random() < 0.02 and features.get("income") is not None:
        features["income"] /= 1000
    told = {"model": body["model"], "prediction_id": body["prediction_id"], "features": features}
    return orjson.dumps({**told, "ts": ts / SECOND, "source": "training"})


def _features_of(value: bytes, chance: random.Random) -> bytes:
    body = orjson.loads(value)
    told = {name: body[name] for name in ("model", "ts", "prediction_id", "features")}
    if chance.random() < 0.2:
        told["source"] = "training"
    return orjson.dumps(told)
