"""The file of routes: the table of its keys, and reading it with all faults at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

from driftline.contract.blocks import BlockOf, Field, ListOf, MapOf, Scope
from driftline.contract.kinds import FAULTY, RATE, Choice, Duration, Integer, Text
from driftline.contract.nodes import Findings, child, documents, text_of
from driftline.errors import UsageError
from driftline.events.outputs import FindingKind
from driftline.notify.routes import (
    Alertmanager,
    Mail,
    Match,
    Pagerduty,
    Route,
    Routes,
    Secret,
    Slack,
    State,
    Stdout,
    Webhook,
)
from driftline.notify.text import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import yaml

    from driftline.contract.errors import Fault
    from driftline.contract.kinds import Schema
    from driftline.contract.types import Block

__all__ = ["RoutesError", "load", "parse"]

NO_FILE: Final = Path()
_VARIABLE: Final = Text(pattern=r"[A-Za-z_][A-Za-z0-9_]*", example="the name of a variable")
_PATH: Final = Text(longest=4_096, example="the path of a file")
_URL: Final = Text(pattern=r"https?://[^\s/?#@]+(?:/[^\s]*)?", example="an http or https address")
_ADDRESS: Final = Text(pattern=r"[^\s@<>]+@[^\s@<>]+", example="a mail address")
_NAME: Final = Text(longest=200)


class RoutesError(UsageError):
    """A file of routes that cannot be used; ``str`` lists all its faults, one a line.

    Operator action: correct the file; ``driftline notify check FILE`` lists the same faults.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class _Stated(BlockOf):
    """A mapping with fixed keys, some of which are not attributes; it stays a mapping."""

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return a dict."""
        values = self.values(node, path, findings)
        return FAULTY if values is None else values

    def default(self, entry: Field) -> Any:
        """Return the default of a key, or None where the type does not know it."""
        known = entry.name in self.type.__struct_fields__
        return super().default(entry) if known else None


@dataclass(frozen=True, slots=True)
class _Target:
    """A target; each of its secrets is written as ``name_env`` or ``name_file``."""

    type: type[Block]
    fields: tuple[Field, ...]
    secrets: tuple[tuple[str, str, bool], ...] = ()
    """Name, meaning, and whether it has to be there."""
    checks: tuple[Callable[[Scope], None], ...] = ()

    def read(self, node: yaml.Node, path: str, findings: Findings) -> Any:
        """Return an instance of `type`."""
        values = self._block.values(node, path, findings)
        if values is None:
            return FAULTY
        for name, _, _ in self.secrets:
            variable, file = values.pop(f"{name}_env", None), values.pop(f"{name}_file", None)
            if variable or file:
                values[name] = Secret(variable=variable, file=file)
        return self.type(**values)

    @property
    def _block(self) -> _Stated:
        kept = [
            Field(f"{name}_{where}", kind, f"{what} that holds {about}")
            for name, about, _ in self.secrets
            for where, kind, what in (
                ("env", _VARIABLE, "environment variable"),
                ("file", _PATH, "file"),
            )
        ]
        checks = [_in_one_place(name, needed) for name, _, needed in self.secrets]
        return _Stated(self.type, (*self.fields, *kept), (*checks, *self.checks))

    def schema(self) -> Schema:
        """Return the JSON Schema of the written form."""
        return self._block.schema()

    def dump(self, value: Any) -> Any:
        """Return the written form."""
        plain = {entry.key: getattr(value, entry.name, None) for entry in self.fields}
        written = {
            e.key: e.kind.dump(plain[e.key]) for e in self.fields if plain[e.key] is not None
        }
        for name, _, _ in self.secrets:
            secret = getattr(value, name)
            if secret is not None:
                where = "env" if secret.variable else "file"
                written[f"{name}_{where}"] = secret.variable or secret.file
        return written


def _in_one_place(name: str, needed: bool) -> Callable[[Scope], None]:
    places = (f"{name}_env", f"{name}_file")

    def check(scope: Scope) -> None:
        given = [key for key in places if key in scope.nodes]
        if len(given) > 1:
            scope.fault(given[1], "the secret in one place", f"{given[0]} as well")
        if not given and needed:
            problem = f"missing: one of {' or '.join(places)} says where the secret is kept"
            scope.fault(places[0], "where the secret is kept", "nothing", problem)

    return check


def _login_whole(scope: Scope) -> None:
    given = {key for key in ("password_env", "password_file") if key in scope.nodes}
    if ("username" in scope.nodes) != bool(given):
        missing = "password_env" if not given else "username"
        scope.fault(missing, "user name and password together", "one of them")
    if given and scope.good("security") and scope.values["security"] == "none":
        scope.fault("security", "tls or starttls, as a password is sent", "none")


TARGETS: Final = {
    "slack": _Target(Slack, (), (("url", "the webhook's address", True),)),
    "webhook": _Target(
        Webhook,
        (Field("url", _URL, "where to post", required=True),),
        (("secret", "the key of the signature", True),),
    ),
    "alertmanager": _Target(
        Alertmanager,
        (
            Field(
                "urls", ListOf(_URL, "a list of addresses", least=1), "all members", required=True
            ),
            Field("resend", Duration("1s", "1h"), "how often what is open is sent again"),
        ),
        (("token", "a bearer token", False),),
    ),
    "pagerduty": _Target(
        Pagerduty,
        (Field("url", _URL, "of the Events API, without its path"),),
        (("routing_key", "the integration key", True),),
    ),
    "mail": _Target(
        Mail,
        (
            Field("host", _NAME, "the mail server", required=True),
            Field("port", Integer(1, 65_535), "its port"),
            Field("security", Choice(("starttls", "tls", "none")), "how it is encrypted"),
            Field("from", _ADDRESS, "the sender", attribute="sender", required=True),
            Field("to", ListOf(_ADDRESS, "a list of addresses", least=1), "to whom", required=True),
            Field("ca", _PATH, "PEM file of the authority that signed its certificate"),
            Field("username", _NAME, "to log in with"),
        ),
        (("password", "the password", False),),
        (_login_whole,),
    ),
    "stdout": _Target(Stdout, (Field("format", Choice(("text", "json")), "how it is written"),)),
}
_NAMES: Final = ListOf(_NAME, "a list of names or patterns", least=1)
_MATCH: Final = BlockOf(
    Match,
    (
        Field("models", _NAMES, "of these models; shell patterns"),
        Field("teams", _NAMES, "of these owners; shell patterns"),
        Field("kinds", ListOf(Choice(get_args(FindingKind)), "a list of kinds", least=1), "kinds"),
        Field("severity", Choice(("page", "notice")), "page leaves notices out"),
    ),
)


def _one_target(scope: Scope) -> None:
    given = [name for name in TARGETS if name in scope.nodes]
    if len(given) != 1:
        scope.fault(
            given[1] if given else "slack",
            f"one target, of {', '.join(TARGETS)}",
            problem=f"expected one target ({', '.join(TARGETS)}), got "
            + (" and ".join(given) or "none"),
        )
    elif given[0] == "alertmanager":
        for key in ("repeat", "limit", "update_every"):
            if key in scope.nodes:
                problem = f"{key} is Alertmanager's own business: it is sent what is open"
                scope.fault(key, "nothing", problem=problem)
    if given[:1] in (["alertmanager"], ["pagerduty"]) and "states" in scope.nodes:
        problem = f"{given[0]} has to hear of every state, or it keeps open what is over"
        scope.fault("states", "nothing", problem=problem)


_ROUTE: Final = _Stated(
    Route,
    (
        *(Field(name, kind, f"send to {name}") for name, kind in TARGETS.items()),
        Field("match", _MATCH, "what it tells of; everything where left out"),
        Field(
            "states", ListOf(Choice(get_args(State)), "a list of states", least=1), "of messages"
        ),
        Field("wait", Duration("0s", "1h"), "from the first alert to the message"),
        Field("update_every", Duration("0s", "7d"), "between messages that only add to a cause"),
        Field("repeat", Duration("1m", "30d"), "when what is open is told again"),
        Field("limit", RATE, "messages in a time; what is over it waits"),
        Field("give_up_after", Duration("1s", "7d"), "from the first try to the dead letter"),
        Field("template", _PATH, "file with the text, fields as $name"),
    ),
    (_one_target,),
)
_FILE: Final = BlockOf(
    Routes,
    (
        Field(
            "routes",
            MapOf(_ROUTE, "a mapping of names to routes", longest=64),
            "where messages go",
            required=True,
        ),
        Field("page_url", _URL, "address of the page; {incident} and {cause} are filled in"),
        Field("kafka", _NAME, "host:port that replay commands name"),
    ),
)


def load(path: Path) -> Routes:
    """Read a file of routes; paths in it are relative to it.

    Raises
    ------
    RoutesError
        With every fault of the file.
    """
    findings = Findings(str(path))
    text = text_of(path, findings)
    if text is None:
        raise RoutesError(findings.faults)
    return parse(text, str(path), path.parent)


def parse(text: str, name: str, base: Path = NO_FILE) -> Routes:
    """Read routes; `name` stands in the faults, `base` is what paths are relative to."""
    findings = Findings(name)
    roots = list(documents(text, findings))
    if not roots and not findings.faults:
        findings.add_at(None, "$", "a mapping with routes", "nothing")
    for root in roots[1:]:
        findings.add(root, "$", "one document", "a second one")
    found = _FILE.values(roots[0], "$", findings) if roots else None
    if found is None:
        raise RoutesError(findings.ordered())
    routes = [
        _finished(written, route, base, findings) for written, route in found["routes"].items()
    ]
    _page_filled(found.get("page_url"), findings)
    if findings.faults:
        raise RoutesError(findings.ordered())
    return Routes(**{**found, "routes": tuple(routes)})


def _finished(name: str, stated: dict[str, Any], base: Path, findings: Findings) -> Route:
    """Make a route of what was written, its files found and read."""
    (target,) = (stated[kind] for kind in TARGETS if kind in stated)
    moved: dict[str, Any] = {
        key: Secret(file=str(base / secret.file))
        for key in target.__struct_fields__
        if isinstance(secret := getattr(target, key), Secret) and secret.file is not None
    }
    if isinstance(target, Mail) and target.ca is not None:
        moved["ca"] = str(base / target.ca)
    rest = {key: value for key, value in stated.items() if key not in TARGETS}
    if "template" in rest:
        path = child(child(child("$", "routes"), name), "template")
        rest["template"] = _template(base / rest["template"], path, findings)
    return Route(name=name, target=msgspec.structs.replace(target, **moved), **rest)


def _template(path: Path, place: str, findings: Findings) -> str:
    text = text_of(path, findings, place)
    if text is None:
        return ""
    template = Template(text)
    strange = sorted(set(template.get_identifiers()) - set(FIELDS))
    if not template.is_valid() or strange:
        got = ", ".join(f"${each}" for each in strange) or "a $ that begins no name ($$ is a $)"
        known = ", ".join(f"${each}" for each in FIELDS)
        findings.add_at(None, place, f"a text with {known}", f"{got} in {path}")
    return text


def _page_filled(url: str | None, findings: Findings) -> None:
    odd = sorted(set(re.findall(r"\{([^}]*)\}", url or "")) - {"incident", "cause"})
    if odd:
        got = ", ".join(f"{{{each}}}" for each in odd)
        findings.add_at(None, "$.page_url", "an address with {incident} or {cause}", got)
