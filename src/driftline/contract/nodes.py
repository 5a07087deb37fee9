"""YAML text as nodes that know their line, and the faults found on the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from driftline.contract.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Findings", "child", "describe", "documents", "number", "short", "text_of"]

_CORE: Final = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR = (f"{_CORE}{name}" for name in ("null", "bool", "int", "float", "str"))
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# What YAML leaves out: control characters and, in a text made by a program, lone surrogates.
_UNPRINTABLE: Final = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST: Final = 60
_DEEPEST: Final = 32
"""No contract nests deeper than six; the parser would spend a stack frame a level."""


if TYPE_CHECKING:
    from yaml import SafeLoader as _Loader
else:
    # libyaml is eight times as fast; the wheels bring it, a build from source may not.
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _CoreLoader(_Loader):
    """YAML 1.2's core schema, which editors go by.

    PyYAML's own is 1.1: there ``on`` is true, ``1e-3`` is text, ``10:30`` is 630 and a date is an
    object.
    """


_CoreLoader.yaml_implicit_resolvers = {}

for _tag, _pattern, _first in (
    (NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (INT, _INT.pattern, list("-+0123456789")),
    (FLOAT, rf"{_FLOAT.pattern}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


class Findings:
    """What was found wrong in one file.

    Parameters
    ----------
    file
        The file's name, for the faults.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def add(
        self, node: yaml.Node, path: str, expected: str, got: str = "", problem: str = ""
    ) -> None:
        """Note a fault at `node`; without `got` the node itself is described."""
        place = node.start_mark.line + 1, node.start_mark.column + 1
        self.add_at(place, path, expected, got or describe(node), problem)

    def add_at(
        self, place: tuple[int, int] | None, path: str, expected: str, got: str, problem: str = ""
    ) -> None:
        """Note a fault at line and column, from 1, or at no place."""
        line, column = place or (None, None)
        self.faults.append(Fault(self.file, line, column, path, expected, got, problem))

    def ordered(self) -> list[Fault]:
        """Return the faults as a reader of the file meets them."""
        return sorted(self.faults, key=lambda fault: (fault.line or 0, fault.column or 0))


def text_of(path: Path, findings: Findings, at: str = "$") -> str | None:
    """Read a file that stands at a path of the document; None and a fault where it cannot be."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        named = why if str(path) == findings.file else f"{path}: {why}"
        findings.add_at(None, at, "a readable file", named)
        return None


def documents(text: str, findings: Findings) -> Iterator[yaml.Node]:
    """Yield the root node of each document that is not empty.

    A text that is no YAML ends the documents with a fault; those before it are still yielded.
    """
    odd = _UNPRINTABLE.search(text)
    if odd is not None:
        line = text.count("\n", 0, odd.start()) + 1
        column = odd.start() - text.rfind("\n", 0, odd.start())
        got = f"the character U+{ord(odd[0]):04X}"
        findings.add_at((line, column), "$", "printable characters", got)
        return
    try:
        deep = _too_deep(text)
        if deep is not None:
            raise deep
        for node in yaml.compose_all(text, Loader=_CoreLoader):
            # A document of comments alone is composed as null.
            if node is not None and not (node.tag == NULL and not node.value):
                yield node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else None
        why = ", ".join(part for part in (error.context, error.problem) if part)
        findings.add_at(place, "$", "YAML", why, problem=f"not YAML: {why}")


def _too_deep(text: str) -> yaml.MarkedYAMLError | None:
    """Find what nests too deep, before anything recurses into it."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_CoreLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEEPEST:
                    # The stubs know one of the two kinds of mark.
                    mark: Any = event.start_mark
                    problem = f"nested deeper than {_DEEPEST} levels"
                    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        # Composing stops at the same place, and reports it after the documents before.
        return None
    return None


def number(node: yaml.Node) -> int | float | None:
    """Return the number a node holds (infinities and NaN too), or None where it holds none."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in {INT, FLOAT}:
        return None
    text: str = node.value
    if _INT.fullmatch(text) and len(text) <= 300:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    try:
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return None


def describe(node: yaml.Node) -> str:
    """Say on one short line what a node holds."""
    match node:
        case yaml.MappingNode():
            return "a mapping" if node.value else "an empty mapping"
        case yaml.SequenceNode():
            return "a list" if node.value else "an empty list"
        case _ if node.tag == NULL:
            return "nothing"
        case _ if node.tag == STR:
            return f'"{short(node.value)}"'
        case _ if node.tag in {BOOL, INT, FLOAT}:
            return short(node.value)
    return f"a value tagged {short(node.tag)}"


def short(text: str) -> str:
    """Cut a text to one printable line of some sixty characters."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode()


def child(path: str, key: str | int) -> str:
    """Extend a path: ``$.features.age``, ``$.windows[1]``, ``$.features["a b"]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) and len(key) <= _LONGEST:
        return f"{path}.{key}"
    quoted = short(key.replace("\\", "\\\\").replace('"', '\\"'))
    return f'{path}["{quoted}"]'
