"""What decisions a model changes, and whether they beat what was done before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.events.time import read_ts
from driftline.replay.durations import how_long
from driftline.replay.review.by_segment import decisions_by_segment, uplift_by_segment
from driftline.replay.review.evidence import Evidence, day, share

if TYPE_CHECKING:
    from driftline.replay.review.answers import Verdict
    from driftline.replay.review.facts import Facts

__all__ = ["acting", "counts_of"]

RECENT = 30
"""Windows of decisions that are added up, the latest."""


def acting(facts: Facts) -> tuple[Verdict, str, list[Evidence]]:
    """Answer it."""
    decision = facts.contract.decision
    if decision is None or (decision.action is None and decision.act_when is None):
        return "nobody has said", "Nobody has said what its predictions change.", _outcomes(facts)
    when = f" when {decision.act_when}" if decision.act_when else ""
    within = f", within {how_long(decision.within / 1e6)}" if decision.within else ""
    text = f"It asks to {decision.action or 'act'}{when}{within}."
    evidence = [*_practice(facts), *_outcomes(facts), *_threshold(facts)]
    trouble = facts.open("decision")
    evidence += [Evidence(f"Since {day(i.change_point)}: {i.text}", "alerts") for i in trouble]
    counts = counts_of(facts)
    if counts is None or not counts["decided"]:
        text += " No decision has been reported, so nobody knows whether anyone acts on it."
        return "nobody has said", text, evidence
    uplift = facts.last("uplift")
    if uplift is None:
        text += (
            " People act on it, but no outcome has been reported: whether that beats what was "
            "done before cannot be known."
        )
        return "nobody has said", text, evidence
    answers = {
        "better": "Acting on it beats what was done before.",
        "worse": "Acting on it is worse than what was done before.",
        "cannot tell yet": "Whether that beats what was done before cannot be told yet.",
    }
    unknown = "Whether that beats what was done before cannot be known from these data."
    text += f" {answers.get(uplift['answer'], unknown)}"
    if uplift["answer"] == "worse" or any(i.severity == "page" for i in trouble):
        return "bad", text, evidence
    if uplift["answer"] == "better":
        return ("look at this" if trouble else "good"), text, evidence
    return "cannot be told yet", text, evidence


def counts_of(facts: Facts) -> dict[str, Any] | None:
    """Return what was done in the latest judged windows, added up; None where nothing is known."""
    windows = [w for w in facts.windows.get("decisions", []) if w["judged"]][-RECENT:]
    if not windows:
        windows = facts.windows.get("decisions", [])[-1:]
    if not windows:
        return None
    names = windows[-1]["counts"]
    summed: dict[str, Any] = {name: sum(w["counts"][name] for w in windows) for name in names}
    seconds = read_ts(windows[-1]["end"]) - read_ts(windows[0]["start"])
    summed["days"] = seconds / 86_400e6
    actors: dict[str, list[int]] = {}
    for window in windows:
        for each in window["actors"]:
            held = actors.setdefault(each["actor"] or "nobody named", [0, 0])
            held[0] += each["decided"]
            held[1] += bool(each["automatic"])
    summed["actors"] = actors
    return summed


def _practice(facts: Facts) -> list[Evidence]:
    windows = [w for w in facts.windows.get("decisions", []) if w["judged"]]
    if not windows:
        return []
    last, summed = windows[-1], counts_of(facts)
    assert summed is not None
    rates = last["rates"]
    told = [
        Evidence(
            f"{summed['made']:,} predictions and {summed['decided']:,} decisions in "
            f"{how_long(summed['days'] * 86_400)}.",
            "decisions",
        )
    ]
    words = (
        ("followed", "of decisions did as it recommends"),
        ("overridden", "of decisions did otherwise"),
        ("ignored", "of predictions that ask for a decision got none"),
        ("late", "of decisions came too late"),
    )
    parts = [f"{share(rates[name])} {text}" for name, text in words if rates.get(name)]
    if parts:
        told.append(Evidence(f"On {day(last['start'])}: {'; '.join(parts)}.", "decisions"))
    return told + decisions_by_segment(facts, RECENT)


def _outcomes(facts: Facts) -> list[Evidence]:
    uplift = facts.last("uplift")
    if uplift is None:
        return []
    return [Evidence(f"{uplift['text']}", "outcomes"), *uplift_by_segment(facts)]


def _threshold(facts: Facts) -> list[Evidence]:
    told = facts.told("threshold_reviewed")
    out = []
    if told is not None:
        by = f" by {told['by']}" if told["by"] else ""
        out.append(Evidence(f"Its threshold was reviewed on {day(told['at'])}{by}.", "lifecycle"))
    return out + [
        Evidence(f"{day(event['time'])}: {event['data']['text']}", "feedback")
        for event in facts.fed("threshold_review_due")[-1:]
    ]
