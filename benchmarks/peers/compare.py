"""The same EKF work in stock Faust, Quix Streams and Bytewax, and in twinstream, from one real Kafka.

Each reading of 7 channels is one step of an extended Kalman filter of 8 states (`fedbatch.py`). The peers take them one
by one with filterpy, in one process, with the cheapest state they have; twinstream takes them as a block in its whole
worker, with history and state committed to PostgreSQL beside. One after the other, the same topic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import confluent_kafka
import psycopg

from benchmarks.load import pairs, place
from benchmarks.peers.fedbatch import check
from benchmarks.processes import Child, tree_seconds
from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import TOPIC, Stage, applied, await_owner, stage, start_worker
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from streams.transports.addresses import kafka_servers

BAR = 10.0
HERE = Path(__file__).parent
PEERS = {"stock Faust": "faust_peer.py", "Quix Streams": "quix_peer.py", "Bytewax": "bytewax_peer.py"}
_LIMIT_SECONDS = 600.0


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    parser.add_argument("--twins", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=600_000, help="for twinstream")
    parser.add_argument("--peer-records", type=int, default=60_000, help="for each peer, after each twin's first")
    parser.add_argument("--runs", type=int, default=3, help="of all, in turns")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    check()
    python = _environment()
    report = Report("peers", "The same EKF work, one step a record, from a real Kafka.", given(options))
    for run in range(options.runs):
        with stage("kafka", options.scratch) as where:
            _fill(where, options)
            found = {name: _peer(where, python, name, options) for name in options.peers.split(",")}
            found["twinstream"] = _ours(where, options)
        best = max(one["rate"] for name, one in found.items() if name != "twinstream")
        report.add("records per s", run=run + 1, **{name: one["rate"] for name, one in found.items()},
                   ratio=found["twinstream"]["rate"] / best)  # fmt: skip
        report.add("own cpu us per record", run=run + 1, **{name: one["cpu_us"] for name, one in found.items()})
    ratio = statistics.median(row["ratio"] for row in report.tables["records per s"])
    report.bars.append(Bar("twinstream against the best peer, median", BAR, ratio, "times"))
    report.notes += [
        "Faust and Bytewax keep their state in memory here and would lose it; Quix keeps it in RocksDB with a "
        "changelog.",
        "twinstream is the whole worker: readings, estimates, state and offsets are durable in PostgreSQL, which "
        "shares the cores with the broker. Its block is the benchmark's own, since the shipped twin steps its filter "
        "once a minute and not with each reading.",
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
    simulator = Simulator(Simulation(units=options.twins, age_hours=20.0))
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
    environment = {"TWINSTREAM_BENCH_MODEL": "benchmarks.peers.block:FedBatchModel"}
    with (
        start_worker(where, environment=environment) as worker,
        psycopg.connect(where.uri, autocommit=True) as connection,
    ):
        await_owner(where, worker)
        begun = first = cpu = 0.0
        until = time.monotonic() + _LIMIT_SECONDS
        while (done := applied(connection)) < options.records:
            worker.alive()
            if done >= options.twins and not begun:
                begun, first, cpu = time.monotonic(), done, tree_seconds(worker.pid)
            if time.monotonic() > until:
                raise TimeoutError(f"expected {options.records} records applied, found {done}")
            time.sleep(0.02)
        seconds, cpu = time.monotonic() - begun, tree_seconds(worker.pid) - cpu
    counted = options.records - first
    return {"rate": counted / seconds, "cpu_us": cpu / counted * 1e6}


def _peer(where: Stage, python: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    assert where.broker is not None
    server, script = kafka_servers(where.broker)[0], str(HERE / PEERS[name])
    command = [python, script, server, TOPIC.name, str(options.peer_records), str(options.twins)]
    with Child(command, log=where.folder / "peer.log", talk=True) as child:
        while not (line := child.hear()).startswith('{"rate"'):
            continue
        return dict(json.loads(line))
