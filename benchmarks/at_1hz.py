"""Twins with 7 channels at 1 Hz: held or not, and the time from reading to alert.

Load generator, worker, PostgreSQL and, where asked for, Kafka all run on this machine. A number of twins is held if
the generator kept its times, what waits does not grow and never reached `--lag-seconds`, and nothing was lost.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from benchmarks import load as loads
from benchmarks.cultures import assay_step
from benchmarks.latency import of_alerts, of_readings, read_marks
from benchmarks.processes import Child, CpuMeter
from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import (
    TOPIC,
    Stage,
    applied,
    await_applied,
    await_owner,
    backends,
    backends_used,
    marks_file,
    stage,
    start_worker,
)
from streams.transports.access import LogReader, open_reader

TWINS_BAR, FULL_BAR, ALERT_BAR_SECONDS, ALERT_TWINS = 30_000, 10_000, 0.3, 10_000
FULL_TWIN = Path(__file__).parent / "full_twin.json"
_SAMPLE_SECONDS = 0.5
_FIRST_SECONDS = 120.0
_DRAIN_SECONDS = 60.0


def main(arguments: Sequence[str]) -> int:
    """Run it; exit code 0 whatever the numbers are."""
    parser = argparse.ArgumentParser(prog="at_1hz", description=__doc__)
    parser.add_argument("--twins", default="10000,30000", help="numbers of twins, one run each")
    parser.add_argument("--seconds", type=int, default=120, help="of each run, after the warm-up")
    parser.add_argument("--warm-up", type=int, default=10, help="seconds of load that do not count")
    parser.add_argument("--transport", default="embedded,kafka", help="embedded, kafka or both")
    parser.add_argument("--workers", type=int, default=1, help="on Kafka, which shares the partitions among them")
    parser.add_argument("--largest", type=int, default=0, metavar="STEP", help="after the last, add STEP while held")
    parser.add_argument("--lag-seconds", type=float, default=2.0, help="most that may wait, in seconds of load")
    parser.add_argument("--tick", type=float, default=0.1, help="the load appends what fell due each so many seconds")
    parser.add_argument("--crossing-seconds", type=int, default=1000, help="each unit crosses a limit once in so many")
    parser.add_argument("--moving", action="store_true", help="values move with the process (a dearer load)")
    parser.add_argument("--twin", choices=("thin", "full"), default="thin", help="full: fed CHO cultures, all features")
    parser.add_argument("--config", type=Path, help="configuration of the twins; full has one of its own")
    parser.add_argument("--assays-within", type=int, default=600, help="full: one assay a unit within so many seconds")
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("at_1hz", "Twins with 7 channels at 1 Hz, and the time from reading to alert.", given(options))
    for transport in options.transport.split(","):
        for twins in _numbers(options, held := []):
            held.append(_run(report, transport, twins, options))
    _judge(report, options)
    report.write(options.out)
    return 0


def _numbers(options: argparse.Namespace, held: list[bool]) -> Any:
    """Give the numbers of twins to run, going on beyond the last while it is held."""
    twins = 0
    for twins in map(int, options.twins.split(",")):
        yield twins
    while options.largest and held[-1]:
        twins += options.largest
        yield twins


def _run(report: Report, transport: str, twins: int, options: argparse.Namespace) -> bool:
    full = options.twin == "full"
    load = loads.Load(
        "", None, twins, options.warm_up + options.seconds, options.tick, options.moving, options.crossing_seconds,
        cultures=full, assays_within=options.assays_within if full else 0,
    )  # fmt: skip
    workers = options.workers if transport == "kafka" else 1
    with stage(transport, options.scratch) as where:
        row = _measure(where, load, workers, options)
    report.add("runs", transport=transport, workers=workers, twins=twins, **row["run"])
    report.add("cores used", transport=transport, twins=twins, **row["cores"])
    report.add("cores of postgresql", transport=transport, twins=twins, **row["postgresql"])
    report.add("effects per s", transport=transport, twins=twins, **row["said"])
    for step, taken in row["rounds"].items():
        report.add("steps of a commit round", transport=transport, twins=twins, step=step, **taken)
    return bool(row["run"]["held"])


def _measure(where: Stage, load: loads.Load, count: int, options: argparse.Namespace) -> dict[str, Any]:
    given_ = loads.Load(**{**_fields(load), "database": where.uri, "broker": where.broker})
    reader = open_reader(where.broker, where.uri)
    with (
        ExitStack() as stack,
        Child(loads.command(given_), log=where.folder / "load.log", talk=True) as source,
        psycopg.connect(where.uri, autocommit=True, application_name="benchmark") as connection,
    ):
        names = ["worker", *(f"worker {n}" for n in range(2, count + 1))]
        config = options.config or (FULL_TWIN if options.twin == "full" else None)
        settings: dict[str, Any] = {} if config is None else {"bioreactor_config": config.resolve()}
        workers = {name: stack.enter_context(start_worker(where, name, **settings)) for name in names}
        worker = workers["worker"]
        await_owner(where, worker)
        first = json.loads(source.hear())["first"]
        await_applied(where, first, worker, _FIRST_SECONDS)
        start = float(int(time.time()) + 2)
        source.say(str(start))
        since = start + options.warm_up
        _sleep_until(since)
        meter = CpuMeter({**{name: one.pid for name, one in workers.items()}, "load": source.pid, **where.roots})
        meter.begin()
        before = backends(where, worker)
        lags = _sample_lag(connection, reader, worker, since, options.seconds)
        cores = {name: seconds / options.seconds for name, seconds in meter.used().items()}
        postgres = {
            name: seconds / options.seconds
            for name, seconds in sorted(backends_used(before, backends(where, worker)).items(), key=lambda one: -one[1])
        }
        said = json.loads(source.hear())
        await_applied(where, sum(reader.ends(TOPIC.name).values()), worker, _DRAIN_SECONDS)
        resident = sum(_resident(one.pid) for one in workers.values())
        for one in workers.values():
            one.stop()
        reader.close()
        noted = [read_marks(marks_file(where, name)) for name in workers]
        marks, durable = noted[0], [one.durable for one in noted]
        until = since + options.seconds
        alerts = of_alerts(connection, since, until, durable)
        readings = of_readings(connection, since, until, durable)
        said_per_s = _said(connection, since, until)
        rejects = _count(connection, "select count(*) from effect where kind = 'reject'")
        assays = _count(connection, "select count(*) from fact where type = 'bioreactor.assay_resulted'")
        rows = sum(_count(connection, f"select count(*) from {table}") for table in ("reading", "fact"))
    rate = load.twins
    growth = _slope(lags) / rate
    worst = max(lag for _, lag in lags) / rate
    lost = said["sent"] - rows - rejects
    expected = _crossings(load, said["first_step"], options)
    held = worst <= options.lag_seconds and growth < 0.005 and said["late_max"] < 1.0 and lost == 0
    return {
        "run": {
            "held": held,
            "records_per_s": said["sent_paced"] / load.seconds,
            "lag_max_s": worst,
            "lag_growth": growth,
            "load_late_max_s": said["late_max"],
            "reading_p50_s": readings["p50_s"],
            "reading_p99_s": readings["p99_s"],
            "alerts": alerts["count"],
            "alerts_expected": expected,
            "alert_p50_s": alerts["p50_s"],
            "alert_p99_s": alerts["p99_s"],
            "alert_max_s": alerts["max_s"],
            "assays": assays,
            "assays_told": _assays_told(load, said["first_step"]),
            "lost": lost,
            "rejects": rejects,
            "commits_per_s": sum(int(((at >= since) & (at < until)).sum()) for at in durable) / options.seconds,
            "workers_mib": resident,
        },
        "cores": cores,
        "postgresql": postgres,
        "rounds": marks.rounds(since, until),
        "said": said_per_s,
    }


def _judge(report: Report, options: argparse.Namespace) -> None:
    """Hold the runs against the bars, as far as they were long and large enough."""
    for transport in options.transport.split(","):
        runs = [row for row in report.tables["runs"] if row["transport"] == transport]
        held = max([row["twins"] for row in runs if row["held"]], default=0)
        bar = FULL_BAR if options.twin == "full" else TWINS_BAR
        report.bars.append(Bar(f"{transport}: {options.twin} twins held {options.seconds} s", bar, held, "twins"))
        for row in runs:
            if row["twins"] == ALERT_TWINS and row["alert_p99_s"] is not None:
                what = f"{transport}: reading to alert, p99 at {ALERT_TWINS}"
                report.bars.append(Bar(what, ALERT_BAR_SECONDS, row["alert_p99_s"], "s", most=True))
        for row in runs:
            if row["assays_told"]:
                what = f"{transport}: assays absorbed, {row['twins']} in {options.assays_within} s being the pace"
                report.bars.append(Bar(what, row["assays_told"], row["assays"], "assays"))
    report.notes += [
        "`reading` and `alert` count from the record's append time in the log to the return of the COMMIT that holds "
        "it; the append is acknowledged a little after its append time, so these are upper bounds. Of several workers "
        "the last to return from a COMMIT counts.",
        "`lag growth` is the slope of what waits, as a share of the load; `cores used: other` is what the rest of the "
        "machine used meanwhile, this benchmark's own sampling included.",
    ]


def _sample_lag(
    connection: psycopg.Connection[Any], reader: LogReader, worker: Child, since: float, seconds: int
) -> list[tuple[float, int]]:
    """Note (time, records waiting) for so many seconds."""
    lags = []
    tick = since
    while tick < since + seconds:
        _sleep_until(tick)
        worker.alive()
        done = applied(connection)
        lags.append((time.time(), max(0, sum(reader.ends(TOPIC.name).values()) - done)))
        tick += _SAMPLE_SECONDS
    _sleep_until(since + seconds)
    return lags


def _slope(lags: list[tuple[float, int]]) -> float:
    """Fit a line through what waits: records gained per second."""
    at, lag = np.array(lags, dtype=np.float64).T
    return float(np.polyfit(at - at[0], lag, 1)[0]) if len(at) > 1 else 0.0


def _crossings(load: loads.Load, first_step: int, options: argparse.Namespace) -> int:
    """Count the raises and clears that readings within the measured span should give."""
    begin = first_step + options.warm_up
    steps = range(begin, begin + options.seconds)
    raised = sum(len(loads.crossing(load, step, *part)) for step in steps for part in _parts(load))
    cleared = sum(len(loads.crossing(load, step - 1, *part)) for step in steps for part in _parts(load))
    return raised + cleared


def _assays_told(load: loads.Load, first_step: int) -> int:
    """Count the assays that fell within the paced steps."""
    if not load.assays_within:
        return 0
    steps = range(first_step, first_step + load.seconds)
    return sum(assay_step(unit, load.twins, load.assays_within) in steps for unit in range(load.twins))


def _parts(load: loads.Load) -> list[tuple[int, int]]:
    ticks = max(1, round(1 / load.tick_seconds))
    return [(load.twins * part // ticks, load.twins * (part + 1) // ticks) for part in range(ticks)]


def _fields(load: loads.Load) -> dict[str, Any]:
    return {name: getattr(load, name) for name in load.__dataclass_fields__}


def _count(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    return int(row[0]) if row else 0


def _said(connection: psycopg.Connection[Any], since: float, until: float) -> dict[str, float]:
    """Give effects per second by kind, and memory rows."""
    span = (since, until)
    within = "known_at >= to_timestamp(%s) and known_at < to_timestamp(%s)"
    rows = connection.execute(f"select kind, count(*) from effect where {within} group by kind order by kind", span)
    found = {f"{kind}s": count / (until - since) for kind, count in rows.fetchall()}
    row = connection.execute(f"select count(*) from memory where {within}", span).fetchone()
    return {**found, "memory_rows": (row[0] if row else 0) / (until - since)}


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 >> 20


def _sleep_until(instant: float) -> None:
    if (wait := instant - time.time()) > 0:
        time.sleep(wait)
