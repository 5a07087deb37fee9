"""How the models stand, as metrics: a bounded number of them by name, the others together."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from driftline.bus.measures import OTHER, SEVERITIES, VERDICTS
from driftline.contract import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from driftline.contract import Book
    from driftline.pipeline.standing import Standing

__all__ = ["Standings"]

log = logging.getLogger(__name__)

MONTH = 30 * DAY
FEEDBACK = "driftline.feedback."


class Standings:
    """Keeps the metrics that have a model in their labels.

    Models with a contract have a label of their own first, in order of name, then others as they
    come; beyond `most` of them all are told as one. So a worker has at most ten series for each of
    `most + 1` names, whatever names come in.

    A page is counted once: when an incident is a page that was none before, and is not silenced.
    Which ones are open is taken from the restored state, and from the alerts since then. After a
    crash the alerts since the last snapshot are made, and counted, again.

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
        self._pages: set[str] = set()

    def _label(self, model: str) -> str:
        if model in self._named:
            return model
        if len(self._named) < self._most and model not in self._book:
            self._named.add(model)
            return model
        return OTHER

    def on_restored(self, standings: Iterable[Standing]) -> None:
        """Take the state in which models were taken over."""
        for standing in standings:
            self._pages |= {name for name, how in standing.open.items() if how == "page"}

    def on_alert(self, value: bytes) -> None:
        """Count an alert, a message of the topic."""
        data = orjson.loads(value)["data"]
        incident, severity, state = data["incident"], data["severity"], data["state"]
        label = self._label(data["model"])
        self._of["alerts_total"].labels(state, severity).inc()
        log.info(
            "%s: %s %s, incident %s",
            data["model"],
            severity,
            state,
            incident,
            extra={"model": data["model"]},
        )
        verdict = (data.get("verdict") or {}).get("verdict")
        if state == "judged" and severity == "page" and verdict in VERDICTS:
            self._of["pages_judged_total"].labels(label, verdict).inc()
        if severity != "page" or data["resolved_at"] is not None:
            self._pages.discard(incident)
        elif incident not in self._pages and not data.get("silenced"):
            self._pages.add(incident)
            self._of["pages_raised_total"].labels(label).inc()

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
        open_, due = Counter[tuple[str, str]](), Counter[str]()
        promised: dict[str, float] = {}
        states = Counter({"watched": 0, "warming_up": 0})
        for standing in standings:
            label = self._label(standing.model)
            states["warming_up" if standing.warming_up else "watched"] += 1
            open_.update((label, severity) for severity in standing.open.values())
            due[label] = max(due[label], int(standing.drill_due))
            rate = self._book.of(standing.model).budget.false_pages
            promised[label] = promised.get(label, 0.0) + rate.count * MONTH / rate.per
        for state, count in states.items():
            self._of["models"].labels(state).set(count)
        for name in ("incidents_open", "pages_promised", "drill_due"):
            self._of[name].clear()
        for label, pages in promised.items():
            self._of["pages_promised"].labels(label).set(pages)
            self._of["drill_due"].labels(label).set(due[label])
            # Series that begin at 0 before anything happens: the first page must show as a rise.
            self._of["pages_raised_total"].labels(label)
            for severity in SEVERITIES:
                self._of["incidents_open"].labels(label, severity).set(open_[label, severity])
            for verdict in VERDICTS:
                self._of["pages_judged_total"].labels(label, verdict)
            for outcome in ("rang", "failed"):
                self._of["drills_total"].labels(label, outcome)
