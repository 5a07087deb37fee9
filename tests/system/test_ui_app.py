from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit._page import (
    START,
    alerts,
    book_of,
    finding,
    replayed,
    view_of,
    visit,
)

from driftline.bus.config import BrokerConfig, Config
from driftline.cli import main
from driftline.contract import HOUR, Book
from driftline.errors import UsageError
from driftline.events.time import format_ts
from driftline.replay.summary import incidents_of
from driftline.ui.acts import ActError, Desk, read_act
from driftline.ui.feed import Feed
from driftline.ui.live import MOST_WAITING, Hub
from driftline.ui.settings import Door, networks
from driftline.ui.view import Changed, View

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.test_utils import TestClient

MODEL = "credit-risk"
TOKEN = "a-token-that-is-long-enough"
HTML = {"Accept": "text/html"}
ODD = '<script>alert("x")</script>/../ü %?#&'
GONE = Config(broker=BrokerConfig(bootstrap="127.0.0.1:1"))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return replayed(tmp_path_factory.mktemp("replayed"))


@pytest.fixture
def folder(outputs: Path, tmp_path: Path) -> Path:
    """A view of a replay, and of a model and a feature of an unlikely name."""
    view = view_of(tmp_path, outputs)
    odd = finding(ODD, 0, feature=ODD, text=ODD)
    view.take("alerts", alerts(ODD, (0, odd)), {})
    view.refresh()
    view.close()
    return tmp_path


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def links_of(page: str) -> set[str]:
    return {
        link.replace("&amp;", "&").partition("#")[0]
        for link in re.findall(r'(?:href|data-chart)="(/[^"]*)"', page)
    }


async def said(client: TestClient, path: str, status: int = 200, **more: Any) -> str:
    answer = await client.get(path, **({"headers": HTML} | more))
    text = await answer.text()
    assert answer.status == status, (path, answer.status, text[:300])
    return text


def test_every_link_of_every_screen_leads_somewhere_and_nothing_is_inline(
    folder: Path, outputs: Path
) -> None:
    async def call(client: TestClient) -> None:
        left, seen = {"/", "/incidents", "/models/credit-risk?features=all"}, set()
        while left:
            path = left.pop()
            seen.add(path)
            answer = await client.get(path, headers=HTML)
            text = await answer.text()
            assert answer.status == 200, path
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            if answer.content_type == "text/html":
                assert not re.search(
                    r"<script(?![^>]* src=)|<style| style=| on[a-z]+=|javascript:", text
                ), path
                assert text.count("<h1") == 1, path
                left |= links_of(text) - seen
        screens = {"/".join(path.partition("?")[0].split("/")[:2]) for path in seen}
        assert screens >= {"/", "/incidents", "/models", "/data", "/assets"}
        # The odd name is on the first screen, on its own page and on its incident's.
        assert [path for path in seen if path.startswith("/models/%3Cscript%3E")]
        assert len(seen) > 40

    visit(folder, book_of(outputs), call)


def test_what_is_not_there_says_so(folder: Path) -> None:
    async def call(client: TestClient) -> None:
        for path in ("/models/nobody", "/incidents/none", "/models/credit-risk/features/x", "/x"):
            assert "There is nothing here." in await said(client, path, 404)
        assert "There is nothing" not in await said(client, "/assets/x/none.js", 404, headers={})
        text = await said(client, "/?q=nobody&page=99999999999999999&level=sad")
        assert "No model has “nobody”" in text

    visit(folder, Book(), call)


def test_beyond_loopback_somebody_has_to_log_in(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.com"):
        with pytest.raises(UsageError, match="expected a login, as others can reach it"):
            Door(host=host)
        Door(host=host, token=TOKEN)
    with pytest.raises(UsageError, match="at least 16 characters"):
        Door(token="short")
    with pytest.raises(UsageError, match="expected together"):
        Door(header="X-Forwarded-User")
    with pytest.raises(UsageError, match=r"10.0.0.0/8, got '10.0.0.1/8'"):
        networks(["10.0.0.1/8"])
    assert main(["ui", "--host", "0.0.0.0", "--from", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example/", "/\\evil.example/", "https://evil.example/"]
)
def test_the_token_lets_in_and_nothing_else_does(
    folder: Path, outputs: Path, elsewhere: str
) -> None:
    async def call(client: TestClient) -> None:
        text = await said(client, "/models/credit-risk", 401)
        assert MODEL not in text.replace("/models/credit-risk", "")
        assert 'value="/models/credit-risk"' in text
        for path in ("/events", "/data/incidents/x"):
            assert "log in first" in await said(client, path, 401, headers={"Accept": "*/json"})
        assert (await client.get("/session")).status == 401
        form = {"csrf": csrf_of(text), "name": "bo", "back": elsewhere}
        old = client.session.cookie_jar.filter_cookies(client.make_url("/"))["driftline_session"]
        wrong = await client.post("/login", data=form | {"token": TOKEN + "x"})
        assert (wrong.status, "That is not the token" in await wrong.text()) == (403, True)
        right = await client.post("/login", data=form | {"token": TOKEN}, allow_redirects=False)
        assert (right.status, right.headers["Location"]) == (303, "/")
        cookie = right.cookies["driftline_session"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert cookie.value != old.value
        text = await said(client, "/models/credit-risk")
        assert "Log out" in text
        assert (await client.get("/session")).status == 204
        gone = await client.post("/logout", data={"csrf": csrf_of(text)}, allow_redirects=False)
        assert gone.status == 303
        client.session.cookie_jar.update_cookies({"driftline_session": cookie.value})
        await said(client, "/models/credit-risk", 401)

    visit(folder, book_of(outputs), call, Door(token=TOKEN))


def test_who_guesses_has_to_wait(folder: Path) -> None:
    async def call(client: TestClient) -> None:
        form = {"csrf": csrf_of(await said(client, "/", 401)), "name": "eve"}
        tried = [await client.post("/login", data=form | {"token": f"{n}"}) for n in range(6)]
        assert [answer.status for answer in tried] == [403] * 5 + [429]
        assert 0 < int(tried[-1].headers["Retry-After"]) <= 60
        # The right one has to wait as well, or waiting would tell which one it is.
        assert (await client.post("/login", data=form | {"token": TOKEN})).status == 429

    visit(folder, Book(), call, Door(token=TOKEN))


def test_a_proxy_says_who_it_is_if_it_is_one_of_ours(folder: Path) -> None:
    async def through(client: TestClient) -> None:
        text = await said(client, "/", headers=HTML | {"X-Forwarded-User": " ann  a "})
        assert MODEL in text
        assert "has sent no X-Forwarded-User" in await said(client, "/", 403)
        assert await said(client, "/live") == '{"live": true}'

    async def past(client: TestClient) -> None:
        text = await said(client, "/", 403, headers=HTML | {"X-Forwarded-User": "eve"})
        assert "not through the reverse proxy" in text

    ours = Door(header="X-Forwarded-User", proxies=networks(["127.0.0.0/8"]))
    visit(folder, Book(), through, ours)
    visit(folder, Book(), past, Door(header="X-Forwarded-User", proxies=networks(["10.0.0.0/8"])))


def test_a_strange_host_or_form_is_refused(folder: Path, outputs: Path) -> None:
    (each, *_) = incidents_of(outputs / "alerts.jsonl")
    act = f"/incidents/{each.incident}/acknowledge"

    async def call(client: TestClient) -> None:
        for host in ("evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example"):
            assert "not a name of this page" in await said(client, "/", 421, headers={"Host": host})
        assert await said(client, "/live", headers={"Host": "10.1.2.3"}) == '{"live": true}'
        assert await said(client, "/ready", headers={"Host": "10.1.2.3"}) == '{"ready": true}'
        assert (await client.post(act, data={})).status == 403  # no session yet
        text = await said(client, f"/incidents/{each.incident}")
        assert (await client.post(act, data={"csrf": "guessed"})).status == 403
        await said(client, "/")
        assert "I am on it" not in text  # a replay's results
        other = await client.post(act, data={"csrf": ""}, headers={"Origin": "http://evil.example"})
        assert (other.status, await other.text()) == (403, "a form of another page\n")
        long = await client.post(act, data={"csrf": "x" * 20_000})
        assert long.status == 413

    visit(folder, book_of(outputs), call)
    named = Door(names=("drift.example.com",))

    async def by_name(client: TestClient) -> None:
        await said(client, "/", headers=HTML | {"Host": "drift.example.com"})

    visit(folder, Book(), by_name, named)


def test_forms_say_what_they_lack_and_a_broker_that_is_away_is_told(
    folder: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (each, *_) = incidents_of(outputs / "alerts.jsonl")
    monkeypatch.setattr("driftline.ui.acts.FLUSH_S", 0.5)

    async def call(client: TestClient) -> None:
        at = f"/incidents/{each.incident}"
        text = await said(client, at)
        assert "I am on it" in text
        form = {"csrf": csrf_of(text)}
        for path, fields, fault in (
            ("silence", {"length": "soon"}, "Length: expected a duration such as 4h, got soon"),
            ("silence", {"length": "99d"}, "Until: expected a time after"),
            ("judge", {"verdict": "maybe", "why": "x"}, "Verdict: expected one of true, false"),
            ("judge", {"verdict": "false"}, "Why: expected a reason"),
            ("judge", {"verdict": "false", "why": "x" * 501}, "Why: expected at most 500"),
        ):
            answer = await client.post(f"{at}/{path}", data=form | fields)
            assert answer.status == 400, fields
            assert fault in await answer.text()
        assert (await client.post(f"{at}/forget", data=form)).status == 404
        answer = await client.post(f"{at}/acknowledge", data=form)
        assert answer.status == 503
        assert "Kafka does not answer: it waits here" in await answer.text()

    view = View(folder, book_of(outputs), str(outputs))
    desk, feed = Desk(GONE), Feed(GONE, view, lambda _: None)
    feed.caught_up = True
    try:
        visit(folder, book_of(outputs), call, desk=desk, feed=feed)
    finally:
        desk.close()
        view.close()


def test_acts_are_those_that_a_worker_takes() -> None:
    act = read_act("silence", {"length": "4h", "why": " a \n b "}, "i", START)
    assert act.kind == "incident_silenced"
    assert act.fields == {"why": "a b", "until": format_ts(START + 4 * HOUR)}
    assert read_act("judge", {"verdict": "true"}, "i", START).fields == {"verdict": "true"}
    assert read_act("acknowledge", {}, "i", START).fields == {}
    with pytest.raises(ActError, match="until: expected a time after"):
        read_act("silence", {"length": "0s"}, "i", START)


def test_browsers_hear_of_changes_and_slow_ones_are_dropped(folder: Path) -> None:
    async def call(client: TestClient) -> None:
        hub: Hub = client.house.hub  # type: ignore[attr-defined]
        shown = re.search('data-revision="([^"]+)"', await said(client, "/"))
        assert shown is not None
        async with client.get("/events") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            # A page that was made before the last change finds out when it begins to listen.
            here = (await answer.content.readuntil(b"\n\n")).decode()
            assert here == f"retry: 2000\nevent: here\ndata: {shown[1]}\n\n"
            hub.tell(Changed())
            hub.tell(Changed({MODEL}, {"i"}))
            told = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 5)
            body = f'{{"models":["{MODEL}"],"incidents":["i"],"many":false}}'
            assert told.decode() == f"event: change\ndata: {body}\n\n"
            assert hub.revision != shown[1]
        while hub._clients:
            hub.tell(Changed({MODEL}))
            await asyncio.sleep(0.01)
        before = hub.dropped
        with hub.listening() as queue:
            assert queue is not None
            for _ in range(MOST_WAITING + 1):
                hub.tell(Changed({MODEL}))
            assert (hub.dropped - before, await queue.get()) == (1, None)

    visit(folder, Book(), call)
