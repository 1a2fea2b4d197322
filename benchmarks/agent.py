"""Records/s through the coalescing Faust agent, against bare aiokafka and against a stock Faust agent.

One real Kafka, one topic filled once with readings of a fixed payload; then, in turns, each reads them all, in a
process of its own, and decodes each. The stock agent gets a smaller share: it would take minutes.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import confluent_kafka

from benchmarks.load import pairs, place
from benchmarks.processes import Child, module
from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import TOPIC, Stage, stage
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from streams.transports.addresses import kafka_servers

BAR = 0.8
_TWINS = 10_000


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="agent", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--stock-records", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--decode", choices=["json", "frame"], default="json",
        help="what each does with a record: parse its JSON, or read frames as the product does",
    )  # fmt: skip
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("agent", "Records/s from a real Kafka through the Faust agent.", given(options))
    with stage("kafka", options.scratch) as where:
        _fill(where, options.records)
        for run in range(options.runs):
            row = {name: _read(where, name, options) for name in ("bare", "coalescing", "stock")}
            report.add(
                "runs",
                run=run + 1,
                bare_aiokafka_per_s=row["bare"]["rate"],
                coalescing_agent_per_s=row["coalescing"]["rate"],
                stock_agent_per_s=row["stock"]["rate"],
                of_bare=row["coalescing"]["rate"] / row["bare"]["rate"],
                of_stock=row["coalescing"]["rate"] / row["stock"]["rate"],
                bare_us=row["bare"]["cpu_us"],
                coalescing_us=row["coalescing"]["cpu_us"],
                stock_us=row["stock"]["cpu_us"],
            )
    ratio = statistics.median(row["of_bare"] for row in report.tables["runs"])
    stock = statistics.median(row["of_stock"] for row in report.tables["runs"])
    report.bars.append(Bar(f"median of {options.runs}: agent against bare aiokafka", BAR, ratio, "times"))
    report.add("medians", of_bare=ratio, of_stock=stock)
    report.notes.append(
        "`us` is the process's own CPU per record; the broker shares the cores. Rates are from the first fetch on. All "
        "three run with the worker's settings of collector and thread switches."
    )
    report.write(options.out)
    return 0


def _fill(where: Stage, records: int) -> None:
    """Append so many readings of one payload; only keys and ids differ."""
    assert where.broker is not None
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": ",".join(kafka_servers(where.broker)),
            "linger.ms": 20,
            "batch.num.messages": 10_000,
            "queue.buffering.max.messages": 200_000,
        }
    )
    simulator = Simulator(Simulation(units=_TWINS, age_hours=30.0), fixed=True)
    payload = simulator.records(1)[0].value
    sent, step, produce = 0, 1, producer.produce
    while sent < records:
        for one in simulator.records(step)[: records - sent]:
            while True:
                try:
                    produce(TOPIC.name, payload, one.key, place(one.key), headers=pairs(one))
                    break
                except BufferError:
                    producer.poll(0.05)
            sent += 1
        producer.poll(0)
        step += 1
    if producer.flush(120):
        raise TimeoutError("expected Kafka to take all records")


def _read(where: Stage, name: str, options: argparse.Namespace) -> dict[str, Any]:
    records = options.stock_records if name == "stock" else options.records
    assert where.broker is not None
    command = module("benchmarks.agent_apps", name, where.broker, str(records), options.decode)
    with Child(command, log=where.folder / f"{name}.log", talk=True) as child:
        return dict(json.loads(child.hear()))
