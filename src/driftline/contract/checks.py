"""Rules that no single key can break: what must agree inside a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from driftline.contract.kinds import FAULTY
from driftline.contract.names import LARGER_IS_BETTER, NOTICES, SHARES, SMALLER_IS_BETTER
from driftline.contract.nodes import child
from driftline.contract.quantities import format_duration
from driftline.contract.types import DAY, MINUTE, QUALITY_WINDOWS

if TYPE_CHECKING:
    from driftline.contract.blocks import Scope
    from driftline.contract.kinds import Schema

SOURCES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "warmup": ((), ("events",)),
    "file": (("path",), ()),
    "topic": (("topic",), ("start", "end")),
    "version": (("version",), ()),
}
"""Keys of ``reference`` by its source: those it must have, and those it may have."""
MOST_HOPS: Final = 1_000
"""Hopping windows that are open at once; each is kept and merged into."""


def reference_keys(scope: Scope) -> None:
    """Each source has its own keys, and a range ends after it starts."""
    if not scope.good("from"):
        return
    source = scope.values["from"]
    required, _ = SOURCES[source]
    for key in required:
        if key not in scope.nodes:
            scope.fault(key, f"a {key}, which from: {source} needs", "nothing")
    owners = {key: name for name, keys in SOURCES.items() for key in keys[0] + keys[1]}
    for key in scope.nodes:
        owner = owners.get(key, source)
        if owner != source:
            got = f"from: {source}" if "from" in scope.nodes else f"no from, which means {source}"
            scope.fault(key, f"from: {owner} beside {key}", got)
    if scope.good("start", "end"):
        start, end = scope.values["start"], scope.values["end"]
        if start is not None and end is not None and end <= start:
            scope.fault("end", "a time after start")


def reference_schema() -> Schema:
    """Say `reference_keys` in JSON Schema."""
    rules: list[Any] = []
    everything = [key for required, optional in SOURCES.values() for key in required + optional]
    for source, (required, optional) in SOURCES.items():
        others = {key: False for key in everything if key not in required + optional}
        named: Schema = {"properties": {"from": {"const": source}}}
        if source != "warmup":  # the default: it holds where `from` is absent, too
            named["required"] = ["from"]
        then: Schema = {"properties": others, **({"required": list(required)} if required else {})}
        rules.append({"if": named, "then": then})
    return {"allOf": rules}


def windows_fit(scope: Scope) -> None:
    """Windows are made of whole slots, and hops of whole windows."""
    if not scope.good("slot", "windows"):
        return
    slot = scope.values["slot"]
    items = scope.nodes.get("windows")
    if items is None:
        return  # the default follows the slot
    for i, window in enumerate(scope.values["windows"]):
        if window is FAULTY:
            continue
        length, hop = format_duration(window.length), format_duration(window.hop)
        path, node = child(child(scope.path, "windows"), i), items.value[i]
        of_slots = f"a multiple of the slot ({format_duration(slot)})"
        add = scope.findings.add
        if window.length % slot:
            add(_part(node, "length"), _place(node, path, "length"), of_slots, length)
        if window.hop != window.length and window.hop % slot:
            add(_part(node, "hop"), _place(node, path, "hop"), of_slots, hop)
        if window.length % window.hop:
            expected = f"a hop that divides the length ({length})"
            add(_part(node, "hop"), _place(node, path, "hop"), expected, hop)
        elif window.length // window.hop > MOST_HOPS:
            expected = f"at most {MOST_HOPS} hops in a length of {length}"
            got = str(window.length // window.hop)
            add(_part(node, "hop"), _place(node, path, "hop"), expected, got)


def _part(node: yaml.Node, key: str) -> yaml.Node:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), node)
    return node


def _place(node: yaml.Node, path: str, key: str) -> str:
    return child(path, key) if isinstance(node, yaml.MappingNode) else path


def silence_spans_a_slot(scope: Scope) -> None:
    """Silence shorter than a slot cannot be seen."""
    if not scope.good("slot", "sla"):
        return
    slot, silence = scope.values["slot"], scope.values["sla"].silence
    if silence is not None and silence < slot:
        expected = f"a slot of at most sla.silence ({format_duration(silence)})"
        scope.fault("slot", expected, format_duration(slot))


def detectors_once(scope: Scope) -> None:
    """Findings are told apart by their detector's name, so each may be there once."""
    if not scope.good("detectors") or "detectors" not in scope.nodes:
        return
    seen: dict[str, int] = {}
    plans = scope.values["detectors"]
    for i, plan in enumerate(plans):
        if plan is FAULTY:
            continue
        first = seen.setdefault(plan.name, i)
        if first != i and plan != plans[first]:
            path = child(child(scope.path, "detectors"), i)
            got = f"{plan.name} again (first at [{first}])"
            scope.findings.add(scope.nodes["detectors"].value[i], path, "each detector once", got)


def drill_ends(scope: Scope) -> None:
    """A drill is over before the next one begins."""
    if not scope.good("every", "within"):
        return
    every, within = scope.values["every"], scope.values["within"]
    if within > every:
        scope.fault("within", f"at most every ({format_duration(every)})", format_duration(within))


def drilled_features_are_there(scope: Scope) -> None:
    """A drill of a feature that nobody knows would never be held, and nobody would notice."""
    if not scope.good("features", "drill"):
        return
    features, drill = scope.values["features"], scope.values["drill"]
    if features is None or drill is None or drill.features is None:
        return
    known = {*features, "prediction", "score"}
    unknown = [n for n in drill.features if n not in known and not n.startswith("prediction.")]
    if unknown:
        path = child(child(scope.path, "drill"), "features")
        expected = f"names of features ({', '.join(sorted(known))})"
        scope.findings.add(scope.nodes["drill"], path, expected, ", ".join(unknown))


def tolerance_of_kind(scope: Scope) -> None:
    """Changes of a categorical feature are probabilities."""
    if not scope.good("type", "tolerance"):
        return
    kind, tolerance = scope.values["type"], scope.values["tolerance"]
    if kind in {"categorical", "boolean"} and tolerance is not None and tolerance > 1:
        scope.fault("tolerance", f"at most 1 for a {kind} feature (a change in probability)")


def quality_bounds(scope: Scope) -> None:
    """Promises of quality need a bound, on the side where the metric gets worse."""
    if not scope.good("metric", "at_least", "at_most"):
        return
    metric = scope.values["metric"]
    low, high = scope.values["at_least"], scope.values["at_most"]
    if metric in SMALLER_IS_BETTER and low is not None:
        scope.fault("at_least", f"at_most, because a smaller {metric} is better", "at_least")
    elif metric in LARGER_IS_BETTER and high is not None:
        scope.fault("at_most", f"at_least, because a larger {metric} is better", "at_most")
    elif low is None and high is None:
        bound = "at_most" if metric in SMALLER_IS_BETTER else "at_least"
        scope.fault(bound, "a bound: what is promised", "nothing")
    elif low is not None and high is not None and high < low:
        scope.fault("at_most", f"at least {low}, which at_least says")
    elif metric in SHARES:
        for key, bound in (("at_least", low), ("at_most", high)):
            if bound is not None and not 0 < bound < 1:
                scope.fault(key, "a number between 0 and 1")
    elif metric in SMALLER_IS_BETTER and high is not None and high <= 0:
        scope.fault("at_most", "a number above 0")


def quality_window_fits(scope: Scope) -> None:
    """Quality is told of whole slots, and of not too many windows at a time."""
    if not scope.good("slot", "quality"):
        return
    slot, quality = scope.values["slot"], scope.values["quality"]
    if quality is None or quality.window is None:
        return
    if quality.window % slot:
        path = child(child(scope.path, "quality"), "window")
        expected = f"a multiple of the slot ({format_duration(slot)})"
        scope.findings.add(scope.nodes["quality"], path, expected, format_duration(quality.window))
    if quality.label_horizon > QUALITY_WINDOWS * quality.window:
        path = child(child(scope.path, "quality"), "window")
        least = format_duration(-(-quality.label_horizon // QUALITY_WINDOWS))
        expected = f"at least {least}, a {QUALITY_WINDOWS}th of label_horizon"
        scope.findings.add(scope.nodes["quality"], path, expected, format_duration(quality.window))


def severity_keeps_the_budget(scope: Scope) -> None:
    """A notice that the budget of pages does not count cannot be made a page."""
    if not scope.good("severity"):
        return
    for kind, severity in scope.values["severity"].items():
        if kind in NOTICES and severity == "page":
            path = child(child(scope.path, "severity"), kind)
            expected = "notice (its pages are pages; its notices are not in budget.false_pages)"
            scope.findings.add(scope.nodes["severity"], path, expected, "page")


def flapping_in_range(scope: Scope) -> None:
    """A few returns within hours or days, so that they can be remembered."""
    if not scope.good("flapping"):
        return
    rate = scope.values["flapping"]
    if not 2 <= rate.count <= 100 or rate.count != int(rate.count):
        scope.fault("flapping", "a whole number of returns from 2 to 100", f"{rate.count:g}")
    elif not MINUTE <= rate.per <= 7 * DAY:
        scope.fault("flapping", "a time from 1m to 7d", format_duration(rate.per))


def maintenance_ends(scope: Scope) -> None:
    """A window ends: once at a time, or each time after so long."""
    if not scope.good("since", "until", "every", "lasts"):
        return
    since, until, every, lasts = (scope.values[k] for k in ("since", "until", "every", "lasts"))
    if until is not None and until <= since:
        scope.fault("until", "a time after since")
    if every is None and lasts is not None:
        scope.fault("every", "how often, which lasts needs", "nothing")
    elif every is None and until is None:
        scope.fault("until", "an end, or every and lasts", "nothing")
    elif every is not None and lasts is None:
        scope.fault("lasts", "how long each one lasts, which every needs", "nothing")
    elif every is not None and lasts is not None and lasts >= every:
        scope.fault("lasts", f"less than every ({format_duration(every)})")


def skew_in_range(scope: Scope) -> None:
    """What is put up with can be betted against, and is less than what pages."""
    if not scope.good("tolerance", "allowed", "page_from"):
        return
    tolerance, allowed = scope.values["tolerance"], scope.values["allowed"]
    if not 1e-12 <= tolerance < 1:
        scope.fault("tolerance", "a number from 1e-12 to below 1")
    if not 1e-6 <= allowed <= 0.25:
        scope.fault("allowed", "a share from 0.0001% to 25%")
    elif scope.values["page_from"] < allowed:
        scope.fault("page_from", f"at least {allowed:g}, which allowed says")


def quality_schema() -> Schema:
    """Say which bounds `quality_bounds` asks for in JSON Schema."""

    def metric(names: tuple[str, ...]) -> Schema:
        return {"properties": {"metric": {"enum": list(names)}}, "required": ["metric"]}

    return {
        "anyOf": [{"required": ["at_least"]}, {"required": ["at_most"]}],
        "allOf": [
            {"if": metric(LARGER_IS_BETTER), "then": {"properties": {"at_most": False}}},
            {"if": metric(SMALLER_IS_BETTER), "then": {"properties": {"at_least": False}}},
        ],
    }
