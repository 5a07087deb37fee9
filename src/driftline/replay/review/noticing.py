"""Who would notice if a model were switched off today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftline.replay.durations import how_long
from driftline.replay.review.acting import counts_of
from driftline.replay.review.evidence import Evidence, amount

if TYPE_CHECKING:
    from driftline.replay.review.answers import Verdict
    from driftline.replay.review.facts import Facts

__all__ = ["noticing"]

MOST_NAMED = 5


def noticing(facts: Facts) -> tuple[Verdict, str, list[Evidence]]:
    """Answer it."""
    evidence = _traffic(facts)
    summed, uplift = counts_of(facts), facts.last("uplift")
    if facts.readers is not None and not facts.readers:
        evidence.append(Evidence("Nobody reads its alerts.", "consumer groups"))
    silence = facts.contract.sla.silence
    told = "an hour or longer than is usual" if silence is None else how_long(silence / 1e6)
    evidence.append(Evidence(f"driftline pages when nothing comes for {told}.", "contract"))
    if summed is None or not summed["decided"]:
        text = "As far as anybody has said, nobody: no decision about its predictions is reported."
        return "nobody has said", text, evidence
    names = sorted(summed["actors"], key=lambda name: -summed["actors"][name][0])
    shown = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    a_day = summed["decided"] / max(summed["days"], 1e-9)
    evidence.insert(
        0,
        Evidence(
            f"{amount(a_day)} decisions a day; {summed['followed']:,} did as it recommends and "
            f"{summed['overridden']:,} otherwise.",
            "decisions",
        ),
    )
    text = f"Whoever decides with it: {shown}{more}."
    period = None if uplift is None else uplift["per_period"]
    if uplift is None or uplift["answer"] != "better" or period is None:
        text += " Nobody has shown that anything would be lost."
        return "look at this", text, evidence
    evidence.append(Evidence(uplift["text"], "outcomes"))
    span = how_long(uplift["period_s"])
    return "good", f"{text} About {amount(period[0])} would be lost in {span}.", evidence


def _traffic(facts: Facts) -> list[Evidence]:
    if not facts.predictions:
        return []
    span = facts.predictions[-1][1] - facts.predictions[0][0]
    made = sum(count for _, _, count in facts.predictions)
    text = f"{made:,} predictions in the last {how_long(span / 1e6)}"
    history = facts.last("lifecycle")
    deprecated = facts.contract.deprecate_after
    if deprecated is not None:
        text += f"; it is to be out of use after {deprecated}"
    elif history is not None and "deprecated" in history["last"]:
        text += f"; it was called deprecated on {history['last']['deprecated']['at'][:10]}"
    return [Evidence(f"{text}.", "predictions")]
