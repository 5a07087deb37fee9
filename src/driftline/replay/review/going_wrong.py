"""What happens when a model is wrong: how often, at what cost, who hears of it, what takes over."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from driftline.replay.durations import how_long
from driftline.replay.review.by_segment import quality_by_segment
from driftline.replay.review.evidence import Evidence, day

if TYPE_CHECKING:
    from driftline.replay.review.answers import Verdict
    from driftline.replay.review.facts import Facts

__all__ = ["going_wrong"]


def going_wrong(facts: Facts) -> tuple[Verdict, str, list[Evidence]]:
    """Answer it."""
    fallback, broken = facts.contract.fallback, facts.open("quality")
    evidence = [
        *_quality(facts),
        *quality_by_segment(facts),
        *_skew(facts),
        *_loops(facts),
        *_costs(facts),
        *_fallback(facts),
        *_drills(facts),
    ]
    evidence += [Evidence(f"Since {day(i.change_point)}: {i.text}", "alerts") for i in broken]
    if fallback is None:
        text = "Nothing takes over: the contract names no fallback."
        return ("bad" if broken else "nobody has said"), text, evidence
    stuck = _violations(facts)
    on = ", ".join(fallback.on)
    text = f"{fallback.to} takes over when there is trouble with {on}."
    if stuck:
        return "bad", f"{text} When it was asked for, serving did not switch.", evidence
    if broken:
        return "bad", f"{text} Its quality is below what is promised right now.", evidence
    if facts.contract.quality is None:
        return (
            "look at this",
            f"{text} No quality is promised: being wrong goes unnoticed.",
            evidence,
        )
    if facts.told("fallback_tested") is None and not facts.fed("fallback_verified"):
        return "look at this", f"{text} Nobody has tried whether it does.", evidence
    return "good", text, evidence


def _quality(facts: Facts) -> list[Evidence]:
    promise, windows = facts.contract.quality, facts.windows.get("quality", [])
    if promise is None:
        return [Evidence("No quality is promised, so none is measured.", "contract")]
    bound, side = (
        (promise.at_least, "at least")
        if promise.at_least is not None
        else (promise.at_most, "at most")
    )
    told = [Evidence(f"Promised: {promise.metric} of {side} {bound:g}.", "contract")]
    mature = [w for w in windows if w["mature"] and w["realised"].get(promise.metric) is not None]
    if not mature:
        return [*told, Evidence("No labels are mature yet.", "labels")]
    last = mature[-1]
    values = [w["realised"][promise.metric] for w in mature]
    span = ""
    if len(values) > 1:
        span = f"; between {min(values):.4g} and {max(values):.4g} over {len(values)} windows"
    told.append(
        Evidence(
            f"Measured: {promise.metric} {last['realised'][promise.metric]:.4g} on "
            f"{last['labelled']:,} labels of {day(last['start'])}{span}.",
            "labels",
        )
    )
    latest = windows[-1]
    estimate = latest["estimated"].get(promise.metric)
    if estimate is not None and latest is not last:
        told.append(
            Evidence(
                f"Estimated for {day(latest['start'])}, before its labels: "
                f"{estimate['value']:.4g} ± {estimate['sd']:.2g}.",
                "scores",
            )
        )
    return told


def _skew(facts: Facts) -> list[Evidence]:
    windows = facts.windows.get("skew", [])
    if not windows:
        return []
    pairs = sum(window["pairs"] for window in windows)
    found = facts.open("skew")
    text = f"{pairs:,} rows were compared with what training makes of them"
    if not found:
        return [Evidence(f"{text}: nothing is wrong with them now.", "features")]
    wrong = "; ".join(f"{i.feature} {i.text}" for i in found)
    return [Evidence(f"{text}: {wrong}.", "features")]


def _loops(facts: Facts) -> list[Evidence]:
    return [
        Evidence(f"{day(event['time'])}: {event['data']['text']}", "feedback")
        for event in facts.fed("loop_suspected")[-1:]
    ]


def _costs(facts: Facts) -> list[Evidence]:
    decision = facts.contract.decision
    if decision is None or not decision.costs:
        return [Evidence("Nobody has said what a wrong decision costs.", "contract")]
    names = {"fp": "acting wrongly", "fn": "wrongly leaving it", "tp": "acting", "tn": "leaving it"}
    told = ", ".join(f"{names.get(name, name)} {cost:g}" for name, cost in decision.costs.items())
    return [Evidence(f"A decision costs: {told}.", "contract")]


def _violations(facts: Facts) -> list[dict[str, Any]]:
    found = [
        event
        for code in ("fallback_not_switched", "fallback_unverified")
        for event in facts.fed("contract_violated", code)
    ]
    seen = facts.fed("fallback_verified")
    return [e for e in found if not seen or e["time"] > seen[-1]["time"]]


def _fallback(facts: Facts) -> list[Evidence]:
    tested = facts.told("fallback_tested")
    told = []
    if tested is not None:
        by = f" by {tested['by']}" if tested["by"] else ""
        told.append(Evidence(f"The fallback was tried on {day(tested['at'])}{by}.", "lifecycle"))
    engaged, released = facts.fed("fallback_engaged"), facts.fed("fallback_released")
    if engaged:
        times = f"{len(engaged)} time{'' if len(engaged) == 1 else 's'}"
        state = "released since" if len(released) >= len(engaged) else "still engaged"
        told.append(
            Evidence(
                f"It was engaged {times}, last on {day(engaged[-1]['time'])} "
                f"({engaged[-1]['data']['text']}); {state}.",
                "feedback",
            )
        )
    told += [
        Evidence(f"{day(e['time'])}: {e['data']['text']}.", "predictions")
        for e in facts.fed("fallback_verified")[-2:]
    ]
    told += [
        Evidence(f"{day(e['time'])}: {e['data']['text']}.", "predictions")
        for e in _violations(facts)[-2:]
    ]
    return told


def _drills(facts: Facts) -> list[Evidence]:
    if not facts.drills:
        return [Evidence("No drill has shown that its alarms ring.", "drills")]
    rang = [each for each in facts.drills if each.rang]
    text = f"{len(rang)} of {len(facts.drills)} drills rang"
    if rang:
        text += f", after {how_long(median(each.seconds for each in rang))} in the median"
    return [Evidence(f"{text}; the last one on {day(facts.drills[-1].planted_at)}.", "drills")]
