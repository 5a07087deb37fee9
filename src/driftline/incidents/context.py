"""What an incident is told about beside its findings: reference, recent panes, sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.events.time import format_ts
from driftline.stats import Pane
from driftline.stats.summary import Summariser

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from driftline.events.frame import Segment
    from driftline.stats import Column, Reference

__all__ = ["Context", "Served"]


class Served(NamedTuple):
    """Whose predictions a slot had: how many, and by version and arm where they name one."""

    predictions: int = 0
    versions: Mapping[str, int] = MappingProxyType({})
    arms: Mapping[str, int] = MappingProxyType({})


NOBODY = Served()


@dataclass(slots=True)
class Context:
    """The model's situation at one step. Statistics are computed only when an alert needs them.

    Attributes
    ----------
    now
        Event time of the step, microseconds since the epoch: the end of the slot just judged.
    reference
        The reference that the findings were made on; None where there is none yet.
    recent
        (start, merged pane) of the slots judged last, ascending; their panes are not changed.
    topics
        Topics (or files) that the model's events came from, sorted.
    served
        Whose predictions the slot had.
    """

    now: int
    reference: Reference | None = None
    recent: Sequence[tuple[int, Pane]] = ()
    topics: tuple[str, ...] = ()
    served: Served = NOBODY
    _windows: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict, repr=False)

    def window(
        self, since: int, until: int, slot: int, names: Iterable[str]
    ) -> dict[str, Any] | None:
        """Describe columns from the change on, as far as the recent slots go back.

        Parameters
        ----------
        since, until
            Event time, microseconds: slots that end after `since` and by `until` are merged.
        slot
            Length of a slot, microseconds.

        Returns
        -------
        dict or None
            ``start``, ``end`` and ``statistics`` by column name; None where no slot is that recent.
        """
        reference = self.reference
        if reference is None:
            return None
        chosen = [
            (start, pane)
            for start, pane in self.recent
            if since < start + slot <= until and _same(pane.reference, reference)
        ]
        if not chosen:
            return None
        key = (chosen[0][0], chosen[-1][0])
        if key not in self._windows:
            merged = Pane.empty(reference, 0)
            # Many slots may outgrow int64 squares: Python's integers do not overflow.
            merged.sums = merged.sums.astype(object)
            for _, pane in chosen:
                merged.merge(pane)
            self._windows[key] = Summariser(reference).of(merged)
        described = self._windows[key]
        return {
            "start": format_ts(chosen[0][0]),
            "end": format_ts(chosen[-1][0] + slot),
            "statistics": {name: described[name] for name in names if name in described},
        }

    def normal(self, name: str | None, segment: Segment = ()) -> dict[str, Any] | None:
        """Name the reference and describe one of its columns; None where there is no reference.

        Of a segment it is the segment's own rows that are counted and described.
        """
        if self.reference is None:
            return None
        own = self.reference.segments.get(segment, self.reference)
        position = None if name is None else own.index.get(name)
        column = None if position is None else own.columns[position]
        return {
            "id": self.reference.id,
            "events": own.events,
            "statistics": None if column is None else _describe(column),
        }


def _same(one: Reference | None, other: Reference) -> bool:
    return one is not None and (one is other or one.id == other.id)


def _describe(column: Column) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": column.kind,
        "count": int(column.counts[:-1].sum()),
        "missing": int(column.counts[-1]),
        "bins": column.edges.tolist() if column.numeric else list(column.categories),
        "histogram": column.counts[: column.bins].tolist(),
    }
    if column.numeric:
        told |= {
            "mean": column.mean,
            "sd": column.sd,
            "median": column.median,
            "min": column.minimum,
            "max": column.maximum,
        }
    else:
        shares = column.counts[: column.bins].tolist()
        pairs = zip(column.categories, shares, strict=True)
        # The levels come by falling frequency; a screenful of them says enough.
        told["levels"] = dict(list(pairs)[:10])
    return told
