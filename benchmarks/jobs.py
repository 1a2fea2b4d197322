"""The job ledger: claims and finishes per second, how long a claim takes behind a long queue, and what a flood does.

Each worker is a process that claims one job, answers it at once, and claims the next; every commit is durable. What the
engines compute is left out. The queue is filled by COPY, so that only what is measured goes through the ledger's door.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import stage
from schemas.jobs import Provenance, ResimulationRequest, ResimulationResult, SimulationSpec
from streams.jobs.content import canonical_spec
from streams.jobs.ports import Asked, Claimed, Finished
from streams.jobs.store import JobStore
from streams.ledger.connect import connect
from streams.outputs import make_outputs

KIND = "bioreactor"
BACKGROUND = 3
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
FLOODED_A_SECOND = 50.0  # jobs that each worker does meanwhile, as if an engine took 20 ms: else no core is left over
_COLUMNS = (
    "id, twin_kind, twin_key, kind, tenant, asked_by, reasons, priority, rank, spec, content_hash, inputs, event_time"
)
_TYPES = ["text"] * 6 + ["text[]", "int2", "int2", "bytea", "bytea", "text[]", "timestamptz"]


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="jobs", description=__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--queued", type=int, default=200_000, help="jobs that wait while it is measured")
    parser.add_argument("--tenants", type=int, default=20, help="whose jobs they are")
    parser.add_argument("--flood", type=int, default=100_000, help="jobs that one tenant asks for at once")
    parser.add_argument("--triggers", type=int, default=10_000, help="of one twin, to be one or two runs")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--scratch", type=Path, help="folder for the server's data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "jobs", "The job ledger: claims and finishes per second, durable, and what a claim takes.", given(options)
    )
    with stage("embedded", options.scratch) as where:
        uri = where.uri
        report.add("loading", jobs=options.queued, seconds=_load(uri, options.queued, options.tenants, "queue"))
        _explain(uri, report)
        fastest = _measure(report, "as fast as it goes", uri, options, rate=0.0)
        calm = _measure(report, "at 80 % of that", uri, options, rate=0.8 * fastest["per_s"])
        report.bars += [
            Bar(f"claims and finishes, {options.workers} workers", 600.0, fastest["per_s"], "1/s"),
            Bar(f"p99 of a claim, {options.queued:,} queued", 25.0, fastest["claim_p99_ms"], "ms", most=True),
            Bar("the same at 80 % of the rate", 25.0, calm["claim_p99_ms"], "ms", most=True),
        ]
        _flood(report, uri, options)
        _triggers(report, uri, options)
    report.notes.append("`cycle` is a claim, its finish, and both commits; a claim's time is its client's.")
    report.write(options.out)
    return 0


def _measure(report: Report, name: str, uri: str, options: argparse.Namespace, rate: float) -> dict[str, float]:
    """Let all workers claim and finish for a while, at a rate or as fast as they can; add what they saw."""
    begun = time.perf_counter()
    found = _run(uri, options.workers, options.seconds, rate / options.workers)
    claims = sorted(claim for claim, _ in found)
    cycles = sorted(claim + finish for claim, finish in found)
    row = {
        "per_s": len(found) / options.seconds,
        **{f"claim_p{p}_ms": _percentile(claims, p) for p in (50, 99)},
        **{f"cycle_p{p}_ms": _percentile(cycles, p) for p in (50, 99)},
    }
    report.add("claim and finish", load=name, **row, left_queued=_count(uri), seconds=time.perf_counter() - begun)
    return row


def _flood(report: Report, uri: str, options: argparse.Namespace) -> None:
    """Hold how long a few tenants' jobs wait while another's flood waits, against how long they wait without it."""
    _empty(uri)
    others = [f"other-{i}" for i in range(4)]
    calm = _waits(uri, options, others)
    _load(uri, options.flood, 1, "flood")
    flooded = _waits(uri, options, others)
    for name, waits in (("alone", calm), (f"with {options.flood:,} of another waiting", flooded)):
        report.add(
            "jobs of four small tenants, from submit to claim",
            queue=name, jobs=len(waits), p50_ms=_percentile(waits, 50), p95_ms=_percentile(waits, 95),
        )  # fmt: skip


def _waits(uri: str, options: argparse.Namespace, others: Sequence[str]) -> list[float]:
    """Submit for small tenants, some twenty a second, while workers go at a pace; give their waits [s], sorted."""
    prefix = f"small-{time.time_ns():x}"
    with _pool(options.workers) as pool:
        ends = time.time() + options.seconds
        working = [pool.submit(_work, uri, f"worker-{i}", ends, FLOODED_A_SECOND) for i in range(options.workers)]
        store = JobStore(uri, make_outputs(None, uri), "bench-submit")
        n = 0
        while time.time() < ends - 1.0:
            store.submit([_asked(f"{prefix}-{n}", f"{prefix}-{n}", others[n % len(others)], time.time_ns())])
            n += 1
            time.sleep(0.05)
        store.close()
        for one in working:
            one.result(120)
    with connect(uri, autocommit=True) as connection:
        rows = connection.execute(
            "select extract(epoch from started_at - asked_at)::float from job"
            " where id like %s and started_at is not null order by 1",
            (f"{prefix}-%",),
        ).fetchall()
    return [row[0] for row in rows]


def _triggers(report: Report, uri: str, options: argparse.Namespace) -> None:
    """Ask about one twin again and again while its first question runs; count the runs."""
    _empty(uri)
    store = JobStore(uri, make_outputs(None, uri), "bench-triggers")
    store.submit([_asked("trigger", "BR-1", "site", 0)])
    running = store.claim("worker", (KIND,), "cpu", 1)
    begun = time.perf_counter()
    for begin in range(0, options.triggers, 500):
        end = min(begin + 500, options.triggers)
        store.submit([_asked(f"trigger-{i}", "BR-1", "site", 1 + i) for i in range(begin, end)])
    spent = time.perf_counter() - begun
    runs = 0
    while running:
        runs += 1
        store.finish(_answer(running[0]))
        running = store.claim("worker", (KIND,), "cpu", 1)
    store.close()
    report.add("triggers of one twin", triggers=options.triggers, per_s=options.triggers / spent, runs=runs)
    report.bars.append(Bar(f"runs of {options.triggers:,} triggers", 2, runs, "runs", most=True))


def _run(uri: str, workers: int, seconds: float, rate: float) -> list[tuple[float, float]]:
    """Run workers side by side; give of each job the seconds of its claim and of its finish."""
    with _pool(workers) as pool:
        begins = time.time() + 1.0
        working = [pool.submit(_work, uri, f"worker-{i}", begins + seconds, rate, begins) for i in range(workers)]
        return [job for one in working for job in one.result(seconds + 120)]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes, and wait until each has imported what it needs."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers)
    with ProcessPoolExecutor(workers, context, initializer=_meet, initargs=(barrier,)) as pool:
        for one in [pool.submit(time.sleep, 0) for _ in range(workers)]:
            one.result(300)
        yield pool


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait(300)


def _work(uri: str, name: str, ends: float, rate: float, begins: float = 0.0) -> list[tuple[float, float]]:
    """Claim and finish until it is time; at `rate` a second if that is not 0, by chance as jobs come."""
    store = JobStore(uri, make_outputs(None, uri), name)
    rng, found = random.Random(name), []
    store.claim(name, ("none",), "cpu", 1)
    time.sleep(max(0.0, begins - time.time()))
    due = time.time()
    while (now := time.time()) < ends:
        if rate and now < due:
            time.sleep(min(due - now, ends - now))
            continue
        due += rng.expovariate(rate) if rate else 0.0
        first = time.perf_counter()
        claimed = store.claim(name, (KIND,), "cpu", 1)
        second = time.perf_counter()
        if not claimed:
            time.sleep(0.005)
            continue
        assert store.finish(_answer(claimed[0]))
        found.append((second - first, time.perf_counter() - second))
    store.close()
    return found


def _answer(claimed: Claimed) -> Finished:
    provenance = Provenance(claimed.spec.seed, {"engine": "1"}, "cpu", "exact", attempt=claimed.lease.attempt)
    result = ResimulationResult(claimed.lease.id, claimed.kind, "done", provenance, {"titre": [1.0, 2.0, 3.0]})
    return Finished(claimed.lease, msgspec.json.encode(result), b'{"titre":[1.0,2.0,3.0]}', 0.001, "cpu")


def _spec(seed: int) -> SimulationSpec:
    return SimulationSpec(KIND, "growth", {"mu_max": 0.04, "yield": 0.5}, seed, 256, 24.0, {"policies": ["as planned"]})


def _asked(name: str, key: str, tenant: str, seed: int) -> Asked:
    request = ResimulationRequest(_spec(seed), "a benchmark", "background", tenant=tenant)
    return Asked(name, "bioreactor", key, "growth", AT, request, "finish", "")


def _load(uri: str, jobs: int, tenants: int, prefix: str) -> float:
    """Fill the queue by COPY; give the seconds."""
    begun = time.perf_counter()
    with connect(uri) as connection:
        copy_from = f"copy job ({_COLUMNS}) from stdin (format binary)"
        with connection.cursor().copy(copy_from.encode()) as copy:
            copy.set_types(_TYPES)
            body, digest = canonical_spec(_spec(0)), bytes(31)
            for n in range(jobs):
                name, tenant = f"{prefix}-{n}", f"{prefix}-tenant-{n % tenants}"
                copy.write_row(
                    (name, "bioreactor", name, KIND, tenant, "growth", ["a benchmark"], BACKGROUND, BACKGROUND, body,
                     digest + n.to_bytes(4), [], AT)
                )  # fmt: skip
    return time.perf_counter() - begun


def _explain(uri: str, report: Report) -> None:
    """Tell which indexes a claim reads, and how long the server takes for it."""
    with psycopg.connect(uri) as connection:
        before = _scans(connection)
        row = connection.execute(
            "explain (analyze, buffers, format json) select no from job_claim('explain', array[%s], 'cpu', 1, 30)",
            (KIND,),
        ).fetchone()
        connection.rollback()
    with psycopg.connect(uri) as connection:
        connection.execute("select pg_stat_force_next_flush()")
        used = {name: after - before[name] for name, after in _scans(connection).items() if after > before[name]}
    assert row is not None
    plan = row[0][0]
    report.add("one claim", server_ms=plan["Execution Time"], buffers=plan["Plan"]["Shared Hit Blocks"],
               read=", ".join(f"{name} {count}" for name, count in sorted(used.items())))  # fmt: skip


def _scans(connection: psycopg.Connection[Any]) -> dict[str, int]:
    rows = connection.execute(
        "select indexrelname, idx_scan from pg_stat_user_indexes where relname = 'job'"
    ).fetchall()
    whole = connection.execute("select seq_scan from pg_stat_user_tables where relname = 'job'").fetchone()
    return {**dict(rows), "the whole table": whole[0] if whole else 0}


def _empty(uri: str) -> None:
    with connect(uri, autocommit=True) as connection:
        connection.execute("truncate job, job_checkpoint")


def _count(uri: str) -> int:
    with connect(uri, autocommit=True) as connection:
        row = connection.execute("select count(*) from job where state = 'queued'").fetchone()
        return int(row[0]) if row else 0


def _percentile(seconds: Sequence[float], percent: int) -> float:
    """Give a percentile of sorted seconds, in ms."""
    if len(seconds) < 2:
        return float("nan")
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000
