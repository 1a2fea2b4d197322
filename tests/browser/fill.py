"""Fill a ledger with plausible rows, straight into its tables: 32 yeast fed-batches, or 10,000 units.

Everything follows from the seed and `now_us`. The course is a logistic fed-batch with a probe that is noisy, sometimes
silent, sometimes wrong; nothing here is a model of the product.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import psycopg

from schemas.effects import Effect, write_effect
from schemas.ids import effect_id
from schemas.instants import DAY, HOUR, MINUTE, SECOND, format_instant
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.ledger.migrate import migrate
from streams.ledger.partitions import Partitions
from streams.ledger.reads import moment
from tests.browser.course import HOSTILE, KIND, TAGS, TOPIC, UNITS, Log, Rows, Unit
from tests.browser.course import HOSTILE_TAG as HOSTILE_TAG

SEED = 20


class DatabaseServer(Protocol):
    """What makes databases: the session's PostgreSQL."""

    def database(self) -> str: ...


def filled(server: DatabaseServer, fill: Callable[[psycopg.Connection[Any], int, int], object]) -> str:
    """Make a database with the ledger's shape and rows."""
    database = str(server.database())
    print(f"seed {SEED}")
    with psycopg.connect(database) as connection:
        migrate(connection)
        connection.commit()
        fill(connection, SEED, time.time_ns() // 1000)
        connection.commit()
        connection.autocommit = True
        connection.execute("analyze")
    return database


def fill_units(
    connection: psycopg.Connection[Any],
    seed: int,
    now_us: int,
    count: int = 32,
    hours: float = 30.0,
    every_us: int = 5 * MINUTE,
) -> list[str]:
    """Fill in `count` units with a full record each; give their keys. The first ones show what can go wrong."""
    rng = np.random.default_rng(seed)
    log, rows, units = Log(), Rows(), []
    connection.execute("insert into channel_set (tags, units) values (%s, %s)", (TAGS, UNITS))
    connection.execute("insert into channel_set (tags, units) values (%s, %s)", ([*TAGS[:-1], HOSTILE_TAG], UNITS))
    keys = [f"BR-{i:02d}" for i in range(1, count + 1)]
    for i, key in enumerate(keys):
        end = now_us - (3 * HOUR if i == 5 else int(rng.integers(5, 50)) * SECOND)
        start = end - int((hours - rng.uniform(0, 8) if i else hours) * HOUR)
        no = _twin(connection, key)
        if i == 6:
            continue  # heard of, nothing known yet
        unit = Unit(key, no, log, rows, rng, start, end)
        unit.run(every_us, ended=i == 7, gap=i == 2, hostile=i == 3)
        units.append(unit)
        _trouble(unit, i)
    _write(connection, rows, units, now_us)
    _rejects(connection, rng, log, now_us)
    for partition, offset in log.next.items():
        connection.execute(
            "insert into applied (topic, partition, next_offset, epoch, owner) values (%s, %s, %s, 1, 'fill')",
            (TOPIC, partition, offset),
        )
    connection.commit()
    return keys


def fill_many(connection: psycopg.Connection[Any], seed: int, now_us: int, count: int = 10_000) -> None:
    """Fill in `count` units with their present state alone."""
    rng = np.random.default_rng(seed)
    log, rows, units = Log(), Rows(), []
    connection.execute("insert into channel_set (tags, units) values (%s, %s)", (TAGS, UNITS))
    for i in range(1, count + 1):
        end = now_us - int(rng.integers(5, 60)) * SECOND
        unit = Unit(f"U{i}", 0, log, rows, rng, end - int(rng.uniform(2, 40) * HOUR), end)
        unit.tags = TAGS
        units.append(unit)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into twin (kind, key, partition) values (%s, %s, %s) returning no",
            [(KIND, unit.key, unit.partition) for unit in units],
            returning=True,
        )
        for unit in units:
            unit.no = cursor.fetchone()[0]  # type: ignore[index]
            cursor.nextset()
    for i, unit in enumerate(units):
        hours = (unit.end - unit.start) / HOUR
        unit.estimate(
            unit.end,
            hours,
            0.8,
            float(rng.chisquare(1)),
            "accepted",
            values=[unit.truth(hours)],
            offset=log.append(unit.partition),
        )
        unit.known_at = unit.end - (HOUR if rng.random() < 0.004 else 0)
        if i % 211 == 0:
            _trouble(unit, i // 211 % 4)
    _write(connection, rows, units, now_us)
    connection.commit()


def _trouble(unit: Unit, i: int) -> None:
    end = unit.end
    if i == 0:
        unit.alert(
            end - 12 * MINUTE, "dissolved_oxygen.low.measured", "critical", "Dissolved oxygen 18.2 % is below 20 %"
        )
        unit.alert(end - 30 * MINUTE, "biomass.high.predicted", "medium", "Biomass will pass 45 g/L in 3.1 h (93 %)")
    elif i == 1:
        unit.alert(end - 40 * MINUTE, "biomass.low.predicted", "high", "Biomass will miss 25 g/L at harvest (88 %)")
    elif i == 2:
        unit.alert(end - 3 * HOUR, "ph.low.measured", "medium", "pH 4.71 was below 4.8", cleared_after_us=HOUR)
        unit.alert(end - 2 * HOUR, "temperature.high.measured", "low", "Temperature 30.6 Cel is above 30.5 Cel")
    elif i == 3:
        unit.alert(end - 20 * MINUTE, "dissolved_oxygen.low.predicted", "high", f"Hostile text stays text: {HOSTILE}")


def _twin(connection: psycopg.Connection[Any], key: str) -> int:
    row = connection.execute(
        "insert into twin (kind, key, partition) values (%s, %s, %s) returning no",
        (KIND, key, partition_of(key.encode(), PARTITIONS)),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _write(connection: psycopg.Connection[Any], rows: Rows, units: list[Unit], now_us: int) -> None:
    earliest = min((row[0] for row in [*rows.effect, *rows.fact]), default=moment(now_us))
    Partitions().ensure(connection, range(int(earliest.timestamp()) * SECOND // DAY, (now_us + HOUR) // DAY + 1))
    columns = {
        "reading": "known_at, twin_no, channel_set, event_time, record_time, rec_offset, event_hash, vals, quality",
        "fact": "known_at, twin_no, event_time, record_time, rec_offset, event_hash, type, source, id, data",
        "effect": "known_at, twin_no, kind, lane, topic, partition, rec_offset, n, event_time, record_time, line",
    }
    for table, names in columns.items():
        with connection.cursor().copy(f"copy {table} ({names}) from stdin") as copy:
            for row in getattr(rows, table):
                copy.write_row(row)
    with connection.cursor() as cursor:
        cursor.executemany(
            "update twin set event_time = %s, known_at = %s, estimate = %s, forecast = %s where no = %s",
            [
                (moment(unit.end), moment(unit.known_at), _present(unit.last), _present(unit.forecast), unit.no)
                for unit in units
            ],
        )
        cursor.executemany(
            "insert into open_alert (id, twin_no, rule, priority, raised_at, last) values (%s, %s, %s, %s, %s, %s)",
            [
                (
                    alert["id"],
                    unit.no,
                    alert["data"]["rule"],
                    alert["data"]["priority"],
                    alert["event_time"],
                    json.dumps(alert),
                )
                for unit in units
                for alert in unit.alerts
            ],
        )


def _present(effect: dict[str, Any]) -> str | None:
    """Shape what `twin` holds of an effect, as `streams/ledger/present.py` does."""
    return json.dumps({**effect["data"], "id": effect["id"], "event_time": effect["event_time"]}) if effect else None


def _rejects(connection: psycopg.Connection[Any], rng: np.random.Generator, log: Log, now_us: int) -> None:
    for i in range(40):
        partition, t = int(rng.integers(0, PARTITIONS)), now_us - int(rng.integers(1, 600)) * SECOND
        offset = log.append(partition)
        reason = ("malformed", "unit", "duplicate")[i % 3]
        data = {
            "reason": reason,
            "expected": "one JSON object",
            "received": "b'{'",
            "where": "line",
            "advice": "one event a line",
            "topic": TOPIC,
            "partition": partition,
            "offset": offset,
        }
        line = write_effect(
            Effect(
                effect_id(TOPIC, partition, offset, 0),
                "reject",
                "qualified",
                KIND,
                "",
                format_instant(t),
                format_instant(t),
                "",
                data,
            )
        )
        connection.execute(
            "insert into effect (known_at, kind, lane, topic, partition, rec_offset, n, event_time, record_time, line)"
            " values (%s, 'reject', 'qualified', %s, %s, %s, 0, %s, %s, %s)",
            (moment(t), TOPIC, partition, offset, moment(t), moment(t), line),
        )
