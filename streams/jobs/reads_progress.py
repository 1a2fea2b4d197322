"""Read which jobs moved: what runs, what came and what ended since the last look, each by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.jobs import JobProgress
from streams.ledger.reads import Connection

MOST_RUNNING = 2000
MOST_NEW = 500
_COLUMNS = "no, id, state, share, note, rates"


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found: progress by number, the newest number, and the ledger's time as text."""

    jobs: dict[int, JobProgress]
    newest: int
    at: str


async def look(connection: Connection, newest: int | None, since: str | None, known: Sequence[int]) -> Looked:
    """Look at running jobs, at those after `newest`, at those that ended after `since`, and at `known` ones.

    Without `newest` and `since` it is the first look: what runs, and the newest MOST_NEW.
    """
    head = await connection.execute("select now()::text as at, coalesce(max(no), 0) as newest from job")
    row = await head.fetchone()
    assert row is not None
    last: int = row["newest"]
    first = last - MOST_NEW if newest is None else newest
    new = await _found(connection, "no > %s and no <= %s order by no limit %s", first, last, MOST_NEW)
    running = await _found(connection, "state = 'running' order by no limit %s", MOST_RUNNING)
    ended = await _found(
        connection,
        "finished_at >= %s::text::timestamptz - interval '2 s' order by finished_at limit %s",
        row["at"] if since is None else since,
        MOST_NEW,
    )
    moved = await _found(connection, "no = any(%s)", list(known)) if known else {}
    # of a flood only so many are looked at in one turn; the next goes on behind them
    return Looked({**new, **moved, **running, **ended}, max(new) if len(new) == MOST_NEW else last, row["at"])


async def _found(connection: Connection, where: str, *parameters: object) -> dict[int, JobProgress]:
    rows = await connection.execute(f"select {_COLUMNS} from job where {where}", parameters)
    return {
        row["no"]: JobProgress(row["id"], row["state"], row["share"], row["note"], row["rates"])
        for row in await rows.fetchall()
    }
