"""The references a worker knows, and from which slot on each of them holds."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import orjson

from driftline.errors import DriftlineError
from driftline.stats import Reference, with_segments
from driftline.stats.table import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftline.contract import Book, Contract
    from driftline.events.frame import Kind

ALWAYS = -(2**62)
FORMAT = 1


class References:
    """All references by model, filled from the compacted `references` topic.

    Every worker reads that topic whole before it starts and goes on reading; a reference, once
    known, never changes.
    """

    def __init__(self) -> None:
        self._from: dict[str, list[int]] = {}
        self._held: dict[str, list[Reference]] = {}
        self._by_id: dict[tuple[str, str], Reference] = {}
        self._by_version: dict[tuple[str, str], tuple[int, str]] = {}
        self._pinned: dict[str, Reference] = {}

    def add(self, value: bytes) -> Reference:
        """Take up one message of the `references` topic; a repeat changes nothing."""
        try:
            body = orjson.loads(value)
            start = int(body["holds_from"])
            version = body.get("version")
            if body["v"] != FORMAT:
                msg = f"reference message: expected format {FORMAT}, got {body['v']!r}"
                raise DriftlineError(msg)
            reference = Reference.from_json(orjson.dumps(body["reference"]))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            msg = f"references topic: expected a reference, got {type(error).__name__}: {error}"
            raise DriftlineError(msg) from error
        self.hold(reference, start, version)
        return reference

    def hold(self, reference: Reference, start: int, version: str | None = None) -> None:
        """Let a reference hold for all slots that begin at `start` (microseconds) or later.

        Parameters
        ----------
        version
            Of the model that it is of, where that is known.
        """
        model = reference.model
        starts = self._from.setdefault(model, [])
        held = self._held.setdefault(model, [])
        if (model, reference.id) in self._by_id:
            return
        self._by_id[model, reference.id] = reference
        if version is not None:
            about = model, version
            newest = max(self._by_version.get(about, (start, "")), (start, reference.id))
            self._by_version[about] = newest
        at = bisect_right(starts, start)
        starts.insert(at, start)
        held.insert(at, reference)

    def at(self, model: str, start: int) -> Reference | None:
        """Return the reference that holds for the slot which begins at `start`."""
        if model in self._pinned:
            return self._pinned[model]
        starts = self._from.get(model)
        if not starts:
            return None
        at = bisect_right(starts, start)
        return self._held[model][at - 1] if at else None

    def starts(self, model: str) -> list[int]:
        """Where each of the model's references begins to hold, ascending."""
        return [ALWAYS] if model in self._pinned else self._from.get(model, [])

    def followed(self, model: str, start: int) -> int | None:
        """Return since when the reference of a slot holds, if another one held before it."""
        starts = self.starts(model)
        at = bisect_right(starts, start)
        return starts[at - 1] if at > 1 else None

    def latest(self, model: str) -> Reference | None:
        """Return the model's newest reference."""
        if model in self._pinned:
            return self._pinned[model]
        held = self._held.get(model)
        return held[-1] if held else None

    def find(self, model: str, reference: str) -> Reference | None:
        """Return a reference by id."""
        return self._by_id.get((model, reference))

    def versions(self, model: str) -> list[str]:
        """Names under which the model's references can be asked for: versions and ids."""
        named = [version for name, version in self._by_version if name == model]
        return [*sorted(named), *(reference.id for reference in self._held.get(model, ()))]

    def of_version(self, model: str, version: str) -> Reference | None:
        """Return the newest reference of a version of the model, or the one with that id."""
        _, name = self._by_version.get((model, version), (0, version))
        return self._by_id.get((model, name))

    def pin(self, contract: Contract) -> None:
        """Let the version that a contract names hold for all slots, whatever else is published.

        Raises
        ------
        DriftlineError
            There is no such version.
        """
        wanted = contract.reference.version or ""
        found = self.of_version(contract.model, wanted)
        if found is None:
            names = ", ".join(self.versions(contract.model)) or "none has been published"
            msg = (
                f"{contract.model}: $.reference.version: expected a version on the references "
                f"topic ({names}), got {wanted!r}"
            )
            raise DriftlineError(msg)
        self._pinned[contract.model] = found

    def build_missing(self, book: Book) -> list[tuple[bytes, bytes]]:
        """Build what contracts take from files, and return the messages to publish.

        Two workers that build the same file publish the same bytes. What contracts take from
        another version has to be there already, see `pin`.
        """
        out = []
        for model in sorted(book.models):
            contract = book.of(model)
            if contract.reference.source == "version":
                self.pin(contract)
            if contract.reference.source == "file" and not self._from.get(model):
                reference = reference_from_file(contract)
                self.hold(reference, ALWAYS)
                out.append(reference_message(reference, ALWAYS))
        return out


def reference_message(
    reference: Reference, start: int, version: str | None = None
) -> tuple[bytes, bytes]:
    """Return key and value of a message on the `references` topic."""
    about = b'{"v":%d,"holds_from":%d,"version":%s' % (FORMAT, start, orjson.dumps(version))
    body = b'%s,"reference":%s}' % (about, reference.to_json())
    return f"{reference.model}/{reference.id}".encode(), body


def reference_from_file(contract: Contract) -> Reference:
    """Build a model's reference from the file that its contract names.

    A `.json` file is taken as a reference that was built and saved before.
    """
    path = contract.reference.path
    if path is None:
        msg = f"{contract.model}: $.reference.path: expected a file, got nothing"
        raise DriftlineError(msg)
    if path.endswith(".json"):
        with open(path, "rb") as file:  # noqa: PTH123
            return Reference.from_json(file.read())
    table = read_table(path)
    columns = table.columns
    if contract.features is not None:
        keep = {*contract.features, "prediction", "score"}
        columns = {n: v for n, v in columns.items() if n in keep or n.startswith("prediction.")}
    slot, seasonal = contract.slot, contract.reference.seasonal
    found = Reference.build(contract.model, columns, ts=table.ts, slot=slot, seasonal=seasonal)
    return with_segments(
        found,
        columns,
        table.segments or (),
        most=contract.segments.most,
        ts=table.ts,
        slot=slot,
        seasonal=seasonal,
    )


class Layouts:
    """What the codec asks about models: expected columns, limits, and whether to accept them."""

    def __init__(self, book: Book, references: References, *, reject_unknown: bool = False) -> None:
        self._book = book
        self._references = references
        self._reject_unknown = reject_unknown

    def kinds(self, model: str) -> Mapping[str, Kind] | None:
        """Return expected columns and their kinds; None while the model has no reference."""
        reference = self._references.latest(model)
        return reference.kinds if reference else None

    def max_ahead(self, model: str) -> int:
        """Return how far ``ts`` may run ahead of its record's timestamp, in microseconds."""
        return self._book.of(model).max_ahead

    def known(self, model: str) -> bool:
        """Return whether a contract names the model.

        A reference does not count: when a warm-up's reference is heard of depends on how the
        topics interleave, and where a dead letter is counted must not.
        """
        return model in self._book

    def accepts(self, model: str) -> bool:
        """Return whether events of the model are read at all."""
        return not self._reject_unknown or self.known(model)
