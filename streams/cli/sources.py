"""Commands that bring facts in: `ingest file`, `http`, `epcis`, `simulator` and `studies`, `replay`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from connectors.enrollment_files import Door, keep_told
from connectors.file import open_file
from connectors.outgoing import FAMILY, Item, Outgoing, Source, encode_items, family_said, shift
from connectors.tabular import TabularSource
from schemas.errors import UsageError
from schemas.instants import SECOND, Instant
from schemas.topics import input_topic
from streams.appending import AsyncReader, Row, append_rows, async_reader, async_writer
from streams.cli.say import progress, say
from streams.cli.studies import studies_source, write_studies
from streams.database import database
from streams.ledger.connect import connect
from streams.play import append_batches, play
from streams.prepare import prepare
from streams.settings import Settings
from streams.simulated import simulated
from streams.supervisor import Role, Supervisor
from streams.transports.access import open_writer

GROUP = "twinstream.connectors"
_FOLD_POLL_SECONDS = 0.2
MapOption = Annotated[
    Path | None, typer.Option("--map", help="Mapping file of a table: columns to tags, units, times.")
]
PlainOption = Annotated[
    bool, typer.Option("--no-pseudonyms", help="The file's subject ids are pseudonyms already: keep them.")
]


def register(app: typer.Typer, ingest: typer.Typer) -> None:
    """Add the commands."""
    ingest.command("file")(ingest_file)
    ingest.command("http")(ingest_http)
    ingest.command("epcis")(ingest_epcis)
    ingest.command("simulator")(ingest_simulator)
    ingest.command("studies")(ingest_studies)
    for entry in metadata.entry_points(group=GROUP):
        if entry.name not in ("file", "http", "simulator", "studies", "fhir", "odm", "epcis"):
            ingest.command(entry.name)(_plugged(entry.name, entry.load()))
    app.command()(replay)


def ingest_file(
    path: Annotated[
        Path, typer.Argument(help="Event file (.jsonl), table (.csv, .tsv), FHIR (.json) or ODM (.xml), also .gz.")
    ],
    map_file: MapOption = None,
    no_pseudonyms: PlainOption = False,
    told: Annotated[
        Path | None,
        typer.Option("--told", help="Memory of a trial's export: what was told before, brought up to date."),
    ] = None,
) -> None:
    """Append a file's facts to their topics, as fast as it goes. A worker folds them."""
    settings = Settings()
    door = Door(settings.pseudonym_key_file, no_pseudonyms, told, _now())
    source = open_file(path, map_file, door=door)
    with database(settings) as uri:
        count = asyncio.run(_play_all(settings, uri, encode_items(source.items()), None))
    keep_told(source, told)
    say(f"{count} records appended from {path.name}")


def ingest_http(
    url: Annotated[str, typer.Argument(help="Address that answers with events: a JSON array, or one object a line.")],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two requests.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Ask once and end.")] = False,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="Mapping of the family supply: what the address says are rows.")
    ] = None,
) -> None:
    """Poll an address and append what it says, until stopped."""
    from connectors.http import HttpSource  # its client loads only where it is used
    from connectors.supply_rows import answer_reader, load_supply_mapping

    settings = Settings()
    read = None if map_file is None else answer_reader(load_supply_mapping(map_file))
    with database(settings) as uri, _stoppable() as stopped:
        count = _append_items(
            settings, uri, HttpSource(url, every_seconds=every, once=once, stop=stopped, read=read), stopped
        )
    say(f"{count} records appended from {url}")


def ingest_epcis(
    path: Annotated[str, typer.Argument(help="EPCIS document, JSON-LD or XML, also .gz; - reads standard input.")],
    identify: Annotated[
        Path | None, typer.Option("--identify", help="JSON file that says which identifiers name which twins.")
    ] = None,
    source: Annotated[str, typer.Option(help="Who captured the events; with its hash an event counts once.")] = "epcis",
) -> None:
    """Append the events of an EPCIS document, one record for each twin that an event names."""
    from connectors.epcis import EpcisSource, open_identification

    settings = Settings()
    captured = EpcisSource(path, _now(), open_identification(identify), source)
    with database(settings) as uri, _stoppable() as stopped:
        count = _append_items(settings, uri, captured, stopped)
    say(f"{count} records appended from {path}")


def _plugged(name: str, factory: Callable[[str], Source]) -> Callable[[str], None]:
    """Make the command of a connector that somebody else registered."""

    def ingest_other(location: Annotated[str, typer.Argument(help="What the connector reads.")]) -> None:
        settings = Settings()
        with database(settings) as uri, _stoppable() as stopped:
            count = _append_items(settings, uri, factory(location), stopped)
        say(f"{count} records appended from {location}")

    ingest_other.__doc__ = f"Run the connector {name}, and append what it says."
    return ingest_other


def _append_items(settings: Settings, uri: str, source: Source, stopped: _Stopped) -> int:
    """Append each item as it comes, durable before the next is asked for."""
    prepare(uri, settings.broker)
    writer = open_writer(settings.broker, uri)
    count, family = 0, FAMILY
    try:
        for item in source.items():
            rows: dict[str, list[Row]] = {}
            for entry in item.entries:
                family = family_said(entry, family)
            for one in encode_items([item], family):
                rows.setdefault(one.topic, []).append((one.key, one.value, one.headers, one.partition))
            for topic, of_topic in rows.items():
                count += len(append_rows(writer, topic, of_topic))
            if stopped():
                break
    finally:
        writer.close()
    return count


def ingest_simulator(
    units: Annotated[int, typer.Option(min=1, help="How many simulated bioreactors.")] = 8,
    rate: Annotated[float, typer.Option(min=0.001, help="Readings a second and unit.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Same seed, same runs.")] = 7,
    speed: Annotated[float, typer.Option(min=0.001, help="Simulated seconds per second.")] = 60.0,
) -> None:
    """Append readings of simulated bioreactors in real time, until stopped."""
    settings = Settings()
    with database(settings) as uri, _stoppable() as stopped:
        batches = simulated(units=units, rate_hz=rate, seed=seed, speed=speed, stop=stopped)
        asyncio.run(_append(settings, uri, batches, stopped))


def ingest_studies(
    spec: Annotated[
        Path | None, typer.Option(help="JSON file that says the studies; without it they are drawn.")
    ] = None,
    studies: Annotated[int, typer.Option(min=1, max=10_000, help="How many to draw.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Same seed, same studies; without it the file's, or 7.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="Simulated days per second.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Write the events to this file instead of appending them.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what is true of the studies to this file (JSON).")] = None,
) -> None:
    """Append the facts of simulated studies, or write them to a file."""
    source = studies_source(spec, studies, seed)
    count = write_studies(source, out, truth)
    if out is not None:
        say(f"{count} events written to {out}")
        return
    settings = Settings()
    with database(settings) as uri, _stoppable() as stopped:
        count = asyncio.run(_play_all(settings, uri, encode_items(source.items()), speed * 86_400.0, stopped))
    say(f"{count} records appended of {len(source.truths)} simulated studies")


def replay(
    path: Annotated[Path, typer.Argument(help="Recorded run: a table with its mapping, or an event file.")],
    map_file: MapOption = None,
    speed: Annotated[str, typer.Option(help="Recorded seconds per second, or `max`.")] = "60",
    as_if_now: Annotated[
        bool, typer.Option("--as-if-now", help="Move event times so that the run begins now.")
    ] = False,
    no_pseudonyms: PlainOption = False,
    worker: Annotated[bool, typer.Option(help="Start a worker for the replay where none is at work.")] = True,
    config: Annotated[Path | None, typer.Option(help="JSON file for the worker: model, parameters, limits.")] = None,
) -> None:
    """Play a recorded run through log, worker and ledger, with a progress bar."""
    factor = _speed(speed)
    settings = Settings()
    door = Door(settings.pseudonym_key_file, no_pseudonyms, record_time=_now(), played=True)
    source = open_file(path, map_file, door=door)
    if isinstance(source, TabularSource):
        say(f"{path.name}: mapping {source.mapping.name}")
    with database(settings) as uri:
        prepare(uri, settings.broker)
        environment = {"TWINSTREAM_DATABASE": uri}
        if config is not None:
            environment["TWINSTREAM_BIOREACTOR_CONFIG"] = str(config)
        with _worker(environment, wanted=worker):
            asyncio.run(_replay(settings, uri, _records(source.items(), as_if_now), factor, path.name, wait=worker))
    say("see it: twinstream api, or twinstream up")


async def _replay(
    settings: Settings, uri: str, records: Iterator[Outgoing], factor: float | None, name: str, *, wait: bool
) -> None:
    """Play with a progress bar, then wait until all of it is folded."""
    from streams.models import families  # numpy and scipy load only where they are needed

    with progress() as bar:
        task = bar.add_task(f"append {name}", total=None, note="")
        async with async_writer(settings.broker, uri) as writer:
            count = await play(records, writer, speed=factor, on_progress=lambda n: bar.update(task, completed=n))
        bar.update(task, total=count, completed=count)
        say(f"{count} records appended")
        if not wait:
            return
        async with async_reader(settings.broker, uri) as reader:
            waiting = bar.add_task("fold", total=count, note="")
            topics = [input_topic(kind).name for kind in families(settings.families)]
            left = await _lag(reader, uri, topics)
            while left:
                bar.update(waiting, completed=max(0, count - left))
                await asyncio.sleep(_FOLD_POLL_SECONDS)
                left = await _lag(reader, uri, topics)
            bar.update(waiting, completed=count)
    say(f"{count} records folded and committed")


async def _lag(reader: AsyncReader, uri: str, topics: Sequence[str]) -> int:
    """Records of the topics that the worker folds that are in the log and not yet in the ledger."""
    applied = await asyncio.to_thread(_applied, uri)
    left = 0
    for topic in topics:
        ends = await reader.ends(topic)
        left += sum(max(0, end - applied.get((topic, partition), 0)) for partition, end in ends.items())
    return left


def _applied(uri: str) -> dict[tuple[str, int], int]:
    try:
        with connect(uri, autocommit=True, name="twinstream-replay") as connection:
            rows = connection.execute("select topic, partition, next_offset from applied").fetchall()
    except psycopg.errors.UndefinedTable:
        return {}  # the worker has not made its tables yet
    return {(topic, partition): offset for topic, partition, offset in rows}


async def _play_all(
    settings: Settings, uri: str, records: Iterator[Outgoing], speed: float | None, stop: _Stopped | None = None
) -> int:
    prepare(uri, settings.broker)
    async with async_writer(settings.broker, uri) as writer:
        return await play(records, writer, speed=speed, stop=stop or _Stopped())


async def _append(settings: Settings, uri: str, batches: AsyncIterator[list[Outgoing]], stop: _Stopped) -> None:
    prepare(uri, settings.broker)
    async with async_writer(settings.broker, uri) as writer:
        await append_batches(batches, writer, stop=stop)


def _records(items: Iterable[Item], as_if_now: bool) -> Iterator[Outgoing]:
    """Make records of items, moved in time if asked for."""
    yield from encode_items(_shifted(items) if as_if_now else items)


def _shifted(items: Iterable[Item]) -> Iterator[Item]:
    by: int | None = None
    for item in items:
        entries = []
        for entry in item.entries:
            if by is None and entry.event_time is not None:
                by = int(time.time() * 1e6) - entry.event_time
            entries.append(entry if by is None else shift(entry, by))
        yield item._replace(entries=tuple(entries))


def _now() -> Instant:
    return Instant(int(time.time()) * SECOND)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 1e9:
        raise UsageError(f"expected --speed as a number above 0, or max, received {text!r}")
    return factor


class _Stopped:
    """Whether the person asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked


@contextlib.contextmanager
def _stoppable() -> Iterator[_Stopped]:
    stopped = _Stopped()

    def ask(*_: object) -> None:
        if stopped.asked:
            raise KeyboardInterrupt
        stopped.asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _worker(environment: dict[str, str], *, wanted: bool) -> Iterator[None]:
    """Run a worker beside; one that is already at work keeps its lock, and ours stands by."""
    if not wanted:
        yield
        return
    supervisor = Supervisor([Role("worker", ["worker"], environment=environment)], say)
    supervisor.start()
    watcher = threading.Thread(target=supervisor.run, name="supervisor", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        supervisor.request_stop()
        watcher.join()
