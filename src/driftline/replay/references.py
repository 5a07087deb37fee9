"""References that have to be there before a replay begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from driftline.bus.references import build_topic_references, read_versions, reference_from_topic
from driftline.errors import UsageError
from driftline.pipeline.references import References, reference_from_file
from driftline.replay.naming import NamedTopic, parse_source

if TYPE_CHECKING:
    from driftline.bus.config import Config
    from driftline.contract import Book, Contract
    from driftline.stats import Reference

__all__ = ["build_reference", "references_for"]


def references_for(book: Book, config: Config) -> References:
    """Build the references that contracts take from files and from topics.

    Those of a version are read from the `references` topic. Those from the first events are built
    by the pipeline itself, as they come.
    """
    references = References()
    read_versions(book, config, references)
    references.build_missing(book)
    build_topic_references(book, config, references)
    return references


def build_reference(contract: Contract, source: str | None, config: Config) -> Reference:
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
            broker = structs.replace(config.broker, bootstrap=named.bootstrap)
            config = structs.replace(config, broker=broker)
            plan = structs.replace(plan, source="topic", topic=named.topic)
        else:
            plan = structs.replace(plan, source="file", path=str(named.path))
        contract = structs.replace(contract, reference=plan)
    if plan.source == "file":
        return reference_from_file(contract)
    if plan.source == "topic":
        return reference_from_topic(contract, config)
    msg = (
        f"{contract.model}: $.reference.from is {plan.source}: there is nothing to build from; "
        "say --from FILE or --from kafka://host:port/topic"
    )
    raise UsageError(msg)
