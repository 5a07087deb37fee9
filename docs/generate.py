"""Writes docs/reference from the code: ``python docs/generate.py``; a test holds it to that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import typer

from driftline.cli import root
from driftline.contract.schema import json_schema as contract_schema
from driftline.events.schema import NAMES, json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code. -->\n"


def cli() -> str:
    """Every command, with its arguments and options."""
    group = typer.main.get_command(root)
    assert isinstance(group, click.Group)
    parts = [NOTE, "# The command line\n"]
    parts.append(
        "Errors are one line on stderr. Exit codes: 0 done, 1 failed, 2 asked for wrongly, 130\n"
        "interrupted. `driftline --debug COMMAND` shows where an error comes from.\n"
    )
    with click.Context(group, info_name="driftline") as context:
        parts += _commands(group, context)
    return "\n".join(parts)


def _commands(group: click.Group, parent: click.Context) -> Iterator[str]:
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=parent) as context:
            if not isinstance(command, click.Group) or command.invoke_without_command:
                yield from _command(command, context)
            if isinstance(command, click.Group):
                yield from _commands(command, context)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}\n"
    yield f"    {context.command_path} {pieces}\n"
    yield f"{_prose(command.help or '')}\n"
    rows = [_option(param, context) for param in command.get_params(context)]
    yield _table(["option", "default", "what it does"], [row for row in rows if row])


def _option(param: click.Parameter, context: click.Context) -> list[str] | None:
    if "--help" in param.opts or getattr(param, "hidden", False):
        return None
    metavar = param.make_metavar(context)
    names = ", ".join([*param.opts, *param.secondary_opts])
    shown = metavar if isinstance(param, click.Argument) else f"{names} {metavar}"
    if getattr(param, "is_flag", False):
        shown = names
    given = param.get_default(context)
    default = "" if given in (None, False, (), []) or param.required else f"`{given}`"
    return [f"`{shown.strip()}`", default, _line(getattr(param, "help", "") or "")]


def contract() -> str:
    """Every field of a contract."""
    about = (
        "One YAML file a model. Only `model` is required. Durations are written `90s`, `2h`,\n"
        "`30d`, rates `10/min`, budgets `1 per 30d`, shares `5%` or `0.05`.\n"
    )
    rows = list(_fields(contract_schema(), ""))
    table = _table(["field", "type", "default", "what it is"], rows)
    return f"{NOTE}\n# The contract\n\n{about}\n{table}"


def _fields(schema: dict[str, Any], path: str) -> Iterator[list[str]]:
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if path.endswith("[]") and "description" not in field:
            continue  # a detector by its name: which there are, its parent says
        yield [f"`{here}`", _type(field), _default(field), _line(field.get("description", ""))]
        yield from _below(field, here)


def _below(field: dict[str, Any], path: str) -> Iterator[list[str]]:
    for form in (field, *field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _fields(form, path)
        items = form.get("items")
        if isinstance(items, dict):
            yield from _below(items, f"{path}[]")
        more = form.get("additionalProperties")
        if isinstance(more, dict):
            yield from _below(more, f"{path}.NAME")


def events() -> str:
    """Every event, field by field."""
    parts = [NOTE, "# Events\n"]
    parts.append(
        "UTF-8 JSON, an object or an array of objects in a message. `driftline schema NAME`\n"
        "prints the JSON Schema, `deploy/asyncapi.yaml` has all topics.\n"
    )
    for name in NAMES:
        schema = json_schema(name)
        known = schema.get("$defs", {})
        parts.append(f"## {name}\n")
        shapes = [(name, _resolved(schema, known))]
        seen = set()
        while shapes:
            title, shape = shapes.pop(0)
            if title != name:
                parts.append(f"`{title}`:\n")
            if about := shape.get("description"):
                parts.append(f"{_prose(about)}\n")
            needed = shape.get("required", ())
            rows = [
                [
                    f"`{field}`" + (" (required)" if field in needed else ""),
                    _type(about),
                    _line(about.get("description", "")),
                ]
                for field, about in shape.get("properties", {}).items()
            ]
            parts.append(_table(["field", "type", "what it is"], rows))
            for below in _named(shape):
                if below in known and below not in seen:
                    seen.add(below)
                    shapes.append((below, known[below]))
    return "\n".join(parts)


def _resolved(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    link = schema.get("$ref")
    return known[link.rpartition("/")[2]] if link else schema


def _named(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        link = value.get("$ref")
        if isinstance(link, str):
            yield link.rpartition("/")[2]
        for each in value.values():
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)


def _type(field: dict[str, Any]) -> str:
    if link := field.get("$ref"):
        return f"`{link.rpartition('/')[2]}`"
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    forms = [*field.get("anyOf", ()), *field.get("oneOf", ())]
    if forms:
        return " or ".join(dict.fromkeys(_type(form) for form in forms))
    kind = field.get("type", "any")
    if kind == "array" and isinstance(field.get("items"), dict):
        return f"list of {_type(field['items'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or isinstance(default, dict) or default == []:
        return ""  # an object's defaults stand with its fields
    return f"`{default}`"


def _table(head: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(c.replace('|', chr(92) + '|') for c in line)} |\n" for line in lines
    )


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _prose(text: str) -> str:
    return re.sub(r"[ \t]+\n", "\n", text.replace("\b", "")).strip()


PAGES = {"cli.md": cli, "contract.md": contract, "events.md": events}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)
