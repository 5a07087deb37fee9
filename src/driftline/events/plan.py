"""What the fast path has learnt of one model's events: which keys come, and the types to expect.

A plan is a tree of the keys seen in good events. From it a `msgspec.Struct` is defined that takes
exactly such events: any other key, a missing one that has always come, or a value of another type
makes msgspec refuse the element, and the careful path reads it instead and teaches the plan.
What a plan has learnt decides how fast an event is read, never what it means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, UnsetType

from driftline.events.fields import FIELDS, required
from driftline.events.shape import Shape, column_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from driftline.events.careful import Event
    from driftline.events.frame import EventType, Kind
    from driftline.events.limits import Limits

__all__ = ["Branch", "Leaf", "Plan"]

SCALAR = Union[str, int, float, bool, None]  # noqa: UP007 - a value, not an annotation
_BY_KIND: dict[Kind | None, Any] = {
    "numeric": float | None,
    "categorical": str | None,
    "boolean": bool | None,
    None: SCALAR,
}
_UNSAYABLE = re.compile(r'["\\\x00-\x1f]')
"""Characters that msgspec takes in no field name; events with such keys stay careful."""
PASSED_OVER = 256
"""Most keys that are no fields and no features for which a plan makes room."""
FREE_CHANGES = 64
ROWS_PER_CHANGE = 100_000
"""After its first changes a plan may change once in so many rows, so that a producer whose events
never look alike costs the careful path's time and not that of defining ever new types."""


@dataclass(slots=True, eq=False)
class Leaf:
    """One key with a value that is read.

    ``loose`` is set once a scalar of an unexpected type was seen: from then on any scalar is taken
    and sorted out afterwards. ``objects`` and ``scalars`` say what a prediction has come as;
    ``packed`` that its type, as defined, lets nothing but finite floats through.
    """

    role: Literal["field", "feature", "passed"]
    name: str
    counted: bool = False
    always: bool = True
    loose: bool = False
    objects: bool = False
    scalars: bool = False
    packed: bool = False


@dataclass(slots=True, eq=False)
class Branch:
    """One key with an object that is gone through.

    ``layout`` is what ``children`` were when ``struct`` was defined, in the order of its fields.
    """

    shape: Shape
    always: bool = True
    children: dict[str, Leaf | Branch] = field(default_factory=dict)
    layout: tuple[Leaf | Branch, ...] = ()
    struct: type[msgspec.Struct] | None = None
    blank: Any = None


class Plan:
    """Learn one (model, type) of an input, and define the types that read it.

    Attributes
    ----------
    root
        The tree of keys; `Branch.struct` are the types as of the last `define`.
    decode, decode_many
        Decoders of one element, and of an array of them; None until `define` succeeded.
    """

    def __init__(
        self, model: str, type_: EventType, shape: Shape, fixed: Mapping[str, str], limits: Limits
    ) -> None:
        self.model = model
        self.type = type_
        self.fixed = fixed
        self.kinds: Mapping[str, Kind] | None = None
        self.root = Branch(shape)
        self.decode: Callable[[bytes], Any] | None = None
        self.decode_many: Callable[[bytes], Sequence[Any]] | None = None
        self.columns = 0
        self._limits = limits
        self._passed = 0
        self._changed = True
        self._changes = 0
        self._rows = 0

    def learn(self, event: Event) -> bool:
        """Take a good event's keys and types into account; return whether that changed the plan."""
        self._rows += 1
        fresh = not self.root.children
        changed = self._learn(self.root, event.document, event, fresh=fresh)
        self._changed |= changed
        return changed

    def refresh(self, kinds: Mapping[str, Kind] | None) -> None:
        """Define the types anew where the keys or the expected kinds have changed."""
        retyped = kinds is not self.kinds
        if not (retyped or self._changed) or not self.root.children:
            return
        if not retyped and self._changes >= FREE_CHANGES:
            if self._rows < ROWS_PER_CHANGE:
                return
            self._rows = 0
        self._changes += 1
        self._changed = False
        self.kinds = kinds
        self.decode = self.decode_many = None
        if self._complete(self.root) != required(self.type) - {*self.fixed, "features"}:
            return  # a required field's key cannot be said to msgspec
        row: Any = self._define(self.root)
        self.decode = msgspec.json.Decoder(row).decode
        self.decode_many = msgspec.json.Decoder(list[row]).decode

    def note(self, rows: int, idle: int) -> None:
        """Take note of rows read, and of keys that none of them had; forget when most are idle."""
        self._rows += rows
        if rows >= 256 and idle > 64 and idle > self.columns // 2:
            self.root = Branch(self.root.shape)
            self.columns = self._passed = 0
            self.decode = self.decode_many = None
            self._changed = True

    def _learn(
        self, branch: Branch, document: dict[str, Any], event: Event, *, fresh: bool
    ) -> bool:
        changed = False
        children = branch.children
        if not document.keys() <= children.keys():
            for key, value in document.items():
                if key in children:
                    continue
                kid = self._kid(branch.shape, key, value)
                if kid is None:
                    continue
                kid.always = fresh
                children[key] = kid
                changed = True
                if isinstance(kid, Branch) and isinstance(value, dict):
                    self._learn(kid, value, event, fresh=True)
        if not fresh and len(children) > len(document):
            for key, kid in children.items():
                if kid.always and key not in document:
                    kid.always = False
                    changed = True
        for key, kid in children.items():
            if isinstance(kid, Branch):
                value = document.get(key)
                if isinstance(value, dict):
                    changed |= self._learn(kid, value, event, fresh=False)
            elif (event.invalid or kid.name == "prediction") and key in document:
                changed |= _widen(kid, document[key], event)
        return changed

    def _kid(self, shape: Shape, key: str, value: Any) -> Leaf | Branch | None:
        if _UNSAYABLE.search(key):
            return None
        leads_to = shape.children.get(key)
        if isinstance(leads_to, Shape):
            return Branch(leads_to) if isinstance(value, dict) else None
        if isinstance(leads_to, str):
            return Leaf("field", leads_to)
        if shape.rest == "feature":
            if self.columns >= self._limits.features:
                return None
            self.columns += 1
            return Leaf("feature", column_name(key))
        if self._passed >= PASSED_OVER:
            return None
        self._passed += 1
        return Leaf("passed", key, counted=shape.rest == "unknown")

    def _complete(self, branch: Branch) -> set[str]:
        found: set[str] = set()
        for kid in branch.children.values():
            if isinstance(kid, Branch):
                found |= self._complete(kid)
            elif kid.role == "field":
                found.add(kid.name)
        return found & required(self.type)

    def _define(self, branch: Branch) -> type[msgspec.Struct]:
        fields: list[tuple[str, Any, Any]] = []
        for number, (key, kid) in enumerate(branch.children.items()):
            if isinstance(kid, Branch):
                type_: Any = Union[self._define(kid), None]  # noqa: UP007
            elif kid.role == "passed":
                type_ = msgspec.Raw
            elif kid.role == "feature":
                kind = (self.kinds or {}).get(kid.name)
                type_ = SCALAR if kid.loose else _BY_KIND[kind]
                kid.packed = kind == "numeric" and not kid.loose
            else:
                type_ = self._field_type(kid)
            if kid.always:
                fields.append((f"f{number}", type_, msgspec.field(name=key)))
            else:
                type_ = Union[type_, UnsetType]  # noqa: UP007
                fields.append((f"f{number}", type_, msgspec.field(default=UNSET, name=key)))
        branch.struct = msgspec.defstruct(
            "Row", fields, kw_only=True, forbid_unknown_fields=True, gc=False
        )
        branch.layout = tuple(branch.children.values())
        branch.blank = branch.struct(**{name: UNSET for name, _, _ in fields})
        return branch.struct

    def _field_type(self, leaf: Leaf) -> Any:
        limits = self._limits
        text = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.id_chars)]
        needed = leaf.name in required(self.type)
        if leaf.name == "type":
            return Literal[self.type]
        match FIELDS[self.type][leaf.name]:
            case "model":
                return Literal[self.model]
            case "time":
                return str | int | float | None
            case "segment":
                return dict[str, str] | None
            case "prediction":
                return self._prediction_type(leaf)
            case "score":
                return SCALAR if leaf.loose else float | None
            case "id":
                return text | int if needed else text | int | None
            case "word":
                return text
            case "text":
                return str | None
            case "mark":
                return str | int | None
            case "number":
                return float | None
            case "measure":
                return float
            case "scalar":
                return str | int | float | bool
            case "source":
                return Literal["serving", "training"] | None
            case other:
                msg = f"{other} is not a single value"
                raise AssertionError(msg)

    def _prediction_type(self, leaf: Leaf) -> Any:
        kind = (self.kinds or {}).get("prediction")
        if kind is None or leaf.loose:
            single: Any = str | int | float | bool
        else:
            single = {"numeric": float, "categorical": str, "boolean": bool}[kind]
        if not leaf.objects:
            return single
        return single | dict[str, float] if leaf.scalars else dict[str, float]


def _widen(leaf: Leaf, value: Any, event: Event) -> bool:
    """Let a leaf take what this event had there; return whether it did not before."""
    before = leaf.loose, leaf.objects, leaf.scalars
    nested = isinstance(value, dict | list)
    if leaf.role == "feature" or (leaf.role == "field" and leaf.name in {"score", "prediction"}):
        # Nested values are for the careful path each time: a scalar type cannot hold them.
        leaf.loose |= not nested and leaf.name in event.invalid
    if leaf.role == "field" and leaf.name == "prediction":
        leaf.objects |= nested
        leaf.scalars |= not nested
    return before != (leaf.loose, leaf.objects, leaf.scalars)
