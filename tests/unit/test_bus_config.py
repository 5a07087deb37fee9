from __future__ import annotations

from pathlib import Path

import pytest

from driftline.bus.config import BrokerConfig, Config, default_inputs
from driftline.bus.config_file import load, parse, printed
from driftline.bus.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "deploy" / "driftline.yaml"


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "d.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_the_example_is_good_and_prints_as_it_reads() -> None:
    config = load(EXAMPLE)
    assert config.contracts == (str(EXAMPLE.parent / "contracts/*.yaml"),)
    assert config.health.port == 8090
    again = parse(printed(config), "printed")
    assert again == config.with_(inputs=config.sources)


def test_everything_has_a_default() -> None:
    assert parse("", "empty") == Config()
    assert parse("prefix: x-", "p").sources == default_inputs("x-")
    assert [spec.type for spec in default_inputs("")][:3] == ["prediction", "features", "label"]


def test_an_existing_topic() -> None:
    text = """
    inputs:
      - topic: scoring
        type: prediction
        fields: {prediction_id: request.id, ts: meta.time, features: "*"}
        fixed: {model: credit-risk}
    """
    (spec,) = parse(text, "d.yaml").sources
    assert (spec.topic, spec.type, dict(spec.fixed)) == (
        "scoring",
        "prediction",
        {"model": "credit-risk"},
    )
    assert spec.fields["ts"] == "meta.time"


def test_all_faults_at_once_each_with_its_place() -> None:
    found = faults(
        """groop: x
broker: {bootstrap: nowhere, security_protocol: SASL_SSL, key: k.pem}
inputs: [{topic: a, type: predicton}, {topic: b, type: label, fields: {lable: x}}]
outputs: {partitions: 0, min_insync: 3}
commit_every: 1y
"""
    )
    starts = [
        "d.yaml:1:1: $.groop: unknown key, did you mean group?",
        "d.yaml:2:21: $.broker.bootstrap: expected host:port",
        "d.yaml:2:9: $.broker.username: expected one of username, username_env with SASL_SSL",
        "d.yaml:2:9: $.broker.password: expected one of password, password_env, password_file",
        "d.yaml:2:9: $.broker.certificate: expected the certificate that belongs to the key",
        "d.yaml:3:27: $.inputs[0].type: expected one of prediction",
        "d.yaml:3:39: $.inputs[1]: fields.lable",
        "d.yaml:4:23: $.outputs.partitions: expected a whole number",
        "d.yaml:4:38: $.outputs.min_insync: expected at most the replication, 1",
        "d.yaml:5:15: $.commit_every: expected a duration",
    ]
    for start in starts:
        assert any(line.startswith(start) for line in found), (start, found)
    assert len(found) == len(starts)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "not YAML"),
        ("[]", "expected a mapping"),
        ("--- {}\n--- {}", "expected one document"),
        ("inputs: [{topic: a, type: label}, {topic: a, type: outcome}]", "each topic once"),
        ("inputs: []", "expected a list of inputs"),
        ("broker: {password: a, password_env: B}", "the password in one place"),
        ("health: {port: 70000}", "from 0 to 65535"),
        ("prefix: 'a b'", "$.prefix"),
    ],
)
def test_faults(text: str, fault: str) -> None:
    assert any(fault in line for line in faults(text))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: \$: expected a readable file"):
        load(tmp_path / "nowhere.yaml")


def test_secrets_are_not_shown() -> None:
    text = "broker: {security_protocol: SASL_SSL, username: me, password: hush}"
    config = parse(text, "d.yaml")
    assert "hush" not in printed(config)
    assert "********" in printed(config)
    assert "hush" not in repr(config)


def test_a_password_from_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "word").write_text("from file\nsecond line\n")
    sasl = "broker: {security_protocol: SASL_PLAINTEXT, username: me, "
    config = parse(f"{sasl}password_file: word}}", "d.yaml", tmp_path)
    assert config.broker.credentials() == ("me", "from file")
    config = parse(f"{sasl}password_env: SECRET_OF_TEST}}", "d.yaml")
    monkeypatch.setenv("SECRET_OF_TEST", "from env")
    client = config.broker.client()
    assert client["sasl_plain_password"] == "from env"
    assert "ssl_context" not in client
    monkeypatch.delenv("SECRET_OF_TEST")
    with pytest.raises(ConfigError, match=r"broker\.password: expected .*SECRET_OF_TEST, got not"):
        config.broker.credentials()


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("rubbish")
    broker = BrokerConfig(security_protocol="SSL", ca=str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match=r"\$\.broker\.ca: expected PEM files"):
        broker.client()


def test_command_line_over_file() -> None:
    config = parse("group: a\nprefix: b-", "d.yaml")
    changed = config.with_overrides(bootstrap="h:1", prefix="c-", group=None)
    assert (changed.broker.bootstrap, changed.prefix, changed.group) == ("h:1", "c-", "a")
    assert changed.sources[0].topic == "c-predictions"
    assert changed.with_health_port(99).health.port == 99
