"""Lineage at a million edges in PostgreSQL: traces in time order against a plain reference, and against other ways.

    python -m benchmarks supply_lineage [--edges 1000000] [--seed 1] [--traces 1000]

The graph is a made one: 50,000 patients, of whom 40,000 got one hub lot (12 things downstream for each) and 2,500
another; rooms, equipment and shippers are shared, over intervals. A part of the traces is answered by a walk that
shares no code with ours (Dijkstra on dictionaries), and must be equal, instants included.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import statistics
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from streams.api.lineage_answers import impact, start_of
from streams.database import embedded
from streams.ledger.lineage import trace
from streams.ledger.lineage_load import Columns, LoadedEvent, copy_graph, settle
from streams.ledger.migrate import migrate
from streams.ledger.reads import LedgerReads
from streams.lineage.facts import Fact, Source, Thing
from streams.lineage.follower import Follower
from streams.lineage.kinds import BEGINNING, FOREVER, KIND_NO, TYPE_NO
from streams.lineage.trace import Edges, Question, Reached, Trace
from streams.log import Producer, declare
from streams.prepare import prepare
from streams.transports.access import PostgresReader
from twins.frame import RawRecord

Ints = NDArray[np.int64]
BARS = {"back": 5.0, "forward": 300.0, "hub": 3000.0, "visible": 1000.0}  # ms
EDGES_A_PATIENT = 20
HUB, LOT = 0.8, 0.05  # shares of patients
DAY = 86_400_000_000

# One thing of each for each patient; the first is the patient.
CHAIN = {
    "patient": "patient",
    "collection": "collection",
    "make": "step",
    "unit": "unit",
    "sample": "thing",
    "test": "test",
    "fill": "step",
    "bag": "unit",
    "vial": "thing",
    "shipment": "shipment",
    "infusion": "step",
    "followup": "test",
    "document": "document",
}
SHARED = {"lot": ("vector_lot", 10), "equipment": ("equipment", 200), "room": ("room", 30)}
SHARED |= {"shipper": ("shipper", 500), "media": ("material_lot", 50)}


@dataclass(frozen=True, slots=True)
class Made:
    """A graph to load, and the number of the first thing of each name in it."""

    nodes: list[tuple[int, str]]
    events: list[LoadedEvent]
    edges: Columns
    first: dict[str, int]
    patients: int


def make(patients: int, seed: int) -> Made:
    """Make the graph: 20 edges for each patient."""
    rng = np.random.default_rng(seed)
    nodes: list[tuple[int, str]] = []
    first: dict[str, int] = {}
    for name, (kind, count) in {**{n: (k, patients) for n, k in CHAIN.items()}, **SHARED}.items():
        first[name] = len(nodes)
        nodes += [(TYPE_NO[kind], f"urn:{name}:{i}") for i in range(count)]
    p = np.arange(patients)
    t = np.sort(rng.integers(0, 365, patients)) * DAY
    lot = np.where(p < HUB * patients, 0, np.where(p < (HUB + LOT) * patients, 1, 2 + p % 8))
    parts = []
    for kind, src, dst, day, days in _steps(p, lot, first):
        begin = t + int(day * DAY)
        end = np.full(patients, FOREVER) if days == FOREVER else begin + max(1, int(days * DAY))
        parts.append((src, dst, np.full(patients, KIND_NO[kind]), begin, end))
    src, dst, kind_no, begin, end = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
    order = np.argsort(begin, kind="stable")
    src, dst, kind_no, begin, end = src[order], dst[order], kind_no[order], begin[order], end[order]
    known = begin + rng.integers(0, DAY // 4, len(begin))
    corrected = (rng.random(len(begin)) < 0.05) & (kind_no == KIND_NO["located_in"])
    until = np.where(corrected, known + DAY, FOREVER)  # one place in twenty was an error, declared a day later
    m = len(src)
    events = [LoadedEvent(f"ni:{i}", int(begin[i]), int(known[i]), "bench.lineage", i % 8, i // 8) for i in range(m)]
    return Made(nodes, events, Columns(src, dst, np.arange(m), begin, end, known, until, kind_no), first, patients)


def _steps(p: Ints, lot: Ints, at: dict[str, int]) -> list[tuple[str, Ints, Ints, float, float]]:
    """Kind, source, destination, day, and for how many days (0: at that instant)."""

    def of(name: str, which: Ints = p) -> Ints:
        return at[name] + which

    return [
        ("derived_from", of("patient"), of("collection"), 0, 0),
        ("used", of("collection"), of("make"), 1, 0),
        ("used", of("lot", lot), of("make"), 1, 0),
        ("used", of("equipment", p % 200), of("make"), 1, 0),
        ("used", of("media", p % 50), of("make"), 1, 0),
        ("generated", of("make"), of("unit"), 2, 0),
        ("located_in", of("room", p % 30), of("unit"), 2, 1),
        ("derived_from", of("unit"), of("sample"), 3, 0),
        ("measured_by", of("sample"), of("test"), 4, 0),
        ("used", of("unit"), of("fill"), 3, 0),
        ("meant_for", of("bag"), of("patient"), 3.5, FOREVER),
        ("generated", of("fill"), of("bag"), 3.5, 0),
        ("generated", of("fill"), of("vial"), 3.5, 0),
        ("aggregated_in", of("shipper", p % 500), of("bag"), 5, 1),
        ("derived_from", of("bag"), of("shipment"), 5, 0),
        ("used", of("shipment"), of("infusion"), 7, 0),
        ("used", of("bag"), of("infusion"), 7, 0),
        ("generated", of("infusion"), of("patient"), 7, 0),
        ("measured_by", of("patient"), of("followup"), 8, 0),
        ("derived_from", of("followup"), of("document"), 9, 0),
    ]


class Reference:
    """Earliest arrival by Dijkstra on dictionaries; going back by Dijkstra on the latest departure."""

    def __init__(self, edges: Columns, base: int) -> None:
        self._out: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        self._in: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        columns = (edges.valid_from, edges.valid_until, edges.known_from, edges.known_until)
        for src, dst, *times in zip(*(c.tolist() for c in (edges.src + base, edges.dst + base, *columns)), strict=True):
            self._out[src].append((dst, *times))
            self._in[dst].append((src, *times))

    def walk(self, question: Question, start: int) -> dict[int, int]:
        """Give the instant of each thing that was reached."""
        forward = question.direction == "forward"
        sign, ways = (1, self._out) if forward else (-1, self._in)
        heap = [(sign * (question.since if forward else question.at), start)]
        found: dict[int, int] = {}
        while heap:
            key, node = heapq.heappop(heap)
            if node in found:
                continue
            found[node] = time = sign * key
            for far, begin, end, known, until in ways[node]:
                if not known <= question.known_at < until:
                    continue
                if forward and time < end and begin <= question.at:
                    heapq.heappush(heap, (max(time, begin), far))
                elif not forward and begin <= time and end > question.since:
                    heapq.heappush(heap, (-min(time, end - 1), far))
        return found


RECURSIVE = """
with recursive w (node, reached) as (
    select %(start)s::int, %(since)s::bigint
    union
    select e.dst, greatest(w.reached, e.valid_from) from w join lineage_edge e on e.src = w.node
        and e.known_from <= %(known_at)s and e.known_until > %(known_at)s and e.valid_until > w.reached
)
select node, min(reached) from w group by node
"""
FRONTIER = """
create function pg_temp.frontier(start int, since bigint, as_known bigint) returns setof record as $$
declare depth int := 0; grown bigint := 1;
begin
    create temp table if not exists walked (node int primary key, reached bigint not null, level int not null);
    truncate walked;
    insert into walked values (start, since, 0);
    while grown > 0 loop
        insert into walked as w (node, reached, level)
        select e.dst, min(greatest(f.reached, e.valid_from)), depth + 1
        from walked f join lineage_edge e on e.src = f.node and e.known_from <= as_known and e.known_until > as_known
            and e.valid_until > f.reached where f.level = depth group by e.dst
        on conflict on constraint walked_pkey do update set reached = excluded.reached, level = excluded.level
            where excluded.reached < w.reached;
        get diagnostics grown = row_count;
        depth := depth + 1;
    end loop;
    return query select w.node, w.reached from walked w;
end $$ language plpgsql
"""


def in_memory(connection: psycopg.Connection[Any]) -> Callable[[Question, int], Reached]:
    """Read all current edges into arrays in compressed sparse rows; give a walk over them."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"copy (select src, dst, kind, valid_from, valid_until from lineage_edge where known_until = {FOREVER}"
            " order by src) to stdout (format binary)"
        ) as copy,
    ):
        body = b"".join(copy)
    wire = [("n", ">i2")]
    for name, size in (("src", 4), ("dst", 4), ("kind", 2), ("start", 8), ("end", 8)):
        wire += [(f"{name}_length", ">i4"), (name, f">i{size}")]
    rows = np.frombuffer(body[19:-2], dtype=np.dtype(wire))
    src, *columns = (rows[name].astype(np.int64) for name in ("src", "dst", "kind", "start", "end"))

    def walk(question: Question, start: int) -> Reached:
        found = Trace(question, np.array([start]))
        while (frontier := found.frontier()) is not None:
            first = np.searchsorted(src, frontier.nodes, "left")
            count = np.searchsorted(src, frontier.nodes, "right") - first
            slot = np.repeat(np.arange(len(count)), count)
            at = np.arange(int(count.sum())) + np.repeat(first - np.cumsum(count) + count, count)
            found.take(Edges(slot, *(column[at] for column in columns)))
        return found.reached()

    return walk


def timed(work: Callable[[], Any], times: int) -> tuple[list[float], Any]:
    """Run so often; give milliseconds, sorted, and the last answer."""
    took, answer = [], None
    for _ in range(times):
        began = perf_counter()
        answer = work()
        took.append((perf_counter() - began) * 1000)
    return sorted(took), answer


def say(name: str, took: Sequence[float], bar: float | None = None, more: str = "") -> bool:
    """Print a figure beside its bar; give whether it is kept."""
    p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
    held = bar is None or p99 <= bar
    beside = "" if bar is None else f"   bar {bar:g}: {'held' if held else 'MISSED'}"
    print(f"{name:46} median {statistics.median(took):9.2f} ms   p99 {p99:9.2f} ms{beside}   {more}", flush=True)
    return held


def equal(found: Reached, wanted: dict[int, int]) -> bool:
    """Whether a walk reached what the reference did, at the same instants."""
    return dict(zip(found.nodes.tolist(), found.times.tolist(), strict=True)) == wanted


def traces(connection: psycopg.Connection[Any], made: Made, base: int, count: int, seed: int) -> bool:
    """Measure the three traces, and hold answers against the reference."""
    rng = np.random.default_rng(seed)
    reference = Reference(made.edges, base)
    took, wrong = [], 0
    for i in range(count):
        of = made.first[str(rng.choice(["patient", "bag", "infusion", "document"]))]
        start = base + of + int(rng.integers(made.patients))
        day = int(rng.integers(100, 400)) * DAY
        asked = Question("back", **[{}, {"at": day}, {"known_at": day}, {"since": day - 30 * DAY, "at": day}][i % 4])
        began = perf_counter()
        found = trace(connection, asked, [start])
        took.append((perf_counter() - began) * 1000)
        wrong += not equal(found, reference.walk(asked, start))
    held = say("back, of any patient's things", sorted(took), BARS["back"], f"{count} traces, {wrong} wrong")
    for name, lot, times in (("forward", 1, 15), ("hub", 0, 7)):
        start = base + made.first["lot"] + lot
        took, found = timed(lambda start=start: trace(connection, Question("forward"), [start]), times)
        wrong += not equal(found, reference.walk(Question("forward"), start))
        held &= say(f"{name} over {len(found.nodes):,} things", took, BARS[name], f"{len(found.nodes):,} reached")
        asked = Question("forward", since=120 * DAY, known_at=200 * DAY)
        wrong += not equal(trace(connection, asked, [start]), reference.walk(asked, start))
    print(f"answers unlike the reference's: {wrong}")
    return held and not wrong


def others(connection: psycopg.Connection[Any], made: Made, base: int) -> None:
    """Measure the ways that were not taken, and each part of ours alone."""
    connection.execute(FRONTIER.encode())
    names = {"since": BEGINNING, "known_at": FOREVER - 1}
    began = perf_counter()
    walk, asked = in_memory(connection), Question("forward")
    print(f"arrays in memory: read anew in {perf_counter() - began:.2f} s")
    for name, start, times in (
        ("one unit", base + made.first["unit"] + 7, 50),
        ("30,000", base + made.first["lot"] + 1, 5),
        ("480,000", base + made.first["lot"], 3),
    ):
        ways: dict[str, Callable[[], Any]] = {
            "ours": lambda s=start: trace(connection, asked, [s]),
            "ours, level by level": lambda s=start: trace(connection, asked, [s], whole=0),
            "one recursive query": lambda s=start: connection.execute(RECURSIVE, {"start": s, **names}).fetchall(),
            "frontier in PL/pgSQL": lambda s=start: connection.execute(
                "select * from pg_temp.frontier(%s, %s, %s) as f (node int, reached bigint)",
                (s, BEGINNING, FOREVER - 1),
            ).fetchall(),
            "arrays in memory": lambda s=start: walk(asked, s),
        }
        for way, work in ways.items():
            took, _ = timed(work, times)
            say(f"  forward, {name}: {way}", took)


async def hold_list(uri: str) -> None:
    """Measure the whole answer about the hub: trace, 40,000 patients by place with what to hold, 500 paths."""
    reads = LedgerReads(uri)
    await reads.open()
    took = []
    for _ in range(4):
        began = perf_counter()
        async with reads.connection() as connection:
            starts = await start_of(connection, ["urn:lot:0"])
            answer = await impact(connection, starts, Question("forward"), 100_000)
        took.append((perf_counter() - began) * 1000)
    await reads.close()
    say("the hub's whole hold list, with names", sorted(took), None, f"{answer['patients']:,} patients")


def visible(uri: str, count: int) -> bool:
    """Measure from the append of an event to the log until a trace shows it; a follower runs beside."""
    topic = "bench.lineage"
    with psycopg.connect(uri, autocommit=True) as connection:
        declare(connection, topic, 8)
    reader, stopped = PostgresReader(uri, {topic}), threading.Event()

    def read(record: RawRecord, source: Source) -> Fact:
        lot, unit = Thing("vector_lot", "urn:lot:0"), Thing("unit", f"urn:new:{(record.value or b'').decode()}")
        return Fact(f"new:{unit.key}", 400 * DAY, record.timestamp * 1000, source, inputs=(lot,), outputs=(unit,))

    follower = Follower(reader, uri, topic, read)
    thread = threading.Thread(target=follower.run, args=(stopped,))
    thread.start()
    writer, took = Producer(uri), []
    with psycopg.connect(uri, autocommit=True) as connection:
        for i in range(count):
            began = perf_counter()
            writer.append(topic, [(b"k%d" % i, b"%d" % i, [])])
            until = monotonic() + 10
            while not _known(connection, f"urn:new:{i}"):
                if monotonic() > until:
                    raise TimeoutError(f"expected event {i} in the graph within 10 s; the follower: {thread}")
            took.append((perf_counter() - began) * 1000)
    stopped.set()
    thread.join(10)
    writer.close()
    reader.close()
    return say("visible, from append to trace", sorted(took), BARS["visible"], f"{count} events, one by one")


def _known(connection: psycopg.Connection[Any], key: str) -> bool:
    row = connection.execute("select no from lineage_node where key = %s", (key,)).fetchone()
    return row is not None and len(trace(connection, Question("back"), [row[0]]).nodes) > 2


def main(arguments: Sequence[str]) -> int:
    """Run; give 1 if a bar is missed or an answer differs."""
    parser = argparse.ArgumentParser(prog="benchmarks supply_lineage", description=__doc__)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traces", type=int, default=1000)
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}, {options.edges:,} edges")
    made = make(options.edges // EDGES_A_PATIENT, options.seed)
    with tempfile.TemporaryDirectory(prefix="twinstream-lineage-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded(folder / "postgres") as uri:
            prepare(uri, None)
            with psycopg.connect(uri, autocommit=True) as connection:
                migrate(connection)
                began = perf_counter()
                base, _ = copy_graph(connection, made.nodes, made.events, made.edges)
                print(
                    f"loaded {len(made.edges.src):,} edges, {len(made.nodes):,} things: {perf_counter() - began:.1f} s"
                )
                settle(connection)
                held = traces(connection, made, base, options.traces, options.seed)
                others(connection, made, base)
            asyncio.run(hold_list(uri))
            held &= visible(uri, 100)
    return 0 if held else 1
