"""Prometheus' alarms and the PromQL of the dashboards, on a real Prometheus where one is found."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streams.api.metrics import ApiMetrics
from streams.metrics import Metrics

DEPLOY = Path(__file__).parents[3] / "deploy"
GROUPS = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
PROMQL = [
    (f"{path.stem}: {panel['title']} {target['refId']}", target["expr"])
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
    for panel in json.loads(path.read_text())["panels"]
    for target in panel["targets"]
    if "expr" in target
]
NAME = re.compile(r"\btwinstream_[a-z_]+")
START_SECONDS = 60
LABELS = {"topic": "bioreactor.events", "partition": "0", "reason": "unit", "kind": "bioreactor", "priority": "high"}


def registries() -> list[CollectorRegistry]:
    api = CollectorRegistry()
    ApiMetrics(api)
    return [Metrics().registry, api]


def exposed() -> set[str]:
    """Every name that worker and API expose, as Prometheus sees it."""
    names: set[str] = set()
    for registry in registries():
        for line in generate_latest(registry).decode().splitlines():
            if line.startswith("# TYPE"):
                _, _, name, kind = line.split()
                names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


@pytest.mark.parametrize(
    ("where", "expression"), [*PROMQL, *((rule["alert"], rule["expr"]) for rule in RULES)], ids=lambda value: value[:40]
)
def test_only_metrics_that_exist_are_asked_for(where: str, expression: str) -> None:
    asked = set(NAME.findall(expression))
    assert asked or "up{" in expression, where
    assert asked <= exposed(), where


def test_every_metric_of_the_worker_is_on_a_dashboard() -> None:
    shown = {name for _, expression in PROMQL for name in NAME.findall(expression)}
    worker = {name for name in exposed() if not name.endswith(("_sum", "_count", "_created"))}
    assert {name for name in worker - shown if not name.startswith("twinstream_api_")} == set()


def test_every_alarm_is_explained_where_people_look() -> None:
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for rule in RULES:
        assert f"### {rule['alert']}" in page
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


@pytest.mark.prometheus
def test_prometheus_takes_the_files_and_the_alarms_do_as_their_cases_say() -> None:
    for arguments in (
        ["check", "config", "--syntax-only", "prometheus.yml"],
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules.test.yml"],
    ):
        run = subprocess.run(
            ["promtool", *arguments],
            cwd=DEPLOY / "prometheus",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr


# --- every panel's query on a real server ------------------------------------------------------------------------


def touch(registry: CollectorRegistry) -> None:
    """Let every metric move once, with all its labels."""
    for collector in list(registry._collector_to_names):
        if not isinstance(collector, Counter | Gauge | Histogram):
            continue
        names = collector._labelnames
        child = collector.labels(*(LABELS.get(name, "x") for name in names)) if names else collector
        if isinstance(child, Histogram):
            child.observe(0.07)
        elif isinstance(child, Counter | Gauge):
            child.inc()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus on loopback that asks a page where every metric moves with each look."""
    all_of_it = registries()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            for registry in all_of_it:
                touch(registry)
            body = b"".join(generate_latest(registry) for registry in all_of_it)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    page = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("prometheus")
    job = {"job_name": "worker", "static_configs": [{"targets": [f"127.0.0.1:{page.server_address[1]}"]}]}
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]})
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        limit = time.monotonic() + START_SECONDS
        # Ready when two looks have been kept, so that a rate can be taken.
        while not answers(address, "rate(twinstream_frames_total[1m]) > 0"):
            assert server.poll() is None, "Prometheus ended"
            assert time.monotonic() < limit, f"Prometheus had nothing to say in {START_SECONDS} s"
            threading.Event().wait(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(30)
        page.shutdown()
        page.server_close()


def answers(address: str, expression: str) -> list[Any]:
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=10) as reply:
            found: list[Any] = json.load(reply)["data"]["result"]
            return found
    except urllib.error.HTTPError as error:
        with error:
            pytest.fail(f"{expression}: {error.read().decode()}")
    except OSError:
        return []


@pytest.mark.prometheus
@pytest.mark.parametrize(("where", "expression"), PROMQL, ids=[where for where, _ in PROMQL])
def test_a_panels_query_has_an_answer(prometheus: str, where: str, expression: str) -> None:
    assert shutil.which("prometheus")
    found = answers(prometheus, expression.replace("$__rate_interval", "1m"))
    assert found, where
    assert all(float(series["value"][1]) == float(series["value"][1]) for series in found), "not a number"
