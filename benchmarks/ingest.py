"""Rows per second into the log and into the ledger, and what a record costs at each step of its way.

One step after the other, each alone on the machine: append (by one producer and by several processes), read from
the log, read into a frame, fold, commit to the ledger. Readings of 7 channels, as a simulated fleet sends them.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.processes import process_seconds
from benchmarks.report import Report, add_out, given
from benchmarks.servers import TOPIC, Stage, stage
from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator
from streams.ledger import claims
from streams.ledger.commit import Committer
from streams.ledger.connect import connect
from streams.ledger.folded import Folded
from streams.log import Producer, Reader, Record, Row
from streams.models import load_model
from streams.outputs import make_outputs
from twins.block import Model
from twins.frame import FrameReader

BATCH = 2000
FRAME = 4000


class Steps:
    """Adds up wall, client CPU and server CPU seconds of steps."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])

    @contextmanager
    def step(self, name: str, records: int, backend: int | None = None) -> Iterator[None]:
        """Time one call that handles so many records, with the server's process `backend`."""
        wall, cpu, server = time.perf_counter(), time.process_time(), process_seconds(backend) if backend else 0.0
        yield
        spent = self.spent[name]
        spent[0] += time.perf_counter() - wall
        spent[1] += time.process_time() - cpu
        spent[2] += (process_seconds(backend) - server) if backend else 0.0
        spent[3] += records

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give a row for each step."""
        for name, (wall, cpu, server, records) in self.spent.items():
            yield {
                "step": name,
                "records_per_s": records / wall,
                "our_us_per_record": cpu / records * 1e6,
                "server_us_per_record": server / records * 1e6,
            }


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="ingest", description=__doc__)
    parser.add_argument("--records", type=int, default=400_000, help="records for each step")
    parser.add_argument("--twins", type=int, default=10_000)
    parser.add_argument("--producers", type=int, default=4, help="processes that append at the same time")
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("ingest", "Rows per second into log and ledger, and the cost of a record by step.", given(options))
    with stage("embedded", options.scratch) as where:
        steps = Steps()
        _append(where, options, steps)
        _fold_and_commit(where, options, steps)
        for row in steps.rows():
            report.add("steps", **row)
        alone = _append_together(where, options)
    report.add("appending together", producers=options.producers, records_per_s=alone)
    report.notes.append("`our` is this process's CPU, `server` that of the PostgreSQL process that serves it.")
    report.notes.append("The first second of each twin is left out: it brings a batch start and an estimate a twin.")
    report.write(options.out)
    return 0


def _append(where: Stage, options: argparse.Namespace, steps: Steps) -> None:
    """Append the fleet's first step, which does not count, and then so many records."""
    simulator = _simulator(options.twins, seed=1)
    producer = Producer(where.uri, "bench-append")
    try:
        for rows in _batches(simulator, range(1)):
            producer.append(TOPIC.name, rows)
        with psycopg.connect(where.uri, autocommit=True) as connection:
            found = connection.execute("select pid from pg_stat_activity where application_name = 'bench-append'")
            backend = found.fetchall()[0][0]
        for rows in _batches(simulator, range(1, 1 + _steps(options.records, options.twins))):
            with steps.step("append to the log", len(rows), backend):
                producer.append(TOPIC.name, rows)
    finally:
        producer.close()


def _fold_and_commit(where: Stage, options: argparse.Namespace, steps: Steps) -> None:
    """Read all back, fold it and commit it, frame by frame."""
    model = load_model("bioreactor", None)
    reader = Reader(where.uri, "bench-read")
    outputs = make_outputs(None, where.uri)
    committer = Committer(outputs)
    partitions = range(TOPIC.partitions)
    with connect(where.uri, name="bench-commit") as connection:
        taken = claims.claim(connection, [(TOPIC.name, partition) for partition in partitions], "bench")
        folds = {claim.partition: _Fold(model, claim.partition, claim.epoch) for claim in taken}
        place = {(TOPIC.name, partition): 0 for partition in partitions}
        reader.read(place, limit=1)
        assert reader._conn is not None
        read_backend, commit_backend = reader._conn.info.backend_pid, connection.info.backend_pid
        counted = 0
        while True:
            warm = counted >= options.twins  # the first step is over
            timed: Callable[..., Any] = steps.step if warm else Steps().step
            with timed("read from the log", 0, read_backend):
                found = reader.read(place, FRAME)
            if not found:
                break
            number = sum(len(records) for records in found.values())
            if warm:
                steps.spent["read from the log"][3] += number
            round_ = []
            for (topic, partition), records in found.items():
                place[topic, partition] = records[-1].offset + 1
                round_.append(folds[partition].fold(records, timed))
            with timed("commit to the ledger", number, commit_backend):
                committer.commit(connection, round_)
            counted += number
    reader.close()


class _Fold:
    """One partition's block."""

    def __init__(self, model: Model, partition: int, epoch: int) -> None:
        self._block = model.empty()
        self._epoch = epoch
        self._reader = FrameReader(TOPIC.name, partition)

    def fold(self, records: Sequence[Record], timed: Callable[..., Any]) -> Folded:
        with timed("read into a frame", len(records)):
            frame = self._reader.read(records)
        with timed("fold", len(records)):
            if self._block.wanted(frame):
                raise ValueError("expected a load without late facts")
            effects = self._block.apply(frame, {})
        return Folded(frame, effects, self._epoch, records[-1].offset + 1, {})


def _append_together(where: Stage, options: argparse.Namespace) -> float:
    """Append from several processes at the same time; give records/s of all of them."""
    share = options.records // options.producers
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.producers, context) as pool:
        waiting = [pool.submit(_append_alone, where.uri, share, seed) for seed in range(2, 2 + options.producers)]
        spans = [one.result() for one in waiting]
    begun, ended = min(begin for begin, _ in spans), max(end for _, end in spans)
    return float(share * options.producers / (ended - begun))


def _append_alone(uri: str, records: int, seed: int) -> tuple[float, float]:
    """Append so many records; give when it began and ended."""
    simulator = _simulator(1000, seed)
    batches = list(_batches(simulator, range(1, 21)))
    producer = Producer(uri, f"bench-append-{seed}")
    producer.append(TOPIC.name, batches[0])
    begun, sent = time.time(), 0
    waiting: list[Future[Any]] = []
    while sent < records:
        rows = batches[len(waiting) % len(batches)]
        waiting.append(producer.send(TOPIC.name, rows))
        sent += len(rows)
    for one in waiting:
        one.result(120)
    ended = time.time()
    producer.close()
    return begun, ended


def _simulator(twins: int, seed: int) -> Simulator:
    return Simulator(Simulation(units=twins, seed=seed, age_hours=30.0, feed_every_seconds=300.0, clock="wall"),
                     fixed=True, packed=True)  # fmt: skip


def _steps(records: int, twins: int) -> int:
    return max(1, math.ceil(records / twins))


def _batches(simulator: Simulator, steps: range) -> Iterator[list[Row]]:
    for step in steps:
        records = simulator.records(step)
        for begin in range(0, len(records), BATCH):
            yield [(one.key, one.value, one.headers) for one in records[begin : begin + BATCH]]
