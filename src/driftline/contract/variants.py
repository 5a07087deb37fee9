"""Variants of a contract: the same file, with a few of its fields given other values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from driftline.contract.form import CONTRACT
from driftline.contract.kinds import FAULTY
from driftline.contract.nodes import Findings, documents
from driftline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from driftline.contract.types import Contract

__all__ = ["Variant", "parse_grid", "variants"]

_STEP: Final = re.compile(r'(?:\A|\.)(?:"([^"]+)"|([^."]+))')


@dataclass(frozen=True)
class Variant:
    """A contract, and the values that make it one: ``budget.false_pages=1 per 7d``."""

    name: str
    contract: Contract


def parse_grid(options: Sequence[str]) -> dict[str, list[str]]:
    """Read ``field=value,value`` options; commas inside brackets and quotes are the value's own.

    Raises
    ------
    UsageError
        For the first that is not of this form, or a field that comes twice.
    """
    grid: dict[str, list[str]] = {}
    for option in options:
        path, equals, text = option.partition("=")
        values = [value.strip() for value in _split(text)]
        if not equals or not path or not all(values):
            msg = f"--grid {option}: expected field=value,value, as in slot=1h,6h"
            raise UsageError(msg)
        if path in grid:
            msg = f"--grid {option}: expected each field once, got {path} again"
            raise UsageError(msg)
        if "".join(step[0] for step in _STEP.finditer(path)) != path:
            msg = f"--grid {option}: expected a dotted path, as features.age.tolerance"
            raise UsageError(msg)
        grid[path] = values
    return grid


def variants(file: Path, grid: Mapping[str, Sequence[str]], most: int) -> list[Variant]:
    """Return a contract in all combinations of the values given, in order.

    Parameters
    ----------
    file
        With one contract.
    grid
        Values by dotted path, as they would stand in YAML.

    Raises
    ------
    UsageError
        There are more than `most`, or a value does not belong where it is put.
    """
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > most:
        msg = f"--grid: expected at most {most} combinations, got {count:,}"
        raise UsageError(msg)
    return [
        Variant(", ".join(f"{path}={value}" for path, value in chosen), _varied(file, chosen))
        for values in product(*grid.values())
        for chosen in [list(zip(grid, values, strict=True))]
    ]


def _varied(file: Path, chosen: Sequence[tuple[str, str]]) -> Contract:
    findings = Findings(str(file))
    roots = list(documents(file.read_text(encoding="utf-8"), findings))
    if len(roots) != 1 or not isinstance(roots[0], yaml.MappingNode):
        msg = f"--grid: expected one contract in {file}, got {len(roots)}"
        raise UsageError(msg)
    for path, value in chosen:
        steps = [quoted or plain for quoted, plain in _STEP.findall(path)]
        if steps[0] == "features" and not _has(roots[0], "features"):
            msg = (
                f"--grid {path}: expected features in {file}: where none is named all are watched, "
                "and naming one would leave out the others"
            )
            raise UsageError(msg)
        _put(roots[0], steps, _node(path, value), f"--grid {path}={value}")
    before = len(findings.faults)
    contract: Any = CONTRACT.read(roots[0], "$", findings)
    if contract is FAULTY or len(findings.faults) > before:
        told = ", ".join(f"{path}={value}" for path, value in chosen)
        msg = "\n".join(f"--grid {told}: {fault.message}" for fault in findings.faults)
        raise UsageError(msg)
    stated = frozenset(key.value for key, _ in roots[0].value)
    varied: Contract = msgspec.structs.replace(contract, stated=stated)
    return varied


def _node(path: str, value: str) -> yaml.Node:
    findings = Findings("--grid")
    found = list(documents(value, findings))
    if findings.faults or len(found) != 1:
        msg = f"--grid {path}={value}: expected a value as it stands in YAML"
        raise UsageError(msg)
    return found[0]


def _has(node: yaml.MappingNode, key: str) -> bool:
    return any(name.value == key for name, _ in node.value)


def _put(node: yaml.Node, steps: Sequence[str], value: yaml.Node, told: str) -> None:
    """Set what stands at a path, making the mappings on the way where there are none."""
    if not isinstance(node, yaml.MappingNode):
        msg = f"{told}: expected a mapping before .{steps[0]}"
        raise UsageError(msg)
    for place, (name, held) in enumerate(node.value):
        if name.value == steps[0]:
            if len(steps) == 1:
                node.value[place] = (name, value)
            else:
                _put(held, steps[1:], value, told)
            return
    name = yaml.ScalarNode("tag:yaml.org,2002:str", steps[0], node.start_mark, node.end_mark)
    if len(steps) == 1:
        node.value.append((name, value))
        return
    fresh = yaml.MappingNode("tag:yaml.org,2002:map", [], node.start_mark, node.end_mark)
    node.value.append((name, fresh))
    _put(fresh, steps[1:], value, told)


def _split(text: str) -> list[str]:
    """Split at commas that stand outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        if char == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return parts
