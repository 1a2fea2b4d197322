"""Jobs of capture: documents taken in, what is being worked on, what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from streams.ledger.reads import Connection, text_of

HELD_SECONDS = 120  # a process that works on a capture and says nothing for so long has ended
MOST_ATTEMPTS = 10
MOST_OPEN = 50  # captures not finished; each holds its document
MOST_KEPT = 100_000  # captures whose outcome is remembered

_SHOWN = "no, id, owner, behaviour, created_at, finished_at, success, captured, refused, errors"


class Work(NamedTuple):
    """A document to capture."""

    id: str
    behaviour: str
    payload: bytes
    attempt: int


class Outcome(NamedTuple):
    """What came of a document: events appended, refused, and the reasons of the first of these."""

    success: bool
    captured: int
    refused: int
    errors: list[dict[str, Any]]  # problems


async def add(connection: Connection, name: str, owner: str, behaviour: str, media: str, payload: bytes) -> bool:
    """Take a document in. False: too many wait."""
    rows = await connection.execute(
        "insert into epcis_capture (id, owner, behaviour, media, payload) select %s, %s, %s, %s, %s"
        " where (select count(*) from epcis_capture where finished_at is null) < %s returning no",
        (name, owner, behaviour, media, payload, MOST_OPEN),
    )
    return await rows.fetchone() is not None


async def claim(connection: Connection) -> Work | None:
    """Take the oldest capture that nobody works on, for HELD_SECONDS."""
    rows = await connection.execute(
        "update epcis_capture set attempts = attempts + 1, held_until = now() + make_interval(secs => %s)"
        " where no = (select no from epcis_capture where finished_at is null and held_until < now() order by no limit 1"
        " for update skip locked) returning id, behaviour, payload, attempts",
        (HELD_SECONDS,),
    )
    row = await rows.fetchone()
    return None if row is None else Work(row["id"], row["behaviour"], row["payload"], row["attempts"])


async def give_back(connection: Connection, name: str, seconds: float) -> None:
    """Let a capture be tried again in a while."""
    await connection.execute(
        "update epcis_capture set held_until = now() + make_interval(secs => %s) where id = %s and finished_at is null",
        (seconds, name),
    )


async def finish(connection: Connection, name: str, outcome: Outcome) -> None:
    """Keep what came of a capture, and forget its document; and captures long past."""
    await connection.execute(
        "update epcis_capture set finished_at = now(), success = %s, captured = %s, refused = %s, errors = %s,"
        " payload = null where id = %s and finished_at is null",
        (
            outcome.success,
            outcome.captured,
            outcome.refused,
            msgspec.json.encode(outcome.errors).decode(),
            name,
        ),
    )
    await connection.execute(
        "delete from epcis_capture where finished_at is not null and no <= (select max(no) from epcis_capture) - %s",
        (MOST_KEPT,),
    )


async def read(connection: Connection, name: str) -> dict[str, Any] | None:
    """Give one job, as EPCIS writes it."""
    rows = await connection.execute(f"select {_SHOWN} from epcis_capture where id = %s", (name,))
    row = await rows.fetchone()
    return None if row is None else _shown(row)


async def page(connection: Connection, limit: int, below: int) -> list[tuple[int, dict[str, Any]]]:
    """Give jobs with numbers below one, the newest first, each with its number."""
    rows = await connection.execute(
        f"select {_SHOWN} from epcis_capture where no < %s order by no desc limit %s", (below, limit)
    )
    return [(row["no"], _shown(row)) for row in await rows.fetchall()]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    running = row["finished_at"] is None
    document = {
        "captureID": row["id"],
        "createdAt": text_of(row["created_at"]),
        "running": running,
        "success": running or row["success"],
        "captureErrorBehaviour": row["behaviour"],
        "errors": row["errors"],
        "captured": row["captured"],
        "refused": row["refused"],
        "capturedBy": row["owner"],
    }
    return document if running else document | {"finishedAt": text_of(row["finished_at"])}
