"""The values of a contract that can be written in two ways, or stand for more than they say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from driftline.contract.blocks import BlockOf, MapOf, entries
from driftline.contract.checks import SOURCES
from driftline.contract.kinds import FAULTY, Duration, Schema, plain, text_of
from driftline.contract.names import suggest
from driftline.contract.nodes import BOOL, NULL, child, describe, number
from driftline.contract.types import DetectorPlan, WindowPlan

if TYPE_CHECKING:
    from driftline.contract.nodes import Findings

__all__ = ["DetectorKind", "Only", "ReferenceKind", "WindowKind"]


class Parameter:
    """A number, text, true, false, null, or a list of these: what a detector's parameter may be."""

    _expected: Final = "a number, text, true, false, null or a list of these"
    _scalar: Final[Schema] = {"type": ["number", "string", "boolean", "null"]}

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a JSON scalar or a list of them."""
        if isinstance(node, yaml.SequenceNode):
            items = [
                self._item(item, child(path, i), findings) for i, item in enumerate(node.value)
            ]
            return FAULTY if FAULTY in items else items
        return self._item(node, path, findings)

    def _item(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        value = number(node)
        if value is not None and abs(value) < float("inf"):
            return value
        if (text := text_of(node)) is not None:
            return text
        if node.tag == BOOL and node.value.lower() in {"true", "false"}:
            return node.value.lower() == "true"
        if node.tag == NULL and isinstance(node, yaml.ScalarNode):
            return None
        findings.add(node, path, self._expected)
        return FAULTY

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return {"anyOf": [self._scalar, {"type": "array", "items": self._scalar}]}

    def dump(self, value: Any) -> Any:
        """Return the value itself, whole numbers without a point."""
        return [plain(item) for item in value] if isinstance(value, list) else plain(value)


@dataclass(frozen=True, slots=True)
class DetectorKind:
    """A detector's name, or a mapping from its name to its parameters."""

    names: tuple[str, ...]

    _parameters = MapOf(Parameter(), "a mapping of parameters", least=0)

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a `DetectorPlan`."""
        if isinstance(node, yaml.MappingNode):
            found = entries(node, path, "", findings)
            if found is None or len(node.value) != 1 or not found:
                expected = "one detector's name with its parameters"
                findings.add(node, path, expected, f"a mapping with {len(node.value)} keys")
                return FAULTY
            ((name, (key_node, value_node)),) = found.items()
            known = self._known(name, key_node, path, findings)
            parameters = self._parameters.read(value_node, child(path, name), findings)
            if not known or parameters is FAULTY:
                return FAULTY
            return DetectorPlan(name=name, parameters=parameters)
        name = text_of(node) or ""
        return DetectorPlan(name=name) if self._known(name, node, path, findings) else FAULTY

    def _known(self, name: str, node: yaml.Node, path: str, findings: Findings) -> bool:
        if name in self.names:
            return True
        meant = suggest(name, self.names)
        hint = f" (did you mean {meant}?)" if meant else ""
        findings.add(node, path, f"one of {', '.join(self.names)}", describe(node) + hint)
        return False

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        parameters = self._parameters.schema()
        mapping: Schema = {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": dict.fromkeys(self.names, parameters),
        }
        return {"anyOf": [{"enum": list(self.names)}, mapping]}

    def dump(self, value: Any) -> Any:
        """Return the name alone where there are no parameters."""
        if not value.parameters:
            return value.name
        return {value.name: self._parameters.dump(value.parameters)}


@dataclass(frozen=True, slots=True)
class WindowKind:
    """A window's length, or its length and hop."""

    block: BlockOf

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a `WindowPlan`; without a hop it tumbles."""
        if isinstance(node, yaml.MappingNode):
            values = self.block.values(node, path, findings)
            if values is None:
                return FAULTY
            return WindowPlan(length=values["length"], hop=values.get("hop", values["length"]))
        length = self._length.read(node, path, findings)
        return FAULTY if length is FAULTY else WindowPlan(length=length, hop=length)

    @property
    def _length(self) -> Duration:
        (kind,) = (entry.kind for entry in self.block.fields if entry.key == "length")
        assert isinstance(kind, Duration)
        return kind

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return {"anyOf": [self._length.schema(), self.block.schema()]}

    def dump(self, value: Any) -> Any:
        """Return the length alone where the window tumbles."""
        return (
            self._length.dump(value.length) if value.hop == value.length else self.block.dump(value)
        )


@dataclass(frozen=True, slots=True)
class Only:
    """A block of one required key that stands for the value behind it."""

    block: BlockOf
    key: str

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return the one value."""
        values = self.block.values(node, path, findings)
        return FAULTY if values is None else values[self.key]

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return self.block.schema()

    def dump(self, value: Any) -> Any:
        """Return the mapping with the one key."""
        return {entry.key: entry.kind.dump(value) for entry in self.block.fields}


@dataclass(frozen=True, slots=True)
class ReferenceKind:
    """The reference: its path is taken from where the contract's file lies."""

    block: BlockOf

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return the block with ``path`` beside ``path_as_written``."""
        value = self.block.read(node, path, findings)
        if value is FAULTY or value.path_as_written is None:
            return value
        resolved = Path(findings.file).parent / value.path_as_written
        return msgspec.structs.replace(value, path=str(resolved))

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return self.block.schema()

    def dump(self, value: Any) -> Any:
        """Return the keys of its source, with the path as it was written."""
        written = value.path_as_written or value.path
        found = self.block.dump(msgspec.structs.replace(value, path_as_written=written))
        other = (keys for source, keys in SOURCES.items() if source != value.source)
        left_out = {key for required, optional in other for key in required + optional}
        return {key: each for key, each in found.items() if key not in left_out}
