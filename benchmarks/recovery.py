"""Time to recover after kill -9, against the number of twins.

A fleet at 1 Hz; its worker is killed and another process started at once. It has recovered when it has applied all
that waits, up to half a second of load. Counted from the start of the new process, which is the kill. On Kafka a
static member takes its partitions back at once; a dynamic one waits until the broker gives the old one up.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import load as loads
from benchmarks.processes import Child
from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import TOPIC, Stage, applied, await_applied, await_owner, stage, start_worker
from streams.transports.access import LogReader, open_reader

BAR_SECONDS, BAR_TWINS = 10.0, 10_000
WAYS = ("embedded", "kafka-static", "kafka-dynamic")
_SETTLE_SECONDS = 12.0  # a checkpoint of every partition, and then some
_LIMIT_SECONDS = 90.0
_FIRST_SECONDS = 120.0


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="recovery", description=__doc__)
    parser.add_argument("--twins", default="1000,10000,30000")
    parser.add_argument("--ways", default=",".join(WAYS), help="embedded, kafka-static, kafka-dynamic")
    parser.add_argument("--kills", type=int, default=3, help="for each number of twins")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("recovery", "Seconds from kill -9 to caught up, the fleet going on at 1 Hz.", given(options))
    for way in options.ways.split(","):
        for twins in map(int, options.twins.split(",")):
            _run(report, way, twins, options)
    for way in options.ways.split(","):
        found = [row for row in report.tables["recoveries"] if row["way"] == way and row["twins"] == BAR_TWINS]
        if found and way != "kafka-dynamic":  # the broker's own session timeout rules there; it is reported
            report.bars.append(Bar(f"{way}: {BAR_TWINS} twins", BAR_SECONDS, found[0]["worst_s"], "s", most=True))
    report.notes.append(
        "`claimed` is when the new process owned every partition, `first commit` when it had applied one record more."
    )
    report.write(options.out)
    return 0


def _run(report: Report, way: str, twins: int, options: argparse.Namespace) -> None:
    transport = way.partition("-")[0]
    rng = random.Random(options.seed)
    settings = {"instance": "bench-1"} if way == "kafka-static" else {}
    seconds = round((_SETTLE_SECONDS + _LIMIT_SECONDS) * options.kills)
    with stage(transport, options.scratch) as where:
        load = loads.Load(where.uri, where.broker, twins, seconds)
        reader = open_reader(where.broker, where.uri)
        with Child(loads.command(load), log=where.folder / "load.log", talk=True) as source:
            worker = start_worker(where, "worker", None, **settings)
            try:
                await_owner(where, worker)
                await_applied(where, json.loads(source.hear())["first"], worker, _FIRST_SECONDS)
                source.say(str(float(int(time.time()) + 2)))
                times = []
                for number in range(options.kills):
                    time.sleep(_SETTLE_SECONDS + rng.random())
                    epochs = await_owner(where, worker)
                    worker.kill()
                    killed = time.monotonic()
                    worker = start_worker(where, f"worker-{number}", None, **settings)
                    times.append(_recover(where, reader, worker, killed, epochs, twins))
            finally:
                worker.stop()
        reader.close()
    caught_up = sorted(one["caught_up"] for one in times)
    report.add(
        "recoveries",
        way=way,
        twins=twins,
        median_s=caught_up[len(caught_up) // 2],
        worst_s=caught_up[-1],
        claimed_s=max(one["claimed"] for one in times),
        first_commit_s=max(one["first_commit"] for one in times),
        records_behind=max(one["behind"] for one in times),
    )


def _recover(
    where: Stage, reader: LogReader, worker: Child, killed: float, epochs: dict[int, int], twins: int
) -> dict[str, Any]:
    """Wait until a new worker has caught up; give seconds since the kill."""
    found: dict[str, Any] = {}
    with psycopg.connect(where.uri, autocommit=True) as connection:
        before = applied(connection)
        await_owner(where, worker, epochs)
        found["claimed"] = time.monotonic() - killed
        found["behind"] = sum(reader.ends(TOPIC.name).values()) - before
        while time.monotonic() - killed < _LIMIT_SECONDS:
            worker.alive()
            done = applied(connection)
            now = time.monotonic() - killed
            if done > before:
                found.setdefault("first_commit", now)
                if sum(reader.ends(TOPIC.name).values()) - done <= twins / 2:
                    return {**found, "caught_up": now}
            time.sleep(0.02)
    raise TimeoutError(f"expected the worker to catch up within {_LIMIT_SECONDS:g} s: {worker.told()}")
