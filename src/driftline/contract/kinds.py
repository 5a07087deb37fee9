"""What a single value of a contract may be: how it is read, described to editors and written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import yaml

from driftline.contract import quantities
from driftline.contract.names import suggest
from driftline.contract.nodes import STR, describe, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from driftline.contract.nodes import Findings

__all__ = [
    "DATE",
    "FAULTY",
    "INSTANT",
    "RATE",
    "Choice",
    "Duration",
    "Integer",
    "Kind",
    "Number",
    "Quantity",
    "Schema",
    "Share",
    "Text",
    "plain",
    "text_of",
]

Schema = dict[str, Any]


class _Faulty:
    """Type of `FAULTY`."""


FAULTY: Final = _Faulty()
"""Stands for a value whose fault has been noted."""


class Kind(Protocol):
    """A kind of value.

    The three methods agree: what `read` takes without a fault passes `schema`, and `read` makes
    of what `dump` wrote the value it was given.
    """

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return the value, or note every fault and return `FAULTY`."""
        ...

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        ...

    def dump(self, value: Any) -> Any:
        """Return the written form: JSON values only."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Text of 1 to `longest` characters, of the form `pattern` if there is one."""

    longest: int = 2_000
    pattern: str = ""
    example: str = ""

    @property
    def expected(self) -> str:
        """What a fault says belongs here."""
        return self.example or f"text of 1 to {self.longest} characters"

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a str."""
        text = text_of(node)
        if text is None:
            quotes = " (quotes make it text)" if isinstance(node, yaml.ScalarNode) else ""
            got = describe(node)
            findings.add(node, path, self.expected, got + quotes if got != "nothing" else got)
            return FAULTY
        good = 1 <= len(text) <= self.longest and bool(text.strip())
        if not good or (self.pattern and not re.fullmatch(self.pattern, text)):
            findings.add(node, path, self.expected)
            return FAULTY
        return text

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        pattern = rf"^(?:{self.pattern})$" if self.pattern else r"\S"
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": pattern}

    def dump(self, value: Any) -> Any:
        """Return the text itself."""
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from `least` to `most`; `above` leaves `least` itself out."""

    least: float | None = None
    most: float | None = None
    above: bool = False

    @property
    def expected(self) -> str:
        """What a fault says belongs here."""
        low = (
            "" if self.least is None else f"{'above' if self.above else 'of at least'} {self.least}"
        )
        high = "" if self.most is None else f"of at most {self.most}"
        return " ".join(["a number", " and ".join(part for part in (low, high) if part)]).strip()

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a float."""
        found = number(node)
        try:
            value = math.nan if found is None else float(found)
        except OverflowError:
            value = math.inf
        low = -math.inf if self.least is None else self.least
        high = math.inf if self.most is None else self.most
        if not math.isfinite(value) or not low <= value <= high or (self.above and value == low):
            findings.add(node, path, self.expected)
            return FAULTY
        return value

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        schema: Schema = {"type": "number"}
        if self.least is not None:
            schema["exclusiveMinimum" if self.above else "minimum"] = self.least
        if self.most is not None:
            schema["maximum"] = self.most
        return schema

    def dump(self, value: Any) -> Any:
        """Return the number, whole ones without a point."""
        return plain(value)


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `least` to `most`."""

    least: int
    most: int

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return an int; ``5.0`` is one too, as JSON Schema has it."""
        value = number(node)
        if value is None or not self.least <= value <= self.most or value != int(value):
            findings.add(node, path, f"a whole number from {self.least} to {self.most}")
            return FAULTY
        return int(value)

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def dump(self, value: Any) -> Any:
        """Return the number itself."""
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    names: tuple[str, ...]

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return the word."""
        text = text_of(node)
        if text in self.names:
            return text
        meant = suggest(text, self.names) if text else None
        hint = f" (did you mean {meant}?)" if meant else ""
        findings.add(node, path, f"one of {', '.join(self.names)}", describe(node) + hint)
        return FAULTY

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return {"enum": list(self.names)}

    def dump(self, value: Any) -> Any:
        """Return the word itself."""
        return value


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value written as text: parsed by one function, written by another."""

    parse: Callable[[str], Any]
    write: Callable[[Any], str]
    pattern: str
    expected: str

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return what `parse` makes of the text."""
        text = text_of(node)
        try:
            if text is not None:
                return self.parse(text)
        except ValueError:
            pass
        findings.add(node, path, self.expected)
        return FAULTY

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def dump(self, value: Any) -> Any:
        """Return the text."""
        return self.write(value)


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration from `least` to `most`, both written as a contract writes them."""

    least: str = "0s"
    most: str = "36500d"

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return whole microseconds."""
        duration = _ANY_DURATION.read(node, path, findings)
        if duration is FAULTY:
            return FAULTY
        low, high = quantities.parse_duration(self.least), quantities.parse_duration(self.most)
        if not low <= duration <= high:
            findings.add(node, path, f"a duration from {self.least} to {self.most}")
            return FAULTY
        return duration

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return _ANY_DURATION.schema()

    def dump(self, value: Any) -> Any:
        """Return the text."""
        return quantities.format_duration(value)


class Share:
    """A part of a whole: ``5%`` or 0.05."""

    expected = "a share from 0 to 1, such as 5% or 0.05"

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a float from 0 to 1."""
        text, value = text_of(node), number(node)
        try:
            if text is not None:
                return quantities.parse_percent(text)
        except ValueError:
            pass
        if value is None or not 0 <= value <= 1:
            findings.add(node, path, self.expected)
            return FAULTY
        return float(value)

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": f"^(?:{quantities.PERCENT})$"},
            ]
        }

    def dump(self, value: Any) -> Any:
        """Return the number."""
        return plain(value)


_ANY_DURATION: Final = Quantity(
    quantities.parse_duration,
    quantities.format_duration,
    quantities.DURATION,
    "a duration such as 500ms, 30s, 10m, 2h or 7d",
)
RATE: Final = Quantity(
    quantities.parse_rate,
    quantities.format_rate,
    quantities.RATE,
    'a rate above zero such as "1 per 30d" or "10/min"',
)
SHIFT: Final = Quantity(
    quantities.parse_shift,
    quantities.format_shift,
    quantities.SHIFT,
    "a shift such as mean +1sd, spread x2, missing +20%, mix 20% or new 5%",
)
DATE: Final = Quantity(quantities.parse_date, str, quantities.DATE, "a date such as 2027-06-01")
INSTANT: Final = Quantity(
    quantities.parse_instant,
    quantities.format_instant,
    quantities.INSTANT,
    "a time such as 2026-11-01T00:00:00Z",
)


def text_of(node: yaml.Node) -> str | None:
    """Return the text a node holds, or None where it holds something else."""
    return node.value if isinstance(node, yaml.ScalarNode) and node.tag == STR else None


def plain(value: Any) -> Any:
    """Write a whole float as an integer, so that 2 and 2.0 have one canonical form."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
