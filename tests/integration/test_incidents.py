"""An incident's whole life on a broker, acted on by the command line; live as replayed."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration._live import DRIFTLINE, END_S, Live, alerts_of, assert_same, run, told_of

import driftline
from driftline.bus.config_file import load
from driftline.bus.incidents import known_incidents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from driftline.broker.protocol import Broker
    from driftline.events.outputs import AlertData

pytestmark = pytest.mark.slow

CONTRACTS = {
    "quiet": "{model: quiet, slot: 1s, lateness: 2s, windows: [1s], sla: {silence: 5s}}",
    "steady": "{model: steady, slot: 1s, lateness: 2s, windows: [1s], sla: {silence: 1h}}",
}
PROMPT_S = 15.0
"""A slot and the lateness are three seconds; the rest is what a busy machine may take."""


class Traffic(threading.Thread):
    """Predictions of two models, ten a second; `speaks` says whether the quiet one makes any."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__()
        self._to = bootstrap, topic
        self.speaks = threading.Event()
        self.over = threading.Event()

    def run(self) -> None:
        bootstrap, topic = self._to
        made = 0
        with driftline.Publisher(bootstrap, topics={"prediction": topic}) as publisher:
            while not self.over.wait(0.1):
                for model in ("steady", "quiet") if self.speaks.is_set() else ("steady",):
                    made += 1
                    publisher.prediction(f"p-{made}", 0.5, {"age": 41}, model=model)


@contextmanager
def traffic(live: Live) -> Iterator[Traffic]:
    made = Traffic(live.bootstrap, live.inputs["predictions"])
    made.speaks.set()
    made.start()
    try:
        yield made
    finally:
        made.over.set()
        made.join(END_S)


def test_page_acknowledged_judged_resolved_and_back(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{name}.yaml" for name in CONTRACTS]
    for path, text in zip(paths, CONTRACTS.values(), strict=True):
        path.write_text(text)
    inputs = {name: f"{topic_prefix}{name}" for name in ("predictions", "lifecycle")}
    made = Live(broker.bootstrap, tmp_path, topic_prefix, paths, inputs, idle_after=None)
    with closing(made) as live:
        live.create(1)
        config = load(live.config())

        def quiet(has: Callable[[AlertData], bool]) -> AlertData:
            """Wait until the last word on the quiet model's only incident is as it has to be."""
            deadline = time.monotonic() + END_S
            while True:
                known = known_incidents(config.broker, prefix=topic_prefix, models=["quiet"])
                assert len(known) <= 1
                if known and has(known[0].data):
                    return known[0].data
                assert time.monotonic() < deadline, (known, live.log())
                time.sleep(0.2)

        def does(what: str, *words: str) -> dict[str, Any]:
            """Act by the command line; return what it says has become of it."""
            told = run(
                "incident", what, *words, "--config", str(live.config()), "--by", "ana",
                "--wait", "--json",
            )  # fmt: skip
            (event,) = json.loads(told)
            assert event["seconds"] < PROMPT_S
            return event

        first = live.start()
        live.until("assigned", first)
        with traffic(live) as made_up:
            time.sleep(5)
            made_up.speaks.clear()
            page = quiet(lambda data: data.state == "opened")
            assert (page.kind, page.severity) == ("silence", "page")
            # Nothing of this model comes any more, and somebody acknowledges that at once.
            name = page.incident
            told = does("ack", name[:8], "--why", "on it")
            assert told["reason"] == "acknowledged by ana: on it"
            assert told["incident"] == name
            assert quiet(lambda data: data.acknowledged.by == "ana").state == "acknowledged"
            (listed,) = driftline.open_incidents(broker.bootstrap, prefix=topic_prefix)
            assert listed.data.incident == name
            assert f"{name[:6]}" in run("incident", "list", "--config", str(live.config()))
            assert does("silence", name, "--for", "1h")["state"] == "silenced"
            assert does("unsilence", name)["state"] == "updated"
            assert does("judge", name, "true")["state"] == "judged"
            made_up.speaks.set()
            begun = time.monotonic()
            over = quiet(lambda data: data.state == "resolved")
            # What people have done holds up nothing that is found.
            assert time.monotonic() - begun < 2 * PROMPT_S
            assert over.verdict.verdict == "true"  # type: ignore[union-attr]  # it is set
            assert driftline.open_incidents(broker.bootstrap, prefix=topic_prefix) == []
            assert does("judge", name, "expected", "--why", "a move")["state"] == "judged"
            _is_refused(live, "ack", name, says="expected an incident that is open")
            time.sleep(3)
            made_up.speaks.clear()
            back = quiet(lambda data: data.state == "reopened")
            assert (back.incident, back.severity) == (name, "page")
            run("maintenance", "steady", "--for", "1h", "--config", str(live.config()))
            live.workers[first].send_signal(signal.SIGTERM)
            assert live.end(first) == 0, live.log(first)
        # A replay closes every window; live, the last ones have to be over.
        time.sleep(4)
        live.finish()
        exported = live.export()
        assert_same(exported, live.replay())
        states = [data["state"] for data in alerts_of(exported) if data["model"] == "quiet"]
        assert states == [
            "opened", "acknowledged", "silenced", "updated", "judged", "resolved", "judged",
            "reopened",
        ]  # fmt: skip
        figures = max(told_of(exported, "alarms"), key=lambda told: told["number"])
        assert (figures["pages"]["told"], figures["pages"]["expected"]) == (2, 1)
        review = json.loads(run("review", "quiet", "--config", str(live.config()), "--json"))
        evidence = [each["text"] for each in review["answers"][0]["evidence"]]
        assert any(text.startswith("2 pages in ") and "1 expected" in text for text in evidence)


def _is_refused(live: Live, what: str, *words: str, says: str) -> None:
    """Act, and be told that it cannot be done."""
    done = subprocess.run(
        [*DRIFTLINE, "incident", what, *words, "--config", str(live.config()), "--wait"],
        capture_output=True, text=True, timeout=END_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert says in done.stdout
    none = subprocess.run(
        [*DRIFTLINE, "incident", what, "zzz", "--config", str(live.config())],
        capture_output=True, text=True, timeout=END_S, check=False,
    )  # fmt: skip
    assert none.returncode == 2
    assert "'zzz': expected the id of an incident, or its beginning, got none" in none.stderr
