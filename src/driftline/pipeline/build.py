"""A reference from recorded events: a topic's range, or a file of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from driftline.contract import Book
from driftline.pipeline.observe import Observe
from driftline.pipeline.references import References
from driftline.pipeline.warmup import WarmUp
from driftline.stats import Pane, decode_pane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from driftline.contract import Contract
    from driftline.events.frame import Segment
    from driftline.events.mapping import InputSpec
    from driftline.events.record import RawRecord, Source
    from driftline.pipeline.emission import Emission
    from driftline.stats import Reference


def reference_from_records(
    contract: Contract,
    batches: Iterable[tuple[Source, Sequence[RawRecord]]],
    spec: Callable[[Source], InputSpec],
    span: tuple[int | None, int | None] = (None, None),
) -> Reference:
    """Build a model's reference from records, read exactly as a worker reads them.

    Parameters
    ----------
    batches
        Records by source partition, each partition's in order; those of other models are passed
        over.
    spec
        What a source's events are.
    span
        Event time to take, ``from <= ts < to`` in microseconds; None is open.

    Raises
    ------
    driftline.stats.BadReferenceError
        No row of the model lies in the span.
    """
    book, none = Book((contract,)), References()
    warmup = WarmUp(contract.model, contract.slot, 0, contract.segments.most)
    sources: dict[Source, Observe] = {}
    for source, records in batches:
        observe = sources.get(source)
        if observe is None:
            observe = sources[source] = Observe(source, spec(source), book, none, span=span)
        _keep(warmup, contract.model, observe.on_batch(records))
    for source in sorted(sources):
        _keep(warmup, contract.model, sources[source].finish())
    reference = warmup.build()
    assert reference is not None  # nothing is needed, so nothing is missing
    return reference


def _keep(warmup: WarmUp, model: str, emission: Emission) -> None:
    for key, value in emission.panes:
        if key != model.encode():
            continue
        message = decode_pane(orjson.loads(value), lambda _model, _reference: None)
        if message.pane.raw:
            segments: dict[Segment, Pane] = {message.key.segment: message.pane}
            warmup.hold(message.key.start, segments)
