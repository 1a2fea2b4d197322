"""Supply twins live: scans at a steady pace through log, worker and ledger, and the time from a scan to its alert.

Load generator, worker and PostgreSQL run on this machine. Patients are on their way when time begins: each has an order
and `--before` scans, hours apart; from then on the twins' time passes as the wall's does. One scan in `--wrong-every`
reads another patient's bag, which is a stop: an alert that is due at once. What the twins tell one another is appended,
folded and counted too. Of four scans of a patient one is at a new step, which the network hears of; patients are at
different ones of the four.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg

from benchmarks.latency import of_alerts, read_marks
from benchmarks.processes import Child, CpuMeter
from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import Stage, applied, await_applied, await_owner, marks_file, stage, start_worker
from benchmarks.supply_patients import FACTS, TIMES, described, fact, patient
from connectors.outgoing import encode
from schemas.epcis import EpcisEvent, Extension
from schemas.events import Event
from schemas.instants import SECOND, Instant, format_instant
from schemas.topics import input_topic
from streams.log import Producer, Row
from streams.transports.access import LogReader, open_reader

TOPIC = input_topic("supply")
SPEC = Path(__file__).parents[1] / "examples/supply/reference_network.json"
SCANS_BAR, ALERT_BAR_SECONDS = 1000.0, 1.0
_BATCH = 2000
_TICK_SECONDS = 0.1
_BEFORE_SECONDS = 600.0
_DRAIN_SECONDS = 120.0


def main(arguments: Sequence[str]) -> int:
    """Run it; exit code 0 if every bar was met."""
    parser = argparse.ArgumentParser(prog="supply_live", description=__doc__)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=1000, help="scans per second")
    parser.add_argument("--seconds", type=int, default=120, help="that are measured")
    parser.add_argument("--warm-up", type=int, default=10, help="seconds of load that do not count")
    parser.add_argument("--before", type=int, default=12, help="facts of each patient that are folded before")
    parser.add_argument("--wrong-every", type=int, default=50, metavar="SCANS")
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_live", str(__doc__).splitlines()[0], given(options))
    with stage("embedded", options.scratch) as where:
        _measure(report, where, options)
    report.notes.append(
        "`alert` counts from a scan's append time in the log to the return of the COMMIT that holds the alert. `scans "
        "late` is how far the load fell behind its own times."
    )
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def _measure(report: Report, where: Stage, options: argparse.Namespace) -> None:
    before = options.before * options.patients + sum(one % TIMES for one in range(options.patients))
    live = islice(_live(options), options.rate * _whole(options))
    paced = [_row(_at(one, options, number)) for number, one in enumerate(live)]
    reader, producer = open_reader(where.broker, where.uri), Producer(where.uri, "load")
    with (
        psycopg.connect(where.uri, autocommit=True, application_name="benchmark") as connection,
        start_worker(where, families='["supply"]') as worker,
    ):
        await_owner(where, worker, topic=TOPIC)
        source = _before(options)
        _append(producer, [_row(described(json.loads(SPEC.read_bytes())["inputs"]["network"]))])
        for _ in range(0, before, _BATCH):
            _append(producer, [_row(one) for one in islice(source, _BATCH)])
        await_applied(where, before + 1, worker, _BEFORE_SECONDS, TOPIC)
        _await_quiet(where, reader, worker)
        gc.collect()
        gc.freeze()
        meter = CpuMeter({"worker": worker.pid, **where.roots})
        start = time.time() + 1.0
        since, until = start + options.warm_up, start + _whole(options)
        late, lags = _pace(producer, paced, start, options, connection, reader, worker, meter)
        cores = {name: seconds / options.seconds for name, seconds in meter.used().items()}
        _await_quiet(where, reader, worker)
        resident = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1]) * 4096 >> 20
        worker.stop()
        producer.close(60.0)
        reader.close()
        marks = read_marks(marks_file(where))
        alerts = of_alerts(connection, since, until, [marks.durable])
        said: dict[str, int] = dict(
            connection.execute(
                "select kind, count(*) from effect where known_at >= to_timestamp(%s) and known_at < to_timestamp(%s)"
                " group by kind order by kind", (since, until),
            ).fetchall()
        )  # fmt: skip
        rows = connection.execute("select count(*) from fact where type = 'supply.scanned'").fetchone()
    scans = len(paced) + before - options.patients
    kept = int(rows[0]) if rows else 0
    at, waiting = np.array(lags, dtype=np.float64).T
    growth = float(np.polyfit(at, waiting, 1)[0]) if len(lags) > 1 else 0.0
    report.add(
        "live", patients=options.patients, scans_per_s=options.rate, seconds=options.seconds, scans_late_s=late,
        waiting_most=int(waiting.max()), waiting_growth_per_s=growth, scans_lost=scans - kept,
        rejects=said.get("reject", 0), worker_mib=resident, **cores,
    )  # fmt: skip
    report.add("alerts", **{name.removesuffix("_s"): value for name, value in alerts.items()})
    report.add("effects per s", **{kind: count / options.seconds for kind, count in said.items()})
    for step, taken in marks.rounds(since, until).items():
        report.add("steps of a commit round", step=step, **taken)
    held = options.rate if growth < 0.01 * options.rate and late < 1.0 and scans == kept else 0
    report.bars += [
        Bar("scans a second held, none lost", SCANS_BAR, held, "scans/s"),
        Bar("scan to alert, p99", ALERT_BAR_SECONDS, alerts["p99_s"] or float("inf"), "s", most=True),
        Bar("stops raised", options.rate * options.seconds / options.wrong_every / 2, alerts["count"], "alerts"),
    ]


def _whole(options: argparse.Namespace) -> int:
    return int(options.warm_up + options.seconds)


def _before(options: argparse.Namespace) -> Iterator[Event]:
    """Give what is known when time begins, by time. One patient in four began one fact earlier, one two, one three."""
    for place in range(1 - TIMES, options.before):
        for one in range(options.patients):
            if place + one % TIMES >= 0:
                yield fact(one, place + one % TIMES, one % TIMES)


def _live(options: argparse.Namespace) -> Iterator[Event]:
    """Give the patients' next facts, in turns; some of a wrong bag."""
    number = 0
    for place in range(options.before, FACTS - TIMES + 1):
        for one in range(options.patients):
            number += 1
            event = fact(one, place + one % TIMES, one % TIMES)
            wrong = number % options.wrong_every == 0
            yield _of_another(event, patient((one + 1) % options.patients)) if wrong else event


def _at(event: Event, options: argparse.Namespace, number: int) -> Event:
    """Give a scan the time at which it is appended: so long after the last scan before as the load takes to it."""
    at = Instant(fact(options.patients - 1, options.before - 1).event_time + number * SECOND // options.rate)
    scan = event.data
    assert isinstance(scan, EpcisEvent)
    data = msgspec.structs.replace(scan, event_time=format_instant(at))
    return msgspec.structs.replace(event, event_time=at, record_time=at, data=data)


def _of_another(event: Event, coi: str) -> Event:
    """Give a scan that reads another patient's bag."""
    scan = event.data
    assert isinstance(scan, EpcisEvent)
    read = tuple(Extension(one.name, coi) if one.name.endswith("coiBag") else one for one in scan.extensions)
    return msgspec.structs.replace(event, data=msgspec.structs.replace(scan, extensions=read))


def _row(event: Event) -> Row:
    told = encode(event)[0]
    return told.key, told.value, told.headers


def _append(producer: Producer, rows: Sequence[Row]) -> None:
    answer: Future[Any] = producer.send(TOPIC.name, rows)
    answer.result(60.0)


def _pace(
    producer: Producer, rows: Sequence[Row], start: float, options: argparse.Namespace,
    connection: psycopg.Connection[Any], reader: LogReader, worker: Child, meter: CpuMeter,
) -> tuple[float, list[tuple[float, int]]]:  # fmt: skip
    """Append each tick's scans when they are due; give how late the load was [s], and (time [s], what waits)."""
    few, late, lags = max(1, round(options.rate * _TICK_SECONDS)), 0.0, []
    last: Future[Any] | None = None
    for tick, begin in enumerate(range(0, len(rows), few)):
        due = start + tick * _TICK_SECONDS
        if (wait := due - time.time()) > 0:
            time.sleep(wait)
        else:
            late = max(late, -wait)
        last = producer.send(TOPIC.name, rows[begin : begin + few])
        if tick == round(options.warm_up / _TICK_SECONDS):
            meter.begin()
        if tick % 10 == 0 and due >= start + options.warm_up:
            worker.alive()
            lags.append((time.time() - start, sum(reader.ends(TOPIC.name).values()) - applied(connection, TOPIC)))
    assert last is not None
    last.result(60.0)
    return late, lags


def _await_quiet(where: Stage, reader: LogReader, worker: Child) -> None:
    """Wait until all there is was applied, consequences of consequences too."""
    ends = -1
    while (now := sum(reader.ends(TOPIC.name).values())) != ends:
        await_applied(where, now, worker, _DRAIN_SECONDS, TOPIC)
        ends = now
