"""The pool on Kubernetes: fields as they are documented, queries that count what waits, nothing secret."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from streams.jobs.engines import OURS
from streams.ledger.migrate import migrate
from streams.settings import Settings
from tests.support.job_rows import put_job, running

PATH = Path(__file__).parents[3] / "deploy/keda/scaledjob.yaml"
DOCUMENTS = list(yaml.safe_load_all(PATH.read_text()))
JOBS: dict[str, dict[str, Any]] = {
    one["metadata"]["name"]: one["spec"] for one in DOCUMENTS if "jobTargetRef" in one["spec"]
}
GPU, CPU = "twinstream-jobs-gpu", "twinstream-jobs-cpu"

# Source: keda.sh/docs/2.16/reference/scaledjob-spec and /scalers/postgresql; Kubernetes' batch/v1 JobSpec.
SPEC = {
    "jobTargetRef", "pollingInterval", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "envSourceContainerName",
    "minReplicaCount", "maxReplicaCount", "rollout", "scalingStrategy", "triggers",
}  # fmt: skip
TARGET = {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "template"}
METADATA = {"query", "targetQueryValue", "activationTargetQueryValue"}


def query_of(name: str) -> str:
    [trigger] = JOBS[name]["triggers"]
    return str(trigger["metadata"]["query"])


@pytest.mark.parametrize("name", [GPU, CPU])
def test_a_scaled_job_has_the_fields_that_are_documented(name: str) -> None:
    spec = JOBS[name]
    assert spec.keys() <= SPEC
    assert spec["jobTargetRef"].keys() <= TARGET
    assert spec["jobTargetRef"]["activeDeadlineSeconds"] > 0
    assert spec["scalingStrategy"] == {"strategy": "accurate"}
    assert spec["rollout"] == {"strategy": "gradual"}
    assert 0 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
    [trigger] = spec["triggers"]
    assert trigger["type"] == "postgresql"
    assert trigger["metadata"].keys() <= METADATA
    assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes texts alone"
    assert trigger["authenticationRef"]["name"] == "twinstream-jobs"
    assert spec["jobTargetRef"]["template"]["spec"]["restartPolicy"] == "Never"


def test_the_authentication_names_a_secret_for_the_connection() -> None:
    [auth] = [one for one in DOCUMENTS if one["kind"] == "TriggerAuthentication"]
    assert {one["apiVersion"] for one in DOCUMENTS} == {"keda.sh/v1alpha1"}
    assert auth["metadata"]["name"] == "twinstream-jobs"
    assert auth["spec"]["secretTargetRef"] == [
        {"parameter": "connection", "name": "twinstream-database", "key": "scaler"}
    ]
    assert not re.search(r"://[^/@ ]*:[^/@ ]*@", PATH.read_text()), "a password in the file"


@pytest.mark.parametrize(("name", "needs"), [(GPU, {"gpu", "prefers_gpu"}), (CPU, {"cpu"})])
def test_each_kind_of_pod_is_for_the_engines_of_its_need(name: str, needs: set[str]) -> None:
    kinds = {one.kind for one in OURS if one.needs in needs}
    [container] = JOBS[name]["jobTargetRef"]["template"]["spec"]["containers"]
    arguments = container["args"]
    assert arguments[:2] == ["twinstream", "job-worker"]
    assert {after for before, after in pairwise(arguments) if before == "--kinds"} == kinds
    assert float(arguments[arguments.index("--until-idle") + 1]) < JOBS[name]["jobTargetRef"]["activeDeadlineSeconds"]
    assert set(re.findall(r"'([a-z.]+)'", query_of(name))) - {"queued"} == kinds
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (name == GPU)


@pytest.mark.parametrize("name", [GPU, CPU])
def test_a_pod_has_no_more_rights_than_it_needs_and_settings_that_exist(name: str) -> None:
    [container] = JOBS[name]["jobTargetRef"]["template"]["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    names = {one["name"] for one in container["env"]} - {"DATABASE_PASSWORD_FILE"}
    assert {one.removeprefix("TWINSTREAM_").lower() for one in names} <= Settings.model_fields.keys()


@pytest.mark.postgres
def test_the_queries_count_what_waits_for_each_kind_of_pod(postgres_uri: str) -> None:
    with psycopg.connect(postgres_uri) as connection:
        migrate(connection)
        put_job(connection, "a", kind="md")
        put_job(connection, "b", kind="bioreactor")
        put_job(connection, "c", kind="bioreactor", not_before="2999-01-01T00:00:00Z")
        put_job(connection, "d")
        put_job(connection, "e", **running())
        counts = [connection.execute(query_of(name).encode()).fetchone() for name in (GPU, CPU)]
    assert counts == [(2,), (1,)]
