"""How the models stand, as metrics: a bounded number of them by name, the others together."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from driftline.bus.measures import OTHER, SEVERITIES, UNJUDGED, VERDICTS
from driftline.pipeline.standing import MONTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from driftline.contract import Book
    from driftline.pipeline.standing import Standing

__all__ = ["Standings"]

log = logging.getLogger(__name__)

FEEDBACK = "driftline.feedback."


class Standings:
    """Keeps the metrics that have a model in their labels.

    Models with a contract have a label of their own first, in order of name, then others as they
    come; beyond `most` of them all are told as one. So a worker has at most ten series for each of
    `most + 1` names, whatever names come in.

    What is open, what was paged and what people said of it is the state of detect, the same after
    a restart and wherever a model's partition goes.

    Parameters
    ----------
    of
        Metrics by name, as `driftline.bus.measures.instruments` makes them.
    most
        Models that are told apart.
    """

    def __init__(self, of: dict[str, Any], book: Book, most: int) -> None:
        self._of = of
        self._book = book
        self._most = most
        self._named = set(book.models[:most])
        self._told: set[tuple[str, ...]] = set()

    def _label(self, model: str) -> str:
        if model in self._named:
            return model
        if len(self._named) < self._most and model not in self._book:
            self._named.add(model)
            return model
        return OTHER

    def on_alert(self, value: bytes) -> None:
        """Count an alert, a message of the topic."""
        data = orjson.loads(value)["data"]
        model, severity, state = data["model"], data["severity"], data["state"]
        self._of["alerts_total"].labels(state, severity).inc()
        told = (model, severity, state, data["incident"])
        log.info("%s: %s %s, incident %s", *told, extra={"model": model})

    def on_feedback(self, value: bytes) -> None:
        """Count a feedback event, a message of the topic."""
        event = orjson.loads(value)
        kind = event["type"].removeprefix(FEEDBACK)
        self._of["feedback_total"].labels(kind).inc()
        if kind in {"drill_rang", "drill_failed"}:
            label = self._label(event["data"]["model"])
            self._of["drills_total"].labels(label, kind.removeprefix("drill_")).inc()

    def refresh(self, standings: Iterable[Standing]) -> None:
        """Tell how all models stand that this worker has now."""
        promised: dict[str, float] = {}
        open_, pages = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        due, states = Counter[str](), Counter({"watched": 0, "warming_up": 0})
        for standing in standings:
            label = self._label(standing.model)
            states["warming_up" if standing.warming_up else "watched"] += 1
            open_.update((label, severity) for severity in standing.open.values())
            pages.update({(label, word or UNJUDGED): n for word, n in standing.pages.items()})
            due[label] = max(due[label], int(standing.drill_due))
            rate = self._book.of(standing.model).budget.false_pages
            promised[label] = promised.get(label, 0.0) + rate.count * MONTH / rate.per
        for state, count in states.items():
            self._of["models"].labels(state).set(count)
        told: dict[tuple[str, ...], float] = {}
        for label, allowed in promised.items():
            told["pages_promised", label] = allowed
            told["drill_due", label] = due[label]
            for severity in SEVERITIES:
                told["incidents_open", label, severity] = open_[label, severity]
            for verdict in (*VERDICTS, UNJUDGED):
                told["pages_raised", label, verdict] = pages[label, verdict]
            for outcome in ("rang", "failed"):
                # A series that begins at 0: the first one that fails must show as a rise.
                self._of["drills_total"].labels(label, outcome)
        self._tell(told)

    def _tell(self, told: Mapping[tuple[str, ...], float]) -> None:
        """Set gauges by name and labels, and take away those that nobody tells of any more.

        (Clearing them first would make each anew: 0.2 ms a series, with 1,000 of them.)
        """
        for name, *labels in self._told - told.keys():
            self._of[name].remove(*labels)
        for (name, *labels), value in told.items():
            self._of[name].labels(*labels).set(value)
        self._told = set(told)
