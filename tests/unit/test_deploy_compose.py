"""docker-compose.yml is one, its command lines are ours, and what it mounts is there."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from tests.unit._flags import parse_line

from driftline.bus.config_file import load
from driftline.notify.form import load as load_routes
from driftline.ui.settings import Door

compose_spec = pytest.importorskip("compose_spec")

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text("utf-8")
BODY: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = BODY["services"]
OURS = sorted(name for name, each in SERVICES.items() if each["image"] == "driftline")


def folder(name: str) -> Path:
    return ROOT / "deploy" / name


def test_it_is_what_the_specification_says() -> None:
    options = compose_spec.PyOptions(apply_merge=True)
    options.from_yaml(TEXT).validate()
    wrongs = {"read_only: perhaps": "expected a boolean", "tmpfss: [/tmp]": "`tmpfss`"}
    for wrong, why in wrongs.items():
        with pytest.raises(ValueError, match=why):
            options.from_yaml(f"services: {{a: {{image: x, {wrong}}}}}")


def test_docker_takes_it() -> None:
    try:
        there = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("docker is not on PATH")
    if there.returncode:
        pytest.skip("docker has no compose plugin")
    command = ["docker", "compose", "--profile", "full", "config", "--quiet"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said.stderr


def test_profiles_add_to_what_is_always_there() -> None:
    by_profile = {
        name: {service for service, each in SERVICES.items() if name in each.get("profiles", ())}
        for name in ("demo", "full")
    }
    always = {service for service, each in SERVICES.items() if "profiles" not in each}
    assert always == {"kafka", "topics", "worker"}
    assert by_profile["demo"] == {"simulator"}
    assert by_profile["full"] == set(SERVICES) - always


@pytest.mark.parametrize("name", OURS)
def test_its_command_line_is_one(name: str) -> None:
    parse_line(shlex.split(SERVICES[name]["command"]))


def test_the_image_is_built_once_and_never_asked_for() -> None:
    """Several builds of one tag at a time fail on some stores; Docker Hub has no such image."""
    assert {name for name in OURS if "build" in SERVICES[name]} == {"topics"}
    for name in set(OURS) - {"topics"}:
        assert SERVICES[name]["pull_policy"] == "never"
        assert "topics" in SERVICES[name]["depends_on"]


def test_what_is_simulated_is_of_now() -> None:
    """People act on its incidents now; for a model of months ago that would be a long silence."""
    args = parse_line(shlex.split(SERVICES["simulator"]["command"])).params
    assert args["start"] == f"-{args['duration']}"


def test_the_page_opens_its_door_with_the_token_that_is_told() -> None:
    args = parse_line(shlex.split(SERVICES["ui"]["command"])).params
    token = SERVICES["ui"]["environment"]["DRIFTLINE_UI_TOKEN"]
    assert not Door(host=args["host"], port=args["port"], token=token).local
    assert f"(token: {token})" in TEXT


@pytest.mark.parametrize("path", ["compose/notify.yaml", "kubernetes/config/notify.yaml"])
def test_routes_can_be_read_and_need_no_secret_to_begin_with(path: str) -> None:
    routes = load_routes(folder(path)).routes
    assert routes
    assert not [secret for route in routes for secret in route.secrets]


@pytest.mark.parametrize("name", OURS)
def test_a_container_can_do_no_harm(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]


def test_what_is_mounted_and_asked_for_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            named = source in BODY["volumes"]
            assert named or (source.startswith("./") and (ROOT / source).exists()), mount
        assert set(service.get("depends_on", ())) <= set(SERVICES)
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "nothing listens beyond loopback"
    config = load(folder("compose") / "driftline.yaml")
    scrape = yaml.safe_load((folder("prometheus") / "prometheus.yaml").read_text("utf-8"))
    args = shlex.split(SERVICES["notify"]["command"])
    port = args[args.index("--health-port") + 1]
    assert {job["job_name"]: job["static_configs"] for job in scrape["scrape_configs"]} == {
        "driftline": [{"targets": [f"worker:{config.health.port}"]}],
        "driftline-notify": [{"targets": [f"notify:{port}"]}],
    }
    (alertmanager,) = scrape["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert alertmanager.partition(":")[0] in SERVICES
    grafana = folder("compose") / "grafana"
    (source,) = yaml.safe_load((grafana / "datasources" / "prometheus.yaml").read_text("utf-8"))[
        "datasources"
    ]
    assert urlsplit(source["url"]).hostname in SERVICES
    (provider,) = yaml.safe_load((grafana / "dashboards" / "driftline.yaml").read_text("utf-8"))[
        "providers"
    ]
    assert f"./deploy/grafana:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
