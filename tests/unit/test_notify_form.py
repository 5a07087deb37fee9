"""The file of routes: what it may say, and every fault with its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from driftline.cli import main
from driftline.contract.types import MINUTE, SECOND, Rate
from driftline.errors import UsageError
from driftline.notify.form import _FILE, RoutesError, load, parse
from driftline.notify.routes import Mail, Match, Pagerduty, Secret, Slack

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
page_url: https://page/incidents/{incident}
kafka: kafka:9092
routes:
  oncall:
    pagerduty: {routing_key_env: PD_KEY}
    match: {severity: page, models: ["credit-*"], teams: [risk], kinds: [drift, silence]}
    wait: 30s
  team:
    slack: {url_file: slack.url}
    states: [opened, resolved]
    update_every: 15m
    repeat: 1d
    limit: 20 per 1h
    give_up_after: 2h
    template: team.txt
  am: {alertmanager: {urls: ["http://am-0:9093", "http://am-1:9093"], token_env: AM}}
  hook: {webhook: {url: "https://example.com/hook", secret_env: HOOK}}
  post:
    mail: {host: smtp, from: driftline@example.com, to: [a@example.com], username: u,
           password_file: /run/secrets/smtp}
  out: {stdout: {format: json}}
"""


def test_a_whole_file(tmp_path: Path):
    (tmp_path / "team.txt").write_text("$first\nsince $since, $$5\n")
    (tmp_path / "routes.yaml").write_text(WHOLE)
    found = load(tmp_path / "routes.yaml")
    oncall, team, am, _, post, _ = found.routes
    assert oncall.target == Pagerduty(routing_key=Secret(variable="PD_KEY"))
    assert oncall.match == Match(
        models=("credit-*",), teams=("risk",), kinds=("drift", "silence"), severity="page"
    )
    assert (oncall.wait, oncall.update_every, oncall.repeat) == (30 * SECOND, 5 * MINUTE, None)
    assert team.target == Slack(url=Secret(file=str(tmp_path / "slack.url")))
    assert team.limit == Rate(count=20.0, per=60 * MINUTE)
    assert team.template == "$first\nsince $since, $$5\n"
    assert am.again == MINUTE
    assert isinstance(post.target, Mail)
    assert post.target.password == Secret(file="/run/secrets/smtp")
    assert found.named("out").name == "out"
    with pytest.raises(UsageError, match=r"route: expected one of oncall, .*, got nobody"):
        found.named("nobody")


def test_all_faults_at_once_each_with_its_path(tmp_path: Path):
    (tmp_path / "bad.txt").write_text("$nobody")
    text = """
routes:
  both: {slack: {url_env: A}, stdout: {}}
  none: {wait: 1s}
  plain: {slack: {url: "https://hooks.slack.com/services/secret"}}
  two: {webhook: {url: "ftp://x", secret_env: A, secret_file: b}}
  am: {alertmanager: {urls: ["http://am"]}, repeat: 4h}
  pd: {pagerduty: {routing_key_env: A}, states: [opened]}
  clear: {mail: {host: h, from: a@b, to: [c@d], security: none, username: u, password_env: P}}
  odd: {stdout: {}, match: {severity: loud, kinds: [drfit]}, wait: soon}
"""
    with pytest.raises(RoutesError) as caught:
        parse(text, "routes.yaml", tmp_path)
    assert_faults(caught.value, """
$.routes.both.stdout: expected one target (slack, webhook, alertmanager, pagerduty,
$.routes.none.slack: expected one target (slack, webhook, alertmanager, pagerduty,
$.routes.plain.slack.url_env: missing: one of url_env or url_file says where the secret is kept
$.routes.plain.slack.url: unknown key, did you mean url_env?
$.routes.two.webhook.url: expected an http or https address, got "ftp://x"
$.routes.two.webhook.secret_file: expected the secret in one place, got secret_env as well
$.routes.am.repeat: repeat is Alertmanager's own business: it is sent what is open
$.routes.pd.states: pagerduty has to hear of every state, or it keeps open what is over
$.routes.clear.mail.security: expected tls or starttls, as a password is sent, got none
$.routes.odd.match.severity: expected one of page, notice, got "loud"
$.routes.odd.match.kinds[0]: expected one of drift, schema,
$.routes.odd.wait: expected a duration such as 500ms, 30s, 10m, 2h or 7d, got "soon"
""")  # fmt: skip
    text = """
page_url: "https://p/{who}"
routes: {it: {stdout: {}, template: bad.txt}, other: {stdout: {}, template: none.txt}}
"""
    with pytest.raises(RoutesError) as caught:
        parse(text, "routes.yaml", tmp_path)
    assert_faults(caught.value, """
$.routes.it.template: expected a text with $first, $title, $state,
$.routes.other.template: expected a readable file, got
$.page_url: expected an address with {incident} or {cause}, got {who}
""")  # fmt: skip


def assert_faults(error: RoutesError, expected: str) -> None:
    lines = expected.strip().splitlines()
    assert len(error.faults) == len(lines)
    for fault, line in zip(error.faults, lines, strict=True):
        assert fault.message.startswith(line)


@pytest.mark.parametrize(
    "text", ["", "routes: []", "routes: {}", "- a", "routes: {it: {}}", "a: ["]
)
def test_what_is_no_file_of_routes(text: str):
    with pytest.raises(RoutesError):
        parse(text, "routes.yaml")


def test_what_is_read_fits_the_schema(tmp_path: Path):
    schema = _FILE.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(WHOLE), schema)


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_KEY", " word \n")
    assert Secret(variable="A_KEY").read() == "word"
    monkeypatch.setenv("A_KEY", "")
    with pytest.raises(UsageError, match="variable A_KEY: expected a secret, got nothing"):
        Secret(variable="A_KEY").read()
    (tmp_path / "key").write_text("word\nand more")
    assert Secret(file=str(tmp_path / "key")).read() == "word"
    with pytest.raises(UsageError, match="expected a secret, got FileNotFoundError"):
        Secret(file=str(tmp_path / "none")).read()


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "routes.yaml"
    monkeypatch.delenv("PD_KEY", raising=False)
    path.write_text("routes: {oncall: {pagerduty: {routing_key_env: PD_KEY}}}")
    assert main(["notify", "check", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "secret  oncall: the environment variable PD_KEY: expected a secret, got nothing",
        "oncall: pagerduty",
    ]
    assert main(["notify", "check", "--strict", str(path)]) == 1
    path.write_text("routes: {oncall: {pager: {}}}")
    assert main(["notify", "check", str(path)]) == 1
    assert "$.routes.oncall.pager: unknown key" in capsys.readouterr().out
    assert main(["notify", "--routes", str(path)]) == 2
    assert main(["notify", "check", str(tmp_path / "none.yaml")]) == 1
