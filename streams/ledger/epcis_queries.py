"""Named queries and their subscriptions: what is asked again and again, who is told, and up to where each was told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg

from schemas.instants import instant_of, moment_of
from streams.ledger.reads import Connection, text_of

MOST_QUERIES = 1000
MOST_SUBSCRIPTIONS = 1000
HELD_SECONDS = 120  # a process that tells a subscriber and says nothing for so long has ended

_SHOWN = (
    "no, id, query, owner, created_at, dest, schedule, report_if_empty, first_record, min_record, next_at, failures,"
    " delivered, last_at, last_error"
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who is told of what a query finds. Times in us; `secret` does not print."""

    id: str
    query: str
    dest: str
    secret: str = field(repr=False)
    schedule: dict[str, str] | None
    report_if_empty: bool
    first_record: int
    after_no: int
    failures: int
    asked: dict[str, list[str]]


async def add_query(connection: Connection, name: str, owner: str, given: dict[str, list[str]]) -> bool:
    """Keep a query. False: there are too many.

    Raises
    ------
    psycopg.errors.UniqueViolation
        If there is one of that name.
    """
    rows = await connection.execute(
        "insert into epcis_query (name, owner, query) select %s, %s, %s::jsonb"
        " where (select count(*) from epcis_query) < %s returning name",
        (name, owner, _text(given), MOST_QUERIES),
    )
    return await rows.fetchone() is not None


async def read_query(connection: Connection, name: str) -> dict[str, Any] | None:
    """Give a query: name, owner, created_at, query."""
    rows = await connection.execute("select name, owner, created_at, query from epcis_query where name = %s", (name,))
    return await rows.fetchone()


async def list_queries(connection: Connection, limit: int, after: str) -> list[dict[str, Any]]:
    """Give queries by name."""
    rows = await connection.execute(
        'select name, owner, created_at, query from epcis_query where name collate "C" > %s order by name collate "C"'
        " limit %s",
        (after, limit),
    )
    return await rows.fetchall()


async def drop_query(connection: Connection, name: str) -> bool:
    """Remove a query with its subscriptions; tell whether there was one."""
    rows = await connection.execute("delete from epcis_query where name = %s returning name", (name,))
    return await rows.fetchone() is not None


async def add_subscription(connection: Connection, subscription: Subscription, owner: str, next_at: int) -> bool:
    """Keep a subscription, due first at `next_at` [us]. False: there are too many."""
    moment = moment_of(subscription.first_record)
    schedule = None if subscription.schedule is None else _text(subscription.schedule)
    rows = await connection.execute(
        "insert into epcis_subscription (id, query, owner, dest, secret, schedule, report_if_empty, first_record,"
        " min_record, after_no, next_at)"
        " select %(id)s, %(query)s, %(owner)s, %(dest)s, %(secret)s, %(schedule)s::jsonb, %(empty)s, %(first)s,"
        " %(first)s,"
        " coalesce((select max(no) from epcis_event where record_time < %(first)s), 0), %(next)s"
        " where (select count(*) from epcis_subscription) < %(most)s returning no",
        {
            "id": subscription.id, "query": subscription.query, "owner": owner, "dest": subscription.dest,
            "secret": subscription.secret, "schedule": schedule, "empty": subscription.report_if_empty,
            "first": moment, "next": moment_of(next_at), "most": MOST_SUBSCRIPTIONS,
        },
    )  # fmt: skip
    return await rows.fetchone() is not None


async def list_subscriptions(connection: Connection, query: str, limit: int, after: int) -> list[dict[str, Any]]:
    """Give a query's subscriptions by age, without their secrets; `no` is the place in the list."""
    rows = await connection.execute(
        f"select {_SHOWN} from epcis_subscription where query = %s and no > %s order by no limit %s",
        (query, after, limit),
    )
    return await rows.fetchall()


async def read_subscription(connection: Connection, query: str, name: str) -> dict[str, Any] | None:
    """Give one subscription, without its secret."""
    rows = await connection.execute(
        f"select {_SHOWN} from epcis_subscription where query = %s and id = %s", (query, name)
    )
    return await rows.fetchone()


async def drop_subscription(connection: Connection, query: str, name: str) -> bool:
    """Remove a subscription; tell whether there was one."""
    rows = await connection.execute(
        "delete from epcis_subscription where query = %s and id = %s returning no", (query, name)
    )
    return await rows.fetchone() is not None


async def claim(connection: Connection, limit: int) -> list[Subscription]:
    """Take subscriptions that are due and that nobody tells now, for HELD_SECONDS."""
    rows = await connection.execute(
        "with due as (select no from epcis_subscription where next_at <= now() and held_until < now()"
        " and (schedule is not null or after_no < (select max(no) from epcis_event))"
        " order by next_at limit %s for update skip locked)"
        " update epcis_subscription s set held_until = now() + make_interval(secs => %s)"
        " from due, epcis_query q where s.no = due.no and q.name = s.query"
        " returning s.id, s.query, s.dest, s.secret, s.schedule, s.report_if_empty, s.first_record, s.after_no,"
        " s.failures, q.query as asked",
        (limit, HELD_SECONDS),
    )
    found = await rows.fetchall()
    return [Subscription(**{**row, "first_record": instant_of(row["first_record"])}) for row in found]


async def told(
    connection: Connection, subscription: Subscription, up_to: int, min_record: int | None, events: int, next_at: int
) -> None:
    """Move a subscription on to the number `up_to`: what lies before was taken, or does not match."""
    await connection.execute(
        "update epcis_subscription set after_no = %s, min_record = coalesce(%s, min_record),"
        " delivered = delivered + %s, failures = 0, last_error = '', last_at = now(), next_at = %s,"
        " held_until = '-infinity' where id = %s and after_no = %s",
        (
            up_to,
            None if min_record is None else moment_of(min_record),
            events,
            moment_of(next_at),
            subscription.id,
            subscription.after_no,
        ),
    )


async def failed(connection: Connection, subscription: Subscription, reason: str, seconds: float) -> None:
    """Leave a subscription where it stands, to be tried again in a while."""
    await connection.execute(
        "update epcis_subscription set failures = failures + 1, last_error = %s, last_at = now(),"
        " next_at = now() + make_interval(secs => %s), held_until = '-infinity' where id = %s and after_no = %s",
        (reason[:300], seconds, subscription.id, subscription.after_no),
    )


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Write a subscription as EPCIS does, with how it goes."""
    how = {"stream": True} if row["schedule"] is None else {"schedule": row["schedule"]}
    return {
        "subscriptionID": row["id"],
        "queryName": row["query"],
        "createdAt": text_of(row["created_at"]),
        "dest": row["dest"],
        **how,
        "reportIfEmpty": row["report_if_empty"],
        "initialRecordTime": text_of(row["first_record"]),
        "minRecordTime": text_of(row["min_record"]),
        "delivered": row["delivered"],
        "failures": row["failures"],
        "lastNotifiedAt": text_of(row["last_at"]),
        "lastError": row["last_error"],
        "nextAt": text_of(row["next_at"]),
        "subscribedBy": row["owner"],
    }


def _text(document: object) -> str:
    return msgspec.json.encode(document).decode()


UniqueViolation = psycopg.errors.UniqueViolation
