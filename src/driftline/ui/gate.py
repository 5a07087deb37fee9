"""What every request passes: host, login, forgery check, and the headers of every answer."""

from __future__ import annotations

import hmac
import logging
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from driftline.errors import DriftlineError
from driftline.ui.house import HOUSE, PERSON, SESSION
from driftline.ui.sessions import LIFE_S, MOST_NAME, Session

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from driftline.ui.house import House

__all__ = ["COOKIE", "elsewhere", "finish_stream", "gate", "log_in", "log_out"]

log = logging.getLogger(__name__)

COOKIE = "driftline_session"
HEALTH = ("/live", "/ready")
"""What is asked for by programs that know neither our name nor a login, and tells nothing else."""
OPEN = ("/login", "/session", *HEALTH)
"""Paths that need no login; assets too."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Server": "driftline",
}
MOST_BODY = 16 * 1024


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in, or not, and close the door behind its answer."""
    house = request.app[HOUSE]
    request[SESSION], request[PERSON] = Session(None, "", 0.0), None
    fresh = None
    try:
        _check_host(house, request)
        fresh = _recognise(house, request)
        if request.method == "POST":
            await _check_form(request)
        if request[PERSON] is None and not _is_open(request.path):
            response: web.StreamResponse = await _ask(house, request)
        else:
            response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            response = elsewhere(error.headers["Location"])
        else:
            response = await _told(house, request, error)
    except DriftlineError as error:
        log.error("%s: %s", request.path, error)
        response = await _told(house, request, web.HTTPServiceUnavailable(), str(error))
    except Exception:
        log.exception("%s: a bug", request.path)
        response = web.Response(text="Something is wrong here; the log says what.\n", status=500)
    if not response.prepared:
        _finish(request, response, fresh)
    return response


def finish_stream(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers of every answer on one that is sent piece by piece."""
    _finish(request, response, None)


def _finish(request: web.Request, response: web.StreamResponse, fresh: str | None) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if fresh is not None:
        _set_cookie(request, response, fresh)


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/assets/")


def _check_host(house: House, request: web.Request) -> None:
    """Refuse names that are not ours: another page's name may be made to point at this machine."""
    hosts = None if request.path in HEALTH else house.door.hosts
    name = request.host.lower()
    if hosts is not None and name not in hosts and name.rpartition(":")[0] not in hosts:
        text = f"{request.host}: not a name of this page; --host-name NAME would make it one"
        raise web.HTTPMisdirectedRequest(text=text)


def _recognise(house: House, request: web.Request) -> str | None:
    """Find out who it is; return the cookie of a session that has just begun."""
    now, door = time.monotonic(), house.door
    if door.header is not None and not _is_open(request.path):
        if not door.trusts(request.remote):
            raise web.HTTPForbidden(text="not through the reverse proxy")
        name = " ".join(request.headers.get(door.header, "").split())[:MOST_NAME]
        if not name:
            raise web.HTTPForbidden(text=f"the reverse proxy has sent no {door.header}")
        request[PERSON] = name
    session = house.sessions.find(request.cookies.get(COOKIE), now)
    fresh = None
    silent = request.path in HEALTH or request.path.startswith("/assets/")
    if session is None and request.method == "GET" and not silent:
        # Who has not logged in has a session too: the login is a form like any other.
        fresh, session = house.sessions.open(None, now)
    if session is not None:
        request[SESSION] = session
    if door.header is None:
        request[PERSON] = door.user if door.token is None else request[SESSION].by
    return fresh


async def _check_form(request: web.Request) -> None:
    """Refuse forms that are not ours."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise web.HTTPForbidden(text="a form of another page")
    if (request.content_length or 0) > MOST_BODY:
        raise web.HTTPRequestEntityTooLarge(MOST_BODY, request.content_length or 0)
    form = await request.post()
    brought, wanted = str(form.get("csrf", "")), request[SESSION].csrf
    if not wanted or not hmac.compare_digest(brought.encode(), wanted.encode()):
        raise web.HTTPForbidden(text="the form is too old: load the page again")


async def _ask(house: House, request: web.Request) -> web.StreamResponse:
    """Ask who it is; programs are told so."""
    if "text/html" not in request.headers.get("Accept", "text/html"):
        raise web.HTTPUnauthorized(text="log in first")
    back = request.path_qs if request.method == "GET" else "/"
    return await house.show(request, "login.html", _asking, back, "", status=401)


def _asking(_: object, back: str, fault: str) -> dict[str, str]:
    # Browsers take a backslash for a slash: both of these would be another host.
    ours = back.startswith("/") and not back.startswith(("//", "/\\"))
    return {"back": back if ours else "/", "fault": fault}


async def log_in(request: web.Request) -> web.StreamResponse:
    """Take a name and the token."""
    house, now = request.app[HOUSE], time.monotonic()
    form = await request.post()
    back = str(form.get("back", "/"))
    peer = request.remote or ""
    wait = house.attempts.wait_s(peer, now)
    if wait > 0:
        fault = f"Too many attempts. Try again in {wait:.0f} s."
        response = await house.show(request, "login.html", _asking, back, fault, status=429)
        response.headers["Retry-After"] = f"{wait:.0f}"
        return response
    name = " ".join(str(form.get("name", "")).split())[:MOST_NAME]
    given = str(form.get("token", "")).strip().encode()
    right = house.door.token is not None and hmac.compare_digest(given, house.door.token.encode())
    if not right or not name:
        if not right:
            house.attempts.failed(peer, now)
        fault = "That is not the token." if not right else "Say who you are."
        return await house.show(request, "login.html", _asking, back, fault, status=403)
    # A new name of the session: what somebody may have planted before is worth nothing.
    house.sessions.end(request.cookies.get(COOKIE))
    cookie, _ = house.sessions.open(name, now)
    log.info("%s has logged in from %s", name, peer)
    response = elsewhere(_asking(None, back, "")["back"])
    _set_cookie(request, response, cookie)
    return response


async def log_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    request.app[HOUSE].sessions.end(request.cookies.get(COOKIE))
    response = elsewhere("/")
    response.del_cookie(COOKIE, path="/")
    return response


def elsewhere(address: str) -> web.Response:
    """Send a browser to another page of ours."""
    return web.Response(status=303, headers={"Location": address})


def _set_cookie(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    door = request.app[HOUSE].door
    secure = request.secure or (
        door.trusts(request.remote) and request.headers.get("X-Forwarded-Proto") == "https"
    )
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(LIFE_S),
        path="/",
        httponly=True,
        samesite="Strict",
        secure=secure,
    )


async def _told(
    house: House, request: web.Request, error: web.HTTPException, text: str | None = None
) -> web.StreamResponse:
    """Say in words what went wrong; programs get a line."""
    said = text or error.text or error.reason
    if "text/html" not in request.headers.get("Accept", "") or request[PERSON] is None:
        return web.Response(text=f"{said}\n", status=error.status)
    words = {404: "There is nothing here."}
    told = {"status": error.status, "said": words.get(error.status, said)}
    return await house.show(request, "error.html", lambda _: told, status=error.status)
