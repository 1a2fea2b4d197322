"""Configurations as the ledger keeps them, and the changes between them: asked for, approved, made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from schemas.errors import SnapshotError, UsageError
from schemas.partitions import ConfigurationChanged
from streams.ledger import audit
from streams.ledger.program import PROGRAM

Document = dict[str, Any]  # Any: JSON, checked by what makes models of it


@dataclass(frozen=True, slots=True)
class Change:
    """One change as it stands. `approver` is empty until somebody approved it; `made` counts partitions."""

    no: int
    kind: str
    before: str
    after: str
    author: str
    reason: str
    requested_at: str
    approver: str
    approved_at: str
    made: int


def keep_configuration(connection: psycopg.Connection[Any], kind: str, model: str, document: Document) -> bool:
    """Keep a configuration under its model's name, in the caller's transaction; tell whether it was new."""
    body = msgspec.json.encode(document, order="sorted")
    done = connection.execute(
        "insert into configuration (model, kind, body, program) values (%s, %s, %s, %s) on conflict do nothing",
        (model, kind, body, PROGRAM),
    )
    if done.rowcount:
        audit.append(
            connection, actor="twinstream", role="program", action="kept a configuration", object_=model,
            new={"kind": kind, "bytes": len(body)},
        )  # fmt: skip
    return done.rowcount > 0


def read_configuration(connection: psycopg.Connection[Any], model: str) -> Document | None:
    """Read the configuration of a model; None where the ledger has none."""
    row = connection.execute("select body from configuration where model = %s", (model,)).fetchone()
    return None if row is None else dict(msgspec.json.decode(bytes(row[0])))


def request(
    connection: psycopg.Connection[Any], *, kind: str, before: str, after: str, author: str, reason: str
) -> int:  # fmt: skip
    """Ask for a change, in one transaction; give its number.

    Raises
    ------
    UsageError
        If the ledger refuses it, with why.
    """
    try:
        with connection.transaction():
            connection.execute("lock table change in exclusive mode")
            row = connection.execute("select coalesce(max(no), 0) + 1 from change").fetchone()
            no = int(row[0]) if row else 1
            connection.execute(
                "insert into change (no, kind, before, after, author, reason) values (%s, %s, %s, %s, %s, %s)",
                (no, kind, before, after, author, reason),
            )
            audit.append(
                connection, actor=author, role=_role(connection), action="asked for a change of configuration",
                object_=f"change {no}", old=before, new=after, reason=reason,
            )  # fmt: skip
    except (psycopg.errors.CheckViolation, psycopg.errors.ForeignKeyViolation) as error:
        raise UsageError(f"expected two kept configurations, an author and a reason, received {_said(error)}") from None
    return no


def approve(connection: psycopg.Connection[Any], no: int, *, approver: str, reason: str) -> str:
    """Approve a change, in one transaction; give the seal.

    Raises
    ------
    UsageError
        If there is no such change, it is approved already, or its author approves it.
    """
    try:
        with connection.transaction():
            row = connection.execute("select before, after, author from change where no = %s", (no,)).fetchone()
            if row is None:
                raise UsageError(f"expected a change that was asked for, received {no}; see `twinstream change list`")
            seq = audit.append(
                connection, actor=approver, role=_role(connection), action="approved a change of configuration",
                object_=f"change {no}", old=row[0], new=row[1], reason=reason,
            )  # fmt: skip
            found = connection.execute("select hash from audit where seq = %s", (seq,)).fetchone()
            seal = bytes(found[0]) if found else b""
            connection.execute(
                "insert into change_approval (change, approver, reason, seal) values (%s, %s, %s, %s)",
                (no, approver, reason, seal),
            )
    except psycopg.errors.UniqueViolation:
        raise UsageError(f"expected a change that nobody has approved, received {no}") from None
    except psycopg.errors.CheckViolation as error:
        raise UsageError(f"expected another person than the author, received {approver!r}: {_said(error)}") from None
    return seal.hex()


def list_changes(connection: psycopg.Connection[Any]) -> list[Change]:
    """Give all changes, oldest first."""
    rows = connection.execute(
        "select c.no, c.kind, c.before, c.after, c.author, c.reason, c.requested_at::text, coalesce(a.approver, ''),"
        " coalesce(a.approved_at::text, ''), (select count(*) from change_made m where m.change = c.no)::int"
        " from change c left join change_approval a on a.change = c.no order by c.no"
    ).fetchall()
    return [Change(*row) for row in rows]


def due_change(
    connection: psycopg.Connection[Any], topic: str, partition: int, before: str, after: str
) -> ConfigurationChanged | None:  # fmt: skip
    """Give the oldest approved change that a partition has not made; None where nobody approved one."""
    row = connection.execute(
        "select c.no, a.seal from change c join change_approval a on a.change = c.no"
        " where c.before = %s and c.after = %s and not exists (select 1 from change_made m where m.change = c.no"
        " and m.topic = %s and m.partition = %s) order by c.no limit 1",
        (before, after, topic, partition),
    ).fetchone()
    return None if row is None else ConfigurationChanged(row[0], before, after, bytes(row[1]).hex())


def is_approved(
    connection: psycopg.Connection[Any], topic: str, partition: int, offset: int, data: ConfigurationChanged
) -> bool:  # fmt: skip
    """Tell whether a record may change its partition's configuration: approved, and not made at another offset.

    Nothing that comes later can alter the answer: a seal is known to nobody before the approval.
    """
    row = connection.execute(
        "select m.rec_offset from change c join change_approval a on a.change = c.no"
        " join audit u on u.hash = a.seal and u.object = 'change ' || c.no"
        " left join change_made m on m.change = c.no and m.topic = %s and m.partition = %s"
        " where c.no = %s and c.before = %s and c.after = %s and a.seal = %s",
        (topic, partition, data.change, data.before, data.after, bytes.fromhex(data.approval)),
    ).fetchone()
    return row is not None and row[0] in (None, offset)


def note_made(
    connection: psycopg.Connection[Any], topic: str, partition: int, offset: int, data: ConfigurationChanged
) -> None:  # fmt: skip
    """Note in the caller's transaction that a partition made a change, and where."""
    connection.execute(
        "insert into change_made (change, topic, partition, rec_offset) values (%s, %s, %s, %s)",
        (data.change, topic, partition, offset),
    )
    row = connection.execute(
        "select owner from applied where topic = %s and partition = %s", (topic, partition)
    ).fetchone()
    audit.append(
        connection, actor=row[0] if row else "", role="worker", action="made a change of configuration",
        object_=f"change {data.change} at {topic}/{partition}/{offset}", old=data.before, new=data.after,
    )  # fmt: skip


def first_model(connection: psycopg.Connection[Any], topic: str, partition: int) -> str | None:
    """Name the model before a partition's first change; None where it made none."""
    row = connection.execute(
        "select c.before from change_made m join change c on c.no = m.change where m.topic = %s and m.partition = %s"
        " order by m.rec_offset limit 1",
        (topic, partition),
    ).fetchone()
    return None if row is None else str(row[0])


def spoken_model(connection: psycopg.Connection[Any], topic: str, partition: int) -> str | None:
    """Name the model of a partition's newest effect: what its twins are computed with before the first checkpoint."""
    row = connection.execute(
        "select line from effect where topic = %s and partition = %s order by rec_offset desc limit 1",
        (topic, partition),
    ).fetchone()
    return None if row is None else str(msgspec.json.decode(bytes(row[0]))["model"])


def present_models(connection: psycopg.Connection[Any], topic: str) -> list[str]:
    """Name the models that the partitions of a topic are computed with, by their newest checkpoints."""
    rows = connection.execute(
        "select distinct model from checkpoint where topic = %s and kind = 'live' order by 1", (topic,)
    ).fetchall()
    return [name for (name,) in rows]


def refusal(kind: str, kept: str, wanted: str) -> SnapshotError:
    """Say why a worker cannot start with a configuration, and what to do."""
    return SnapshotError(
        f"expected twins computed with {wanted}, found twins computed with {kept}, and no approved change from one to"
        f" the other; ask for it: `twinstream change request --kind {kind} --config FILE --author NAME --reason TEXT`,"
        " have another"
        f" person run `twinstream change approve`, and start again; or start as before: `twinstream change show {kept}`"
    )


def _role(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("select session_user::text").fetchone()
    return f"database role {row[0]}" if row else ""


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip()[:200]
