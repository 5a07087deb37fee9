"""Acts on their way: at once, once, and as of their own time, whatever else comes."""

from __future__ import annotations

from typing import Any

import orjson

from driftline.contract import Book, parse
from driftline.events.mapping import InputSpec
from driftline.events.record import Record, Source
from driftline.pipeline.detect import Detect
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import References

SECOND = 1_000_000
START = 1_772_409_600  # 2026-03-02T00:00:00Z
BOOK = Book((parse("{model: m, slot: 10s, lateness: 30s, sla: {silence: 60s}}", "m.yaml"),))
TRAFFIC, PEOPLE = Source("predictions", 0), Source("lifecycle", 0)


class Bus:
    """One input of predictions, one of lifecycle events, and what detect makes of them."""

    def __init__(self) -> None:
        self.references = References()
        specs = {TRAFFIC: "prediction", PEOPLE: "lifecycle"}
        self.observers = {
            source: Observe(
                source, InputSpec(source.topic, kind), BOOK, self.references  # type: ignore[arg-type]
            )
            for source, kind in specs.items()
        }  # fmt: skip
        self.detect = Detect(BOOK, [TRAFFIC, PEOPLE], self.references)
        self.offset = self.sent = 0

    def sends(self, source: Source, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """Read one batch; return the data of the alerts that follow at once."""
        observe = self.observers[source]
        records = [
            Record(self.offset + at, int(e["ts"] * 1000), orjson.dumps({"model": "m", **e}))
            for at, e in enumerate(events)
        ]
        self.offset += len(records)
        return self._take(observe.on_batch(records))

    def idles(self, until: float) -> list[dict[str, Any]]:
        """Let wall time pass in both inputs; return the data of alerts."""
        wall = int(until * SECOND)
        out = self._take(self.observers[TRAFFIC].on_idle(wall, 120 * SECOND))
        return out + self._take(self.observers[PEOPLE].on_idle(wall, 120 * SECOND))

    def _take(self, emission: Any) -> list[dict[str, Any]]:
        told = []
        marks = [emission.mark] if emission.mark is not None else []
        for message in [value for _, value in emission.panes] + marks:
            out = self.detect.on_message(self.sent, message)
            self.sent += 1
            told += [orjson.loads(value)["data"] for _, value in out.alerts]
        return told


def predictions(*at: float) -> list[dict[str, Any]]:
    return [{"ts": START + s, "prediction_id": f"p{s}", "prediction": 1} for s in at]


def silent() -> tuple[Bus, str]:
    """A model that has fallen silent, with the id of that page."""
    bus = Bus()
    bus.idles(START)
    bus.sends(
        TRAFFIC, *({"ts": START + s, "prediction_id": f"p{s}", "prediction": 1} for s in (1, 2))
    )
    (page,) = bus.idles(START + 300)
    assert (page["kind"], page["state"]) == ("silence", "opened")
    return bus, page["incident"]


def ack(incident: str, at: float, **more: Any) -> dict[str, Any]:
    return {"ts": START + at, "kind": "incident_acknowledged", "incident": incident, **more}


def test_an_act_on_a_silent_model_shows_with_the_batch_it_comes_in() -> None:
    bus, page = silent()
    (told,) = bus.sends(PEOPLE, ack(page, 290, by="ana"))
    assert told["acknowledged"] == {"by": "ana", "at": "2026-03-02T00:04:50Z", "why": None}
    # It waits for no slot, and nothing of it is left to hold time back.
    assert bus.observers[PEOPLE].settled
    bus.sends(PEOPLE, {"ts": START + 295, "kind": "owner_confirmed"})
    assert not bus.observers[PEOPLE].settled


def test_an_act_waits_for_its_time_and_survives_a_restart_meanwhile() -> None:
    """It is read before anybody could know of the page, and counts after it all the same."""
    _, page = silent()
    bus = Bus()
    bus.idles(START)
    bus.sends(TRAFFIC, *predictions(1, 2))
    assert bus.sends(PEOPLE, ack(page, 115)) == []
    assert bus.detect.waiting_for() == [str(TRAFFIC)]
    saved = bus.detect.snapshot()
    bus.detect = Detect(BOOK, [TRAFFIC, PEOPLE], bus.references)
    for group in saved:
        for key, value in group:
            bus.detect.restore(key, value)
    told = bus.sends(TRAFFIC, *predictions(230)) + bus.idles(START + 300)
    assert [(each["state"], each["incident"]) for each in told[:2]] == [
        ("opened", page), ("acknowledged", page)
    ]  # fmt: skip


def test_an_act_that_is_sent_again_counts_once() -> None:
    bus, page = silent()
    assert len(bus.sends(PEOPLE, ack(page, 290, by="ana"))) == 1
    bus.observers[PEOPLE] = Observe(
        PEOPLE, InputSpec("lifecycle", "lifecycle"), BOOK, bus.references
    )
    bus.offset -= 1  # a worker that was killed before it had committed
    assert bus.sends(PEOPLE, ack(page, 290, by="ana")) == []
    assert len(bus.sends(PEOPLE, ack(page, 291, by="ben"))) == 1
