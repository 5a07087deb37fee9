"""What a model is like segment by segment, as small tables: what is worst comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftline.ledger.segments import name_of
from driftline.replay.parts import latest_measured, segment_of, worst_first
from driftline.replay.review.evidence import Evidence, amount, day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from driftline.replay.review.facts import Facts

__all__ = ["decisions_by_segment", "quality_by_segment", "uplift_by_segment"]


def quality_by_segment(facts: Facts) -> list[Evidence]:
    """Return quality by segment, of the last window whose labels are mature."""
    last = latest_measured(facts.windows.get("quality", []))
    parts = [] if last is None else facts.beside("quality", last)
    if last is None or not parts:
        return []
    metric = last["metric"]
    rows = [
        (name, _figure(part["realised"].get(metric)), f"{part['labelled']:,}", _estimate(part))
        for name, part in worst_first(parts)
    ]
    text = f"{metric} by segment on {day(last['start'])}, what loses most first:"
    return [Evidence(text, "labels", (("segment", metric, "labels", "estimated"), *rows))]


def decisions_by_segment(facts: Facts, recent: int) -> list[Evidence]:
    """Return what was done by segment, added up over the latest judged windows."""
    windows = [w for w in facts.windows.get("decisions", []) if w["judged"]][-recent:]
    summed: dict[str, dict[str, int]] = {}
    for window in windows:
        for part in facts.beside("decisions", window):
            held = summed.setdefault(name_of(segment_of(part)), {})
            for name, count in part["counts"].items():
                held[name] = held.get(name, 0) + count
    if not summed:
        return []

    def missed(counts: dict[str, int]) -> float:
        """Return the share of predictions that were not followed: overridden, or ignored."""
        ignored = counts["due"] - counts["due_decided"]
        whole = counts["followed"] + counts["overridden"] + ignored
        return (counts["overridden"] + ignored) / whole if whole > 0 else 0.0

    order = sorted(summed, key=lambda name: (-missed(summed[name]), name))
    rows = [(name, *_rates(summed[name])) for name in order]
    head = ("segment", "predictions", "decisions", "overridden", "ignored", "late")
    text = "What was done by segment, where it was followed least first:"
    return [Evidence(text, "decisions", (head, *rows))]


def uplift_by_segment(facts: Facts) -> list[Evidence]:
    """Return the verdict on what acting is worth in each segment, as last told."""
    found = [windows[-1] for windows in facts.parts.get("uplift", {}).values()]
    if not found:
        return []
    order = sorted(found, key=_worth)
    rows = [
        (
            name_of(segment_of(each)),
            each["answer"],
            *(_figure(each[name], amount) for name in ("effect", "low", "high")),
            f"{each['rows']:,}",
        )
        for each in order
    ]
    text = "What acting brings per decision by segment, the least first:"
    head = ("segment", "better", "effect", "at least", "at most", "decisions")
    return [Evidence(text, "outcomes", (head, *rows))]


def _worth(told: dict[str, Any]) -> tuple[bool, float, str]:
    effect = told["effect"]
    return effect is None, effect or 0.0, name_of(segment_of(told))


def _rates(counts: dict[str, int]) -> Sequence[str]:
    known = counts["followed"] + counts["overridden"]
    ignored = counts["due"] - counts["due_decided"]
    return (
        f"{counts['made']:,}",
        f"{counts['decided']:,}",
        _share(counts["overridden"], known),
        _share(ignored, counts["due"]),
        _share(counts["late"], counts["decided"]),
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3g} %" if whole > 0 else "–"


def _estimate(part: dict[str, Any]) -> str:
    told = part["estimated"].get(part["metric"])
    return "–" if told is None else f"{told['value']:.4g} ± {told['sd']:.2g}"


def _figure(value: float | None, write: Callable[[float], str] = "{:.4g}".format) -> str:
    return "–" if value is None else write(value)
