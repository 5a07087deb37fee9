"""From an element's bytes to JSON values, naming what is wrong, and an envelope's elements."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from driftline.events.errors import Fault
from driftline.events.wording import ROOT

__all__ = ["Doubled", "finite", "nulled", "parse_element", "split_envelope"]

BLANK = b" \t\r\n"
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
# A quote that begins no string is caught by the last branch: the rest cannot be trusted then.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]|"', re.DOTALL)
_NOT_FINITE = re.compile(rb"(?<=[:\[, ])(?:NaN|-?Infinity)(?=[,}\] \t\r\n])")
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MANY_COMMAS = 1_000_000
"""Beyond this many the elements could be millions, so they are counted while they are divided."""
_FLOAT_DIGITS = 310
"""An integer with more digits is beyond float64, and beyond what `int` takes from a stranger."""


class Doubled(dict[str, Any]):
    """An object in which a key came twice; `key` is the first such."""

    key: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = Doubled(found)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            doubled.key = key
            break
        seen.add(key)
    return doubled


def _integer(digits: str) -> float:
    if len(digits) < _FLOAT_DIGITS:
        return int(digits)
    return -math.inf if digits[0] == "-" else math.inf


# The standard library's parser: the only one that takes NaN and Infinity, and shows doubled keys.
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer).decode


def finite(value: float) -> bool:
    """Return whether a number fits a finite float64."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def parse_element(data: bytes, depth: int) -> Any:
    """Parse one event.

    Numbers out of range come as infinities, ``NaN`` and ``Infinity`` as themselves, objects with
    a key that comes twice as `Doubled`.

    Raises
    ------
    Fault
        Not UTF-8, not JSON, cut off, or nested deeper than `depth`.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        got = f"byte 0x{data[error.start]:02x} at {error.start}"
        raise Fault(ROOT, "UTF-8 text", got, code="not_json") from None
    if not text.strip(" \t\r\n"):
        raise Fault(ROOT, "an event", "an empty value", code="empty")
    # Before parsing, since a parser's own limit would depend on how deep its caller stands.
    if data.count(b"[") + data.count(b"{") > depth and _depth(data, depth) > depth:
        expected = f"at most {depth} levels of nesting"
        raise Fault(ROOT, expected, "deeper nesting", code="too_large")
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise Fault(ROOT, "JSON", _malformed(error), code="not_json") from None
    if _LONE_SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            got = "half of a surrogate pair"
            raise Fault(ROOT, "Unicode text", got, code="not_json") from None
    return value


def nulled(data: bytes) -> bytes | None:
    """Write null for ``NaN`` and ``Infinity``, which Python's and Java's producers send.

    Returns
    -------
    bytes or None
        None where there are none, or where they might stand inside a string.
    """
    if (b"NaN" not in data and b"Infinity" not in data) or b"\\" in data:
        return None
    out: list[bytes] = []
    at = quotes = 0
    for match in _NOT_FINITE.finditer(data):
        start = match.start()
        # No quote is escaped here: an even number of them before a place puts it outside strings.
        quotes += data.count(b'"', at, start)
        if quotes % 2 == 0:
            out += (data[at:start], b"null")
        else:
            out.append(data[at : match.end()])
        at = match.end()
    if not out:
        return None
    out.append(data[at:])
    return b"".join(out)


def _malformed(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return f"JSON cut off after {len(error.doc)} characters"
    return f"{error.msg} at character {error.pos}"


def _depth(data: bytes, limit: int) -> int:
    level = deepest = 0
    for match in _TOKEN.finditer(data):
        byte = data[match.start()]
        if byte in b"[{":
            level += 1
            deepest = max(deepest, level)
            if deepest > limit:
                break
        elif byte in b"]}":
            level -= 1
    return deepest


def split_envelope(data: bytes, limit: int) -> list[bytes] | None:
    """Return the bytes of each element of a JSON array; None where the array itself is broken.

    Elements are only told apart, not parsed: a malformed one does not touch its neighbours.

    Raises
    ------
    Fault
        There are more than `limit` elements.
    """
    parts = _split_sound(data) if data.count(b",") <= _MANY_COMMAS else None
    if parts is None:
        parts = _split(data, limit)
    if parts is None:
        return None
    if len(parts) > limit:
        raise Fault(ROOT, f"at most {limit} events in one message", "more", code="too_large")
    return parts


def _split_sound(data: bytes) -> list[bytes] | None:
    try:
        return [bytes(raw) for raw in _RAWS.decode(data)]
    except (msgspec.DecodeError, RecursionError):
        return None


def _split(data: bytes, limit: int) -> list[bytes] | None:
    """Do the same without trusting the elements to be JSON: commas at depth one divide them."""
    parts: list[bytes] = []
    level, start, end = 0, 0, None
    for match in _TOKEN.finditer(data):
        at = match.start()
        if end is not None:
            return None
        byte = data[at]
        if byte == 0x22:
            if match.end() - at == 1:
                return None
        elif byte in b"[{":
            level += 1
            if level == 1:
                start = at + 1
        elif byte in b"]}":
            level -= 1
            if level == 0:
                end = at
        elif level == 1:
            parts.append(data[start:at].strip(BLANK))
            start = at + 1
            if len(parts) > limit:
                break
    else:
        if end is None or data[end + 1 :].strip(BLANK):
            return None
        last = data[start:end].strip(BLANK)
        if last or parts:
            parts.append(last)
    return parts
