"""The manifests fit the API's schemas, each other, the command line and the worker."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit._flags import parse_line

from driftline.bus.config_file import load
from driftline.bus.worker import END_S
from driftline.contract import load as load_contracts

validator = pytest.importorskip("kubernetes_validate")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.36")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
PATHS = ("/live", "/ready")
"""What worker and page answer under; tests of theirs ask for them."""


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


KUSTOMIZATION = read("kustomization.yaml")[0]
MANIFESTS = [each for name in KUSTOMIZATION["resources"] for each in read(name)]
PODS = {
    each["metadata"]["name"].removeprefix("driftline-"): each["spec"]["template"]
    for each in MANIFESTS
    if "template" in each.get("spec", {})
}


def containers(name: str) -> dict[str, Any]:
    (container,) = PODS[name]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def test_all_files_are_in_the_kustomization() -> None:
    there = {path.name for path in FOLDER.glob("*.yaml")}
    assert there == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    for made in KUSTOMIZATION["configMapGenerator"]:
        assert not [name for name in made["files"] if not (FOLDER / name).is_file()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "manifest", MANIFESTS, ids=lambda each: f"{each['kind']}/{each['metadata']['name']}"
)
def test_the_api_takes_it(manifest: dict[str, Any], version: str) -> None:
    validator.validate(manifest, version, strict=True)
    broken = manifest | {"spec": manifest.get("spec", {}) | {"replicsa": 1}}
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, version, strict=True)


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_can_do_no_harm(name: str) -> None:
    spec, container = PODS[name]["spec"], containers(name)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10001
    assert f"--uid {10001}" in (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not spec["automountServiceAccountToken"]
    assert container["resources"]["limits"]["memory"]
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    claims = [
        claim["metadata"]["name"]
        for each in MANIFESTS
        for claim in each.get("spec", {}).get("volumeClaimTemplates", ())
        if each["spec"]["template"] is PODS[name]
    ]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]} | set(claims)


@pytest.mark.parametrize("name", sorted(PODS))
def test_its_command_line_is_one(name: str) -> None:
    context = parse_line(containers(name)["args"])
    assert str(context.params["config"]) == "/etc/driftline/driftline.yaml"


def test_a_worker_finds_all_of_its_inputs() -> None:
    assert parse_line(containers("topics")["args"]).params["with_inputs"]


@pytest.mark.parametrize("name", ["notify", "ui", "worker"])
def test_probes_ask_where_somebody_listens(name: str) -> None:
    container = containers(name)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in PROBES:
        asked = container[probe]["httpGet"]
        assert asked["port"] in ports
        assert asked["path"] in PATHS
    args = container["args"]
    if name == "worker":
        assert ports == {"health": load(FOLDER / "config" / "driftline.yaml").health.port}
    elif name == "notify":
        assert ports == {"health": int(args[args.index("--health-port") + 1])}
    else:
        assert ports == {"http": int(args[args.index("--port") + 1])}


def test_a_worker_may_take_its_time_to_stop() -> None:
    (worker,) = (each for each in MANIFESTS if each["kind"] == "StatefulSet")
    assert PODS["worker"]["spec"]["terminationGracePeriodSeconds"] > END_S
    # More pods than partitions of `panes` would have little to do.
    config = load(FOLDER / "config" / "driftline.yaml")
    assert worker["spec"]["replicas"] <= config.outputs.partitions
    store = [m["mountPath"] for m in containers("worker")["volumeMounts"] if m["name"] == "store"]
    assert store == [config.datadir]


def test_the_configuration_can_be_read() -> None:
    config = load(FOLDER / "config" / "driftline.yaml")
    assert config.health.host == "0.0.0.0"
    names = {each["name"] for each in containers("worker")["env"]}
    assert {config.broker.username_env, config.broker.password_env} == names
    mounts = {m["mountPath"] for m in containers("worker")["volumeMounts"]}
    assert str(Path(config.broker.ca or "").parent) in mounts
    assert {str(Path(pattern).parent) for pattern in config.contracts} <= mounts
    contracts = [
        str(FOLDER / name)
        for made in KUSTOMIZATION["configMapGenerator"]
        if made["name"] == "driftline-contracts"
        for name in made["files"]
    ]
    assert len(load_contracts(contracts)) == len(contracts) > 0


def test_what_is_named_is_there() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    for each in MANIFESTS:
        spec = each.get("spec", {})
        chosen = spec.get("podSelector", spec.get("selector"))
        if each["kind"] == "Namespace" or chosen is None:
            continue
        wanted = chosen.get("matchLabels", chosen).items()
        assert any(wanted <= have.items() for have in labels), each["metadata"]["name"]
    secrets = set(re.findall(r"secretName: (\S+?),|secretKeyRef: {name: (\S+?),", _text()))
    secrets |= set(re.findall(r"secretRef: {name: (\S+?)}()", _text()))
    named = {name for pair in secrets for name in pair if name}
    made = re.findall(r"create secret generic (\S+)", (FOLDER / "README.md").read_text("utf-8"))
    assert named == set(made)


def _text() -> str:
    return "\n".join((FOLDER / name).read_text("utf-8") for name in KUSTOMIZATION["resources"])


def test_the_operators_rules_are_those_of_the_file(tmp_path: Path) -> None:
    """The command of the README makes a PrometheusRule with the same groups."""
    text = (FOLDER / "README.md").read_text("utf-8")
    command = text[text.index("(printf") : text.index("| kubectl -n driftline apply")]
    made = subprocess.run(
        ["sh", "-c", command.strip()], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    body = yaml.safe_load(made.stdout)
    assert body["kind"] == "PrometheusRule"
    rules = (ROOT / "deploy" / "prometheus" / "rules.yaml").read_text("utf-8")
    assert body["spec"] == yaml.safe_load(rules)
    for monitor, name in zip(read("monitoring/podmonitor.yaml"), ("worker", "notify"), strict=True):
        chosen = monitor["spec"]["selector"]["matchLabels"].items()
        assert chosen <= PODS[name]["metadata"]["labels"].items()
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in {port["name"] for port in containers(name)["ports"]}
