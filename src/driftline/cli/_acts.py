"""Acts on incidents as the commands send them: one lifecycle event each, and the wait for it."""

from __future__ import annotations

import asyncio
import getpass
import time
from typing import TYPE_CHECKING, Any

import orjson

from driftline.errors import BrokerError, DriftlineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from driftline.bus.config import Config
    from driftline.events.record import Source

__all__ = ["send", "send_and_wait", "somebody", "until_of"]


def somebody(by: str | None) -> str:
    """Return who acts: who is named, or whoever is logged in."""
    return by or getpass.getuser()


def until_of(until: str | None, lasting: str | None, now: int, begins: int | None = None) -> str:
    """Return the end of a time that is given as such, or as how long it lasts; RFC 3339.

    Parameters
    ----------
    now, begins
        Microseconds; it begins now where that is left out.
    """
    from driftline.cli._recorded import instant
    from driftline.contract.quantities import parse_duration
    from driftline.events.time import format_ts

    if (until is None) == (lasting is None):
        got = "neither" if until is None else "both"
        msg = f"--until T or --for 2h: expected one of them, got {got}"
        raise UsageError(msg)
    if lasting is None:
        end = instant("--until", until)
        assert end is not None
    else:
        try:
            end = (begins or now) + parse_duration(lasting)
        except ValueError as error:
            msg = f"--for: expected a duration such as 2h, got {lasting!r}"
            raise UsageError(msg) from error
    if end <= max(now, begins or now):
        given = f"--until {until}" if lasting is None else f"--for {lasting}"
        msg = f"{given}: expected a time after {format_ts(max(now, begins or now))}, got one before"
        raise UsageError(msg)
    return format_ts(end)


def send(config: Config, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Send lifecycle events: ``model``, ``kind`` and whatever else they say.

    Returns
    -------
    The events with their ``ts``: as near to their arrival as may be, as that is when they count.

    Raises
    ------
    UsageError
        The configuration has no input that they could go to.
    BrokerError
        Not all of them arrived.
    """
    from driftline.bus.topics import partition_counts
    from driftline.events.time import format_ts
    from driftline.publish import Publisher

    topic = _topic(config)
    if not asyncio.run(partition_counts(config.broker, [topic]))[topic]:
        msg = (
            f"{config.broker.bootstrap}: no topic {topic}; "
            "`driftline topics apply --with-inputs` creates the topics"
        )
        raise BrokerError(msg)
    connection = config.broker.client()
    publisher = Publisher(
        connection.pop("bootstrap_servers"),
        topics={"lifecycle": topic},
        strict=True,
        on_sigterm=False,
        connection=connection,
    )
    stamped = []
    try:
        ts = format_ts(time.time_ns() // 1_000)
        for event in events:
            stamped.append({"ts": ts, **event})
            publisher.lifecycle(**stamped[-1])
    finally:
        arrived = publisher.close(config.broker.give_up_after / 1e6)
    if not arrived or publisher.counts.lost:
        msg = f"{topic}: expected {len(events)} events to be sent, got {publisher.counts}"
        raise BrokerError(msg)
    return stamped


def _topic(config: Config) -> str:
    if not config.inputs:
        return config.topic("lifecycle")
    found = [spec.topic for spec in config.inputs if spec.type == "lifecycle"]
    if not found:
        msg = (
            "inputs: expected one of type lifecycle, through which driftline hears of acts, "
            "got none"
        )
        raise UsageError(msg)
    return found[0]


def send_and_wait(
    config: Config, events: Sequence[Mapping[str, Any]], patience_s: float
) -> list[dict[str, Any]]:
    """Send acts on incidents, and wait for the alerts that report them.

    Returns
    -------
    The events as `send` returns them, each with the ``state`` and ``reason`` of its alert, or with
    why it was ``refused``, and after how many ``seconds``.

    Raises
    ------
    DriftlineError
        Not all have been reported in time.
    """
    from driftline.bus.follow import ends

    topics = [config.topic("alerts"), config.topic("feedback")]
    starts = asyncio.run(ends(config.broker, topics))
    sent = send(config, events)
    told = asyncio.run(_wait(config, topics, starts, sent, patience_s))
    return [event | told[event["incident"]] for event in sent]


async def _wait(
    config: Config,
    topics: Sequence[str],
    starts: Mapping[Source, int],
    events: Sequence[Mapping[str, Any]],
    patience_s: float,
) -> dict[str, dict[str, Any]]:
    from driftline.bus.follow import follow

    left = {event["incident"]: event["ts"] for event in events}
    told: dict[str, dict[str, Any]] = {}
    begun = time.monotonic()
    try:
        async with asyncio.timeout(patience_s):
            async for _, records in follow(config.broker, topics, starts=starts):
                for record in records:
                    event = {} if record.value is None else orjson.loads(record.value)
                    name = event.get("data", {}).get("incident")
                    if name not in left or event["time"] != left[name]:
                        continue
                    seconds = round(time.monotonic() - begun, 3)
                    told[name] = {**_told(event), "seconds": seconds}
                    del left[name]
                if not left:
                    return told
    except TimeoutError:
        pass
    msg = (
        f"{config.topic('alerts')}: expected word of {', '.join(left)} within {patience_s:g} s, "
        "got none: the act is on its way; does a worker run?"
    )
    raise DriftlineError(msg)


def _told(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event["data"]
    if event["type"] == "driftline.feedback.act_refused":
        return {"refused": data["text"]}
    return {"state": data["state"], "reason": data["reason"]}
