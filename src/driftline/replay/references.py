"""References that have to be there before a replay begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from msgspec import structs

from driftline.bus.reader import read
from driftline.errors import DriftlineError, UsageError
from driftline.events.time import parse_ts
from driftline.pipeline.references import ALWAYS, References, reference_from_file
from driftline.replay.naming import NamedTopic, parse_source
from driftline.stats import Reference
from driftline.stats.table import table_from_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driftline.bus.config import BrokerConfig
    from driftline.contract import Book, Contract

__all__ = ["build_reference", "reference_from_topic", "references_for"]


def references_for(book: Book, broker: BrokerConfig) -> References:
    """Build the references that contracts take from files and from topics.

    Those from the first events are built by the pipeline itself, as they come.
    """
    references = References()
    references.build_missing(book)
    for contract in book:
        if contract.reference.source == "topic":
            references.hold(reference_from_topic(contract, broker), ALWAYS)
    return references


def reference_from_topic(contract: Contract, broker: BrokerConfig) -> Reference:
    """Build a model's reference from the stretch of a topic that its contract names.

    Events of other models, and what cannot be read, are passed over.

    Raises
    ------
    DriftlineError
        There is no event of the model in that stretch.
    """
    plan = contract.reference
    topic = plan.topic or ""
    table = table_from_events(_events(contract, broker), topic)
    if not table.rows:
        msg = f"{contract.model}: expected events in topic {topic} to build its reference, got none"
        raise DriftlineError(msg)
    columns = table.columns
    if contract.features is not None:
        keep = {*contract.features, "prediction", "score"}
        columns = {name: values for name, values in columns.items() if name in keep}
    return Reference.build(contract.model, columns, ts=table.ts, slot=contract.slot)


def _events(contract: Contract, broker: BrokerConfig) -> Iterator[dict[str, Any]]:
    plan = contract.reference
    # Record time runs at most `max_ahead` behind event time; the end is judged by event time alone,
    # as a topic may have been filled long after.
    begin = None if plan.start is None else plan.start - contract.max_ahead
    for _, records in read(broker, plan.topic or "", start_us=begin):
        for record in records:
            yield from _own(record.value, record.timestamp, contract)


def _own(
    value: bytes | None, timestamp: int | None, contract: Contract
) -> Iterator[dict[str, Any]]:
    plan = contract.reference
    try:
        body = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return
    for event in body if isinstance(body, list) else [body]:
        if not isinstance(event, dict) or event.get("model") != contract.model:
            continue
        try:
            us = parse_ts(event["ts"]) if "ts" in event else (timestamp or 0) * 1000
        except DriftlineError:
            continue
        if (plan.start is None or us >= plan.start) and (plan.end is None or us < plan.end):
            yield {**event, "ts": us / 1e6}


def build_reference(contract: Contract, source: str | None, broker: BrokerConfig) -> Reference:
    """Build a model's reference now, for a file of its own.

    Parameters
    ----------
    source
        SOURCE to build from instead of what the contract names: a file of rows or a topic.

    Raises
    ------
    UsageError
        The contract does not say from what, and neither does `source`.
    """
    plan = contract.reference
    if source is not None:
        named = parse_source(source)
        if isinstance(named, NamedTopic):
            broker = structs.replace(broker, bootstrap=named.bootstrap)
            plan = structs.replace(plan, source="topic", topic=named.topic)
        else:
            plan = structs.replace(plan, source="file", path=str(named.path))
        contract = structs.replace(contract, reference=plan)
    if plan.source == "file":
        return reference_from_file(contract)
    if plan.source == "topic":
        return reference_from_topic(contract, broker)
    msg = (
        f"{contract.model}: $.reference.from is {plan.source}: there is nothing to build from; "
        "say --from FILE or --from kafka://host:port/topic"
    )
    raise UsageError(msg)
