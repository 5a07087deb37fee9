"""References that contracts take from a stretch of a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from driftline.bus.reader import read
from driftline.events.mapping import spec_of
from driftline.pipeline import ALWAYS, reference_from_records, reference_message

if TYPE_CHECKING:
    from driftline.bus.config import Config
    from driftline.contract import Book, Contract
    from driftline.pipeline import References
    from driftline.stats import Reference

__all__ = ["build_topic_references", "read_versions", "reference_from_topic"]


def reference_from_topic(contract: Contract, config: Config) -> Reference:
    """Build a model's reference from the stretch of a topic that its contract names.

    The topic is read as a worker reads it, fields where the configuration says they are. Events of
    other models, and what cannot be read, are passed over.

    Raises
    ------
    driftline.stats.BadReferenceError
        No event of the model lies in that stretch.
    """
    plan = contract.reference
    topic = plan.topic or ""
    spec = spec_of(topic, config.inputs)
    # Record time runs at most `max_ahead` behind event time; the end is judged by event time alone,
    # as a topic may have been filled long after.
    begin = None if plan.start is None else plan.start - contract.max_ahead
    batches = read(config.broker, topic, start_us=begin)
    return reference_from_records(contract, batches, lambda _: spec, (plan.start, plan.end))


def build_topic_references(
    book: Book, config: Config, references: References
) -> list[tuple[bytes, bytes]]:
    """Build what contracts take from topics and nobody has published; return the messages."""
    out = []
    for contract in book:
        if contract.reference.source == "topic" and references.latest(contract.model) is None:
            reference = reference_from_topic(contract, config)
            references.hold(reference, ALWAYS)
            out.append(reference_message(reference, ALWAYS))
    return out


def read_versions(book: Book, config: Config, references: References) -> None:
    """Read what has been published of models whose contract names a version of its reference."""
    models = {contract.model for contract in book if contract.reference.source == "version"}
    if not models:
        return
    for _, records in read(config.broker, config.topic("references")):
        for record in records:
            if record.value is None:
                continue
            # Only these: the others' references are the replay's own, as they come.
            if orjson.loads(record.value)["reference"]["model"] in models:
                references.add(record.value)
