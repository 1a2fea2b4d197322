"""The same EKF work in stock Faust, Quix Streams and Bytewax, and in twinstream, from one real Kafka.

Readings a minute apart, so each record is one step of the filter of its twin, for all four. The peers do it by
filterpy in one process with the cheapest state they have; twinstream is its whole worker, with history, memory and
state committed to PostgreSQL. One run each, one after the other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import confluent_kafka
import psycopg

from benchmarks.load import pairs, place
from benchmarks.processes import Child, tree_seconds
from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import TOPIC, Stage, applied, await_owner, stage, start_worker
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from streams.transports.addresses import kafka_servers

BAR = 10.0
HERE = Path(__file__).parent
PEERS = {"stock Faust": "faust_peer.py", "Quix Streams": "quix_peer.py", "Bytewax": "bytewax_peer.py"}
_CONFIGURATION = {"estimate_seconds": 3600, "forecast_seconds": 86400, "silence_minutes": 0}
_LIMIT_SECONDS = 600.0


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    parser.add_argument("--twins", type=int, default=2000)
    parser.add_argument("--records", type=int, default=400_000, help="for twinstream")
    parser.add_argument("--peer-records", type=int, default=40_000, help="for each peer")
    parser.add_argument("--filter", choices=["filterpy", "floats", "both"], default="both", help="how the peers step")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    python = _environment()
    report = Report("peers", "The same EKF work, one step a record, from a real Kafka.", given(options))
    with stage("kafka", options.scratch) as where:
        _fill(where, options)
        ours = _ours(where, options)
        report.add("rates", who="twinstream", filter="batched", **ours)
        kinds = ["filterpy", "floats"] if options.filter == "both" else [options.filter]
        for kind in kinds:
            for name in options.peers.split(","):
                found = _peer(where, python, name, kind, options.peer_records)
                ratio = ours["records_per_s"] / found["rate"]
                report.add(
                    "rates", who=name, filter=kind, records_per_s=found["rate"], cpu_us=found["cpu_us"], ours_is=ratio
                )
    for kind in kinds:
        best = max(row["records_per_s"] for row in report.tables["rates"] if row["filter"] == kind)
        report.add("best peer", filter=kind, records_per_s=best, ours_is=ours["records_per_s"] / best)
    if "filterpy" in kinds:
        ratio = report.tables["best peer"][0]["ours_is"]
        report.bars.append(Bar("twinstream against the best peer", BAR, ratio, "times"))
    report.notes += [
        "Peers: one process, filterpy's update as people write it; `floats` is the same step in hand-written scalar "
        "Python, shown beside. Faust and Bytewax keep their state in memory here and would lose it; Quix keeps it in "
        "RocksDB with a changelog.",
        "twinstream: the whole worker; readings, minute inputs, marks and checkpoints are durable in PostgreSQL, which "
        "shares the cores. `cpu us` is CPU per record of the process alone.",
    ]
    report.write(options.out)
    return 0


def _environment() -> str:
    """Make the peers' own environment, once, in the user's cache; give its Python."""
    wanted = (HERE / "requirements.txt").read_bytes()
    name = f"peers-{hashlib.sha256(wanted + sys.version.encode()).hexdigest()[:12]}"
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "twinstream" / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(HERE / "requirements.txt")], check=True)
        (folder / "complete").touch()
    return str(python)


def _fill(where: Stage, options: argparse.Namespace) -> None:
    """Append readings of a fleet, a minute apart."""
    assert where.broker is not None
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": ",".join(kafka_servers(where.broker)), "linger.ms": 20, "batch.num.messages": 10_000}
    )
    simulator = Simulator(Simulation(units=options.twins, rate_hz=1 / 60, age_hours=20.0))
    sent = step = 0
    while sent < options.records:
        readings = [one for one in simulator.records(step) if b'"channels"' in one.value]
        for one in readings[: options.records - sent]:
            while True:
                try:
                    producer.produce(TOPIC.name, one.value, one.key, place(one.key), headers=pairs(one))
                    break
                except BufferError:
                    producer.poll(0.05)
            sent += 1
        producer.poll(0)
        step += 1
    if producer.flush(120):
        raise TimeoutError("expected Kafka to take all records")


def _ours(where: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Let a worker apply everything; give its rate from the first commit on."""
    configuration = where.folder / "bioreactor.json"
    configuration.write_text(json.dumps(_CONFIGURATION))
    with (
        start_worker(where, bioreactor_config=configuration) as worker,
        psycopg.connect(where.uri, autocommit=True) as connection,
    ):
        await_owner(where, worker)
        begun = first = cpu = 0.0
        until = time.monotonic() + _LIMIT_SECONDS
        while (done := applied(connection)) < options.records:
            worker.alive()
            if done and not begun:
                begun, first, cpu = time.monotonic(), done, tree_seconds(worker.pid)
            if time.monotonic() > until:
                raise TimeoutError(f"expected {options.records} records applied, found {done}")
            time.sleep(0.02)
        seconds, cpu = time.monotonic() - begun, tree_seconds(worker.pid) - cpu
    counted = options.records - first
    return {"records_per_s": counted / seconds, "cpu_us": cpu / counted * 1e6}


def _peer(where: Stage, python: str, name: str, kind: str, records: int) -> dict[str, Any]:
    assert where.broker is not None
    command = [python, str(HERE / PEERS[name]), kafka_servers(where.broker)[0], TOPIC.name, str(records), kind]
    with Child(command, log=where.folder / "peer.log", talk=True) as child:
        while not (line := child.hear()).startswith('{"rate"'):
            continue
        return dict(json.loads(line))
