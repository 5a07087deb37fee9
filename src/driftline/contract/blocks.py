"""What is made of other values: lists, mappings with fixed keys, mappings with free ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from driftline.contract.kinds import FAULTY
from driftline.contract.names import suggest
from driftline.contract.nodes import NULL, child, describe, short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from driftline.contract.kinds import Kind, Schema
    from driftline.contract.nodes import Findings
    from driftline.contract.types import Block

__all__ = ["BlockOf", "Field", "ListOf", "MapOf", "Scope", "entries"]


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a block.

    Attributes
    ----------
    key
        As it stands in YAML.
    kind, about
        What may stand there, and what it means in one line, for editors.
    attribute
        Its name in the type, where that differs.
    required
        Whether a fault is noted where it is absent.
    """

    key: str
    kind: Kind
    about: str
    attribute: str = ""
    required: bool = False

    @property
    def name(self) -> str:
        """Name of the attribute."""
        return self.attribute or self.key


@dataclass(frozen=True, slots=True)
class Scope:
    """What a check across several keys of a block sees.

    Attributes
    ----------
    values
        By key: what was read, or the default; `FAULTY` where a fault has been noted.
    nodes
        By key: where the value stands, for the keys that are there.
    whole
        The block itself.
    """

    values: Mapping[str, Any]
    nodes: Mapping[str, yaml.Node]
    whole: yaml.Node
    path: str
    findings: Findings

    def good(self, *keys: str) -> bool:
        """Whether all of these were read without a fault."""
        return all(self.values[key] is not FAULTY for key in keys)

    def fault(self, key: str, expected: str, got: str = "", problem: str = "") -> None:
        """Note a fault at a key, or at the block where the key is absent."""
        node = self.nodes.get(key)
        got = got or (describe(node) if node is not None else "nothing")
        place = self.whole if node is None else node
        self.findings.add(place, child(self.path, key), expected, got, problem)


@dataclass(frozen=True, slots=True)
class BlockOf:
    """A mapping with fixed keys that becomes one of the contract's types."""

    type: type[Block]
    fields: tuple[Field, ...]
    checks: tuple[Callable[[Scope], None], ...] = ()
    """Rules across keys; each notes what breaks it."""
    extra_schema: Schema = field(default_factory=dict)
    """What JSON Schema can say of those rules."""

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return an instance of `type`."""
        values = self.values(node, path, findings)
        return FAULTY if values is None else self.type(**values)

    def values(self, node: yaml.Node, path: str, findings: Findings) -> dict[str, Any] | None:
        """Return the attributes that are stated, or None where there is any fault."""
        before = len(findings.faults)
        known = {field.key: field for field in self.fields}
        found = entries(node, path, f"a mapping with {', '.join(known)}", findings)
        if found is None:
            return None
        nodes: dict[str, yaml.Node] = {}
        meant = set()
        for key, (key_node, value_node) in found.items():
            if key in known:
                nodes[key] = value_node
            else:
                meant.add(unknown_key(key_node, key, path, known, findings))
        read = {
            key: known[key].kind.read(value, child(path, key), findings)
            for key, value in nodes.items()
        }
        missing = [each for each in self.fields if each.required and each.key not in nodes]
        for each in missing:
            # Of a key that is there under a misspelt name, the misspelling has been noted.
            if each.key not in meant:
                problem = f"missing ({each.about})"
                findings.add(node, child(path, each.key), each.about, "nothing", problem)
        defaults = {each.key: self.default(each) for each in self.fields}
        seen = defaults | {each.key: FAULTY for each in missing} | read
        scope = Scope(seen, nodes, node, path, findings)
        for check in self.checks:
            check(scope)
        if len(findings.faults) > before:
            return None
        return {known[key].name: value for key, value in read.items()}

    def default(self, entry: Field) -> Any:
        """Return the default of a key as the type has it, or None where it has none."""
        found = self.type.__struct_defaults__
        names = self.type.__struct_fields__
        # Defaults are aligned to the end of the fields, as a function's are.
        position = names.index(entry.name) - len(names) + len(found)
        if position < 0:
            return None
        default = found[position]
        return default.factory() if hasattr(default, "factory") else default

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        properties = {}
        for entry in self.fields:
            default = self.default(entry)
            stated = (
                {} if default is None or default == {} else {"default": entry.kind.dump(default)}
            )
            properties[entry.key] = {"description": entry.about, **stated, **entry.kind.schema()}
        required = [entry.key for entry in self.fields if entry.required]
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            **({"required": required} if required else {}),
            **self.extra_schema,
        }

    def dump(self, value: Any) -> Any:
        """Return every key that has a value, defaults too, in the order of the table."""
        found = ((entry, getattr(value, entry.name)) for entry in self.fields)
        return {entry.key: entry.kind.dump(each) for entry, each in found if each is not None}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list that becomes a tuple; no value may come twice."""

    kind: Kind
    expected: str
    least: int = 0

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a tuple, with `FAULTY` in the place of each faulty item."""
        if not isinstance(node, yaml.SequenceNode) or len(node.value) < self.least:
            findings.add(node, path, self.expected)
            return FAULTY
        items = tuple(
            self.kind.read(item, child(path, i), findings) for i, item in enumerate(node.value)
        )
        for i, item in enumerate(items):
            if item is not FAULTY and item in items[:i]:
                got = f"the same as {child(path, items.index(item))}"
                findings.add(node.value[i], child(path, i), "each value once", got)
        return items

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.kind.schema(), **least, "uniqueItems": True}

    def dump(self, value: Any) -> Any:
        """Return a list."""
        return [self.kind.dump(item) for item in value]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from names, free or one of `keys`, to values of one kind.

    With `empty` a name with nothing behind it stands for the value of an empty mapping.
    """

    kind: Kind
    expected: str
    keys: tuple[str, ...] = ()
    empty: bool = False
    least: int = 1
    longest: int = 256

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a dict, or `FAULTY` where any entry is."""
        before = len(findings.faults)
        found = entries(node, path, self.expected, findings)
        if found is None:
            return FAULTY
        if len(found) < self.least:
            findings.add(node, path, self.expected)
        values = {}
        for key, (key_node, value_node) in found.items():
            if self.keys and key not in self.keys:
                unknown_key(key_node, key, path, self.keys, findings)
                continue
            if not 1 <= len(key.encode()) <= self.longest:
                expected = f"a name of 1 to {self.longest} bytes"
                findings.add(key_node, child(path, key), expected, f"one of {len(key.encode())}")
                continue
            values[key] = self.kind.read(self._filled(value_node), child(path, key), findings)
        return FAULTY if len(findings.faults) > before else values

    def _filled(self, node: yaml.Node) -> yaml.Node:
        if not (self.empty and node.tag == NULL):
            return node
        return yaml.MappingNode("tag:yaml.org,2002:map", [], node.start_mark, node.end_mark)

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        inner = self.kind.schema()
        if self.empty:
            inner = {**inner, "type": ["object", "null"]}
        if self.keys:
            properties: Schema = dict.fromkeys(self.keys, inner)
            names: Schema = {"properties": properties, "additionalProperties": False}
        else:
            limits = {"minLength": 1, "maxLength": self.longest}
            names = {"additionalProperties": inner, "propertyNames": limits}
        least = {"minProperties": self.least} if self.least else {}
        return {"type": "object", **least, **names}

    def dump(self, value: Any) -> Any:
        """Return a mapping, sorted by name."""
        return {key: self.kind.dump(each) for key, each in sorted(value.items())}


def entries(
    node: yaml.Node, path: str, expected: str, findings: Findings
) -> dict[str, tuple[yaml.Node, yaml.Node]] | None:
    """Return key node and value node of a mapping by key, or None where it is no mapping.

    Keys are names as they are written, whatever YAML would take them for. A key that comes again,
    or is no name, is a fault and is left out.
    """
    if not isinstance(node, yaml.MappingNode):
        findings.add(node, path, expected)
        return None
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            findings.add(key_node, path, "a name as key")
            continue
        key = key_node.value
        if key in found:
            first = found[key][0].start_mark
            got = f"{short(key)} again (first on line {first.line + 1})"
            findings.add(key_node, child(path, key), "each key once", got)
            continue
        found[key] = (key_node, value_node)
    return found


def unknown_key(
    node: yaml.Node,
    key: str,
    path: str,
    known: Mapping[str, Any] | tuple[str, ...],
    findings: Findings,
) -> str | None:
    """Note a key that nobody knows; return the one that was probably meant."""
    names = ", ".join(known)
    meant = suggest(key, known)
    hint = f"did you mean {meant}?" if meant else f"known here: {names}"
    expected = f"one of the keys {names}"
    findings.add(node, child(path, key), expected, describe(node), f"unknown key, {hint}")
    return meant
