"""The application: which address shows what."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from driftline.ui import charts, pages
from driftline.ui.acts import ACTS, SILENCES, VERDICTS, ActError, NotSentError, read_act
from driftline.ui.gate import COOKIE, elsewhere, finish_stream, gate, log_in, log_out
from driftline.ui.house import HOUSE, PERSON, TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.ui.house import House

__all__ = ["make_app"]

log = logging.getLogger(__name__)

BEAT_S = 15.0
RETRY_MS = 2_000
FOREVER = "public, max-age=31536000, immutable"


def make_app(house: House) -> web.Application:
    """Make the application; whoever made the house starts and stops its feed."""
    app = web.Application(middlewares=[gate], client_max_size=64 * 1024)
    app[HOUSE] = house
    app.add_routes(
        [
            web.get("/", _models),
            web.get("/incidents", _incidents),
            web.get("/incidents/{incident}", _incident),
            web.post("/incidents/{incident}/{act}", _act),
            web.get("/causes/{cause}", _cause),
            web.get("/models/{model}", _model),
            web.get("/models/{model}/features/{feature}", _feature),
            web.get("/data/models/{model}/quality", _quality_chart),
            web.get("/data/models/{model}/features/{feature}", _feature_chart),
            web.get("/data/incidents/{incident}", _incident_chart),
            web.get("/events", _events),
            web.get("/login", _login),
            web.post("/login", log_in),
            web.post("/logout", log_out),
            web.get("/session", _session),
            web.get("/live", _live),
            web.get("/ready", _ready),
            web.get("/assets/{build}/{name}", _asset),
        ]
    )
    app.on_shutdown.append(_let_go)
    return app


async def _let_go(app: web.Application) -> None:
    app[HOUSE].hub.close()


def _number(request: web.Request) -> int:
    text = request.query.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1


async def _models(request: web.Request) -> web.Response:
    query = request.query
    asked, level = query.get("q", "").strip()[:200], query.get("level", "")
    return await request.app[HOUSE].show(
        request, "models.html", pages.models, asked, level, _number(request)
    )


async def _incidents(request: web.Request) -> web.Response:
    query = request.query
    asked = query.get("q", "").strip()[:200]
    of = (query.get("state", ""), query.get("model", ""))
    return await request.app[HOUSE].show(
        request, "incidents.html", pages.incidents, asked, *of, _number(request)
    )


async def _cause(request: web.Request) -> web.Response:
    name = request.match_info["cause"]
    return await request.app[HOUSE].show(request, "cause.html", pages.cause, name, _number(request))


async def _model(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    every = request.query.get("features") == "all"
    name = request.match_info["model"]
    return await house.show(
        request, "model.html", lambda reader: pages.model(reader, house.book, name, every=every)
    )


async def _feature(request: web.Request) -> web.Response:
    named = request.match_info["model"], request.match_info["feature"]
    return await request.app[HOUSE].show(request, "feature.html", pages.feature, *named)


async def _incident(request: web.Request) -> web.Response:
    return await _show_incident(request, "", 200)


async def _show_incident(request: web.Request, fault: str, status: int) -> web.Response:
    house, name = request.app[HOUSE], request.match_info["incident"]
    choices = {"silences": SILENCES, "verdicts": VERDICTS, "fault": fault}

    def make(reader: Any) -> dict[str, Any] | None:
        found = pages.incident(reader, name)
        return None if found is None else found | choices

    return await house.show(request, "incident.html", make, status=status)


async def _act(request: web.Request) -> web.StreamResponse:
    """Publish what somebody has decided, and note it until an alert confirms it."""
    house, name = request.app[HOUSE], request.match_info["incident"]
    by = request[PERSON]
    if request.match_info["act"] not in ACTS or by is None:
        raise web.HTTPNotFound
    if house.desk is None or house.feed is None:
        over = "these are a replay's results: there is nothing to decide"
        raise web.HTTPConflict(text=over)
    found = await house.read(lambda reader: reader.incident(name))
    if found is None:
        raise web.HTTPNotFound
    form = {key: str(value) for key, value in (await request.post()).items()}
    now = house.clock.wall()
    try:
        act = read_act(request.match_info["act"], form, name, now)
    except ActError as error:
        return await _show_incident(request, str(error), 400)
    loop = asyncio.get_running_loop()
    model = found.row["model"]
    try:
        body = await loop.run_in_executor(house.senders, house.desk.send, act, model, name, by)
    except NotSentError as error:
        log.warning("%s of %s by %s: %s", act.kind, name, by, error)
        return await _show_incident(request, str(error), 503)
    log.info("%s of %s by %s", act.kind, name, by)
    await house.feed.note(name, act.kind, by, now, body)
    return elsewhere(f"/incidents/{name}#acts")


async def _chart(request: web.Request, make: Callable[..., Any], *arguments: Any) -> web.Response:
    body = await request.app[HOUSE].read(make, *arguments)
    return web.json_response(body or {"plots": []})


async def _feature_chart(request: web.Request) -> web.Response:
    named = request.match_info["model"], request.match_info["feature"]
    return await _chart(request, charts.of_feature, *named)


async def _quality_chart(request: web.Request) -> web.Response:
    book = request.app[HOUSE].book
    return await _chart(request, charts.of_quality, book, request.match_info["model"])


async def _incident_chart(request: web.Request) -> web.Response:
    book = request.app[HOUSE].book
    return await _chart(request, charts.of_incident, book, request.match_info["incident"])


async def _events(request: web.Request) -> web.StreamResponse:
    """Send what changes, for as long as the session lasts and the browser listens."""
    house, name = request.app[HOUSE], request.cookies.get(COOKIE)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    finish_stream(request, response)
    with house.hub.listening() as queue:
        if queue is None:
            crowded = "too many listen already"
            raise web.HTTPServiceUnavailable(text=crowded)
        await response.prepare(request)
        here = f"retry: {RETRY_MS}\nevent: here\ndata: {house.hub.revision}\n\n"
        await response.write(here.encode())
        while house.door.token is None or house.sessions.find(name, time.monotonic()):
            try:
                message = await asyncio.wait_for(queue.get(), BEAT_S)
            except TimeoutError:
                message = b": still here\n\n"
            if message is None:
                break
            try:
                async with asyncio.timeout(BEAT_S):
                    await response.write(message)
            except (ConnectionError, TimeoutError):
                break
    return response


async def _login(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    if house.door.token is None or request[PERSON] is not None:
        return elsewhere("/")
    return await house.show(request, "login.html", lambda _: {"back": "/", "fault": ""})


async def _session(request: web.Request) -> web.Response:
    """Tell the login's script whether somebody is logged in.

    A link from elsewhere comes without the cookie (it is SameSite=Strict); asked for from this page
    it is there.
    """
    return web.Response(status=204 if request[PERSON] is not None else 401)


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"live": True})


async def _ready(request: web.Request) -> web.Response:
    """Say whether what is shown is what is known, for a load balancer."""
    feed = request.app[HOUSE].feed
    ready = feed is None or (feed.caught_up and feed.trouble is None)
    return web.json_response({"ready": ready}, status=200 if ready else 503)


async def _asset(request: web.Request) -> web.Response:
    house, name = request.app[HOUSE], request.match_info["name"]
    body = house.assets.get(name)
    if body is None:
        raise web.HTTPNotFound
    suffix = name[name.rindex(".") :]
    # The address has a hash of all assets in it: what it names never changes.
    same = request.match_info["build"] == house.build
    headers = {"Cache-Control": FOREVER if same else "no-store"}
    return web.Response(body=body, content_type=TYPES[suffix], charset="utf-8", headers=headers)
