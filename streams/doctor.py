"""Look at everything this installation stands on, and say what to do about what is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import psycopg

from schemas.errors import TwinstreamError
from schemas.topics import TOPICS
from streams.database import database
from streams.ledger import timescale
from streams.ledger.connect import connect
from streams.settings import Settings

CLOCK_TOLERANCE_SECONDS = 1.0
DISK_LOW_BYTES = 2 << 30
NEEDED = ("faust-streaming", "aiokafka", "msgspec", "numpy", "psycopg", "fastapi", "pydantic")
OLDEST_POSTGRES = 150_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    state: Literal["ok", "warn", "bad"]
    what: str
    detail: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, in the order in which it would fail."""
    yield _python()
    for name in NEEDED:
        yield _package(name)
    yield _disk(settings)
    yield from _guarded("database", lambda: list(_database(settings)))
    yield from _guarded("broker", lambda: [_broker(settings)])


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("ok", "Python", version)
    return Finding("bad", "Python", version, "use 3.11, 3.12 or 3.13")


def _package(name: str) -> Finding:
    try:
        return Finding("ok", name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding("bad", name, "not installed", "install from requirements/core.txt")


def _disk(settings: Settings) -> Finding:
    folder = next(
        (one for one in (settings.data_dir, *settings.data_dir.absolute().parents) if one.exists()), settings.data_dir
    )
    free = shutil.disk_usage(folder).free
    if free < DISK_LOW_BYTES:
        return Finding("warn", "disk", f"{free >> 20} MiB free at {folder}", "make room; a full disk stops the ledger")
    return Finding("ok", "disk", f"{free >> 30} GiB free at {folder}")


def _database(settings: Settings) -> Iterator[Finding]:
    with database(settings) as uri, connect(uri, autocommit=True, name="twinstream-doctor") as connection:
        version = connection.info.server_version
        kind = "embedded PostgreSQL" if settings.embedded else "PostgreSQL"
        old = version < OLDEST_POSTGRES
        yield Finding(
            "bad" if old else "ok", "database", f"{kind} {version // 10_000}", "use 15 or newer" if old else ""
        )
        if timescale.present(connection):
            yield Finding("ok", "TimescaleDB", "installed: history as hypertables")
        else:
            yield Finding("ok", "TimescaleDB", "not installed: history as daily partitions")
        before = time.time()
        row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
        after = time.time()
        apart = 0.0 if row is None else max(before - row[0], row[0] - after, 0.0)
        if apart > CLOCK_TOLERANCE_SECONDS:
            yield Finding("bad", "clock", f"{apart:.1f} s apart from the database's", "run chrony on both hosts")
        else:
            yield Finding("ok", "clock", "agrees with the database's")
        yield _ledger(connection)


def _ledger(connection: psycopg.Connection[Any]) -> Finding:
    row = connection.execute("select to_regclass('applied')").fetchone()
    if row is None or row[0] is None:
        return Finding("ok", "ledger", "empty: the first worker makes it")
    counted = connection.execute("select count(*), coalesce(sum(next_offset), 0) from applied").fetchone() or (0, 0)
    return Finding("ok", "ledger", f"{counted[0]} partitions, {counted[1]} records applied")


def _broker(settings: Settings) -> Finding:
    if settings.broker is None:
        return Finding("ok", "broker", "none named: the topic log in the database")
    from streams.appending import async_reader  # aiokafka loads only where a broker is named

    async def ends() -> dict[int, int]:
        async with async_reader(settings.broker, "") as reader:
            return dict(await asyncio.wait_for(reader.ends(next(iter(TOPICS))), 10))

    partitions = asyncio.run(ends())
    return Finding("ok", "broker", f"{settings.broker} answers; {len(partitions)} partitions of {next(iter(TOPICS))}")


def _guarded(what: str, look: Callable[[], list[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except (TwinstreamError, psycopg.Error, OSError, TimeoutError) as error:
        yield Finding("bad", what, str(error).strip() or type(error).__name__, "check the address, and that it runs")
