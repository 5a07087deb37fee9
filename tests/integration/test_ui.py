"""The page in a real browser, over a real broker with a real worker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.integration._live import DRIFTLINE, END_S, Live, run

import driftline
from driftline.bus.config_file import load
from driftline.bus.reader import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from driftline.broker.protocol import Broker
    from driftline.events.outputs import Alert

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="no playwright"),
]

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TOKEN = "three-in-the-morning"
CONTRACT = """
model: credit-risk
owner: {team: risk-ml, contact: "#risk-ml", escalation: risk-oncall}
runbook: https://wiki.example.com/runbooks/credit-risk
windows: [1m]
reference: {from: warmup, events: 3000}
quality: {metric: auc, at_least: 0.6, label_horizon: 30m, window: 10m, positive: default}
decision: {act_when: "score >= 0.6", action: reject}
drill: {every: 10m, shifts: [mean +1sd], within: 10m}
"""
SERIOUS = {"serious", "critical"}


@contextmanager
def page_of(live: Live) -> Iterator[str]:
    """Start the page as a user would; give its address."""
    log = live.folder / "ui.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [*DRIFTLINE, "ui", "--config", str(live.config()), "--port", "0", "--verbose"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=os.environ | {"DRIFTLINE_UI_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        )
    try:
        deadline = time.monotonic() + END_S
        while not (found := re.search(r"driftline ui: (http\S+)/", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield found[1]
        server.terminate()
        assert server.wait(END_S) == 0, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def aside(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call what has an event loop of its own: the browser's driver runs one in this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *arguments, **named).result(END_S)


def the_page(live: Live, has: Callable[[Alert], bool]) -> Alert:
    """Wait until the last word on the drift of age is as it has to be."""
    deadline = time.monotonic() + END_S
    while True:
        known = aside(driftline.open_incidents, live.bootstrap, prefix=live.prefix)
        found = [each for each in known if "age" in each.data.features]
        if found and has(found[0]):
            return found[0]
        assert time.monotonic() < deadline, (known, live.log())
        time.sleep(0.3)


def test_somebody_sees_to_a_page_in_a_browser(
    broker: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    contract = tmp_path / "c.yaml"
    contract.write_text(CONTRACT)
    names = ("predictions", "features", "labels", "decisions", "outcomes", "lifecycle")
    inputs = {name: f"{topic_prefix}{name}" for name in names}
    made = Live(broker.bootstrap, tmp_path, topic_prefix, [contract], inputs, idle_after="1s")
    with closing(made) as live:
        live.create(1)
        start = datetime.now(UTC) - timedelta(minutes=31)
        run(
            "simulate", "--to", f"kafka://{broker.bootstrap}", "--prefix", topic_prefix,
            "--models", "credit-risk", "--start", start.strftime("%Y-%m-%dT%H:%M:00Z"),
            "--duration", "30m", "--rate", "20/s", "--calm", "--with", "labels,decisions",
            "--label-delay", "2m", "--fault", "mean:credit-risk:age:+1sd@20m",
        )  # fmt: skip
        live.start()
        incident = the_page(live, lambda alert: alert.data.severity == "page").data.incident
        from playwright.sync_api import sync_playwright

        with page_of(live) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
            try:
                _log_in_and_act(browser, address, live, incident)
            finally:
                browser.close()


def _log_in_and_act(browser: Browser, address: str, live: Live, incident: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda said: said.type in ("error", "warning") and complaints.append(said.text)
    )

    # Login: refused, then granted, and one is where one wanted to be.
    answer = page.goto(f"{address}/models/credit-risk")
    assert answer is not None
    assert answer.status == 401
    _look(page, "login")
    for token, status in (("guessed-by-somebody", 403), (TOKEN, 200)):
        page.get_by_label("Your name").fill("anna")
        page.get_by_label("Token").fill(token)
        with page.expect_navigation() as went:
            page.get_by_role("button", name="Log in").click()
        assert went.value.status == status  # type: ignore[union-attr]
    assert page.url == f"{address}/models/credit-risk"
    # A browser says so itself where an answer is 401 or 403; that was asked for above.
    complaints[:] = [said for said in complaints if not re.search(r"status of 40[13]", said)]

    # Every screen, in both colours, large and small.
    screens = {
        "models": ("/", "credit-risk"),
        "model": ("/models/credit-risk", "Five answers"),
        "feature": ("/models/credit-risk/features/age", "Now against reference"),
        "incidents": ("/incidents", "drift of age"),
        "incident": (f"/incidents/{incident}", "What moved"),
    }
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            for name, (path, words) in screens.items():
                page.goto(address + path)
                assert page.get_by_text(words).first.is_visible(), (name, page.inner_text("main"))
                for chart in page.locator("figure[data-chart]").all():
                    chart.scroll_into_view_if_needed()
                    chart.locator("canvas").first.wait_for()
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, (name, width)
                _look(page, f"{name}, {scheme}, {width}")
    page.set_viewport_size({"width": 1280, "height": 900})

    # The keyboard: a list of keys, up and down a list, and to the search.
    page.goto(address)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "credit-risk"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/models/credit-risk")

    # Acknowledged here, seen on both topics, and confirmed on the page without loading it again.
    page.goto(f"{address}/incidents/{incident}")
    page.evaluate("window.stays = true")
    page.get_by_role("button", name="I am on it").click()
    page.wait_for_url(f"{address}/incidents/{incident}*")
    standing = page.locator("#standing")
    assert re.search("Acknowledged by anna: sent|anna is on it", standing.inner_text())
    page.evaluate("window.stays = true")
    alert = the_page(live, lambda alert: alert.data.state == "acknowledged")
    assert alert.data.acknowledged.by == "anna"  # type: ignore[union-attr]
    standing.get_by_text("is on it").wait_for(timeout=END_S * 1_000)
    assert page.evaluate("window.stays")
    page.locator("#life").get_by_text("Acknowledged by anna").wait_for()
    config = load(live.config())
    sent = aside(
        lambda: [r.value for _, rs in read(config.broker, live.inputs["lifecycle"]) for r in rs]
    )
    events = [each for value in sent for each in _listed(orjson.loads(value))]
    (event,) = [each for each in events if each["kind"] == "incident_acknowledged"]
    assert (event["model"], event["incident"], event["by"]) == ("credit-risk", incident, "anna")

    # Silenced for a while, and judged with a reason.
    assert page.get_by_role("button", name="I am on it").count() == 0
    page.locator("summary", has_text="Silence").click()
    page.get_by_label("4h").check()
    page.get_by_role("button", name="Silence").click()
    silenced = the_page(live, lambda alert: alert.data.state == "silenced").data.silenced
    assert silenced.by == "anna"  # type: ignore[union-attr]
    page.goto(f"{address}/incidents/{incident}")
    page.locator("summary", has_text="Judge").click()
    page.get_by_label("expected: it did change").check()
    page.get_by_label("Why").last.fill("a new market")
    page.get_by_role("button", name="Judge").click()
    verdict = the_page(live, lambda alert: alert.data.state == "judged").data.verdict
    assert (verdict.verdict, verdict.why) == ("expected", "a new market")  # type: ignore[union-attr]
    standing.get_by_text("Judged expected by anna").wait_for(timeout=END_S * 1_000)
    _look(page, "incident, judged")
    page.goto(address)
    assert page.get_by_text("Judged by anna, still open").is_visible()

    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{address}/")
    assert page.get_by_label("Token").is_visible()
    complaints[:] = [said for said in complaints if not re.search(r"status of 401", said)]
    assert complaints == []
    context.close()


def _look(page: Page, name: str) -> None:
    """Hold a screen to what axe-core knows of people who do not see, hear or point well."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    # The page lets no script in but its own: the driver puts it there.
    page.evaluate((Path(spec.origin).parent / "axe.min.js").read_text() + "; undefined")
    found = page.evaluate("axe.run(document)")
    bad = [
        (each["id"], each["help"], [node["target"] for node in each["nodes"]][:3])
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]
    assert not bad, (name, bad)
    shots = os.environ.get("DRIFTLINE_SHOTS")
    if shots:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(shots) / f"{name.replace(', ', '-')}.png", full_page=True)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
