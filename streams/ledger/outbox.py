"""The outbox: messages for Kafka, written with the effects and deleted once the broker has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import psycopg

from streams.ledger.connect import connect

SILENT_SECONDS = 8  # of a process that stands still: another publishes within 10 s
_LOCK = 7_205_004  # advisory: who publishes
_PACK = msgspec.json.Encoder()
_UNPACK = msgspec.json.Decoder(list[tuple[str, str]])


class Message(Protocol):
    """What the outbox keeps of a message."""

    @property
    def id(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Waiting(NamedTuple):
    """One message that waits."""

    seq: int
    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def write_outbox(connection: psycopg.Connection[Any], messages: Sequence[Message]) -> None:
    """Keep messages, in the caller's transaction."""
    if not messages:
        return
    with connection.cursor().copy("copy outbox (id, topic, key, value, headers) from stdin (format binary)") as copy:
        copy.set_types(["text", "text", "bytea", "bytea", "bytea"])
        for one in messages:
            headers = _PACK.encode([(name, value.decode("utf-8", "replace")) for name, value in one.headers])
            copy.write_row((one.id, one.topic, one.key, one.value, headers))


def open_outbox(uri: str) -> psycopg.Connection[Any] | None:
    """Open a connection that may publish; give None where another process does: one at a time keeps the order.

    Its lock ends with the connection, which the server ends when its process stands still, or waits for the broker for
    so long; then what was under way may be sent again, with the same ids.
    """
    connection = connect(uri, autocommit=True, name="twinstream-outbox")
    row = None
    try:
        connection.execute(f"set idle_session_timeout = '{SILENT_SECONDS}s'")
        row = connection.execute("select pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    finally:
        if row is None or not row[0]:
            connection.close()
    return connection if row is not None and row[0] else None


def read_outbox(connection: psycopg.Connection[Any], limit: int) -> list[Waiting]:
    """Read the oldest messages that wait."""
    rows = (
        connection.cursor(binary=True)
        .execute("select seq, topic, key, value, headers from outbox order by seq limit %s", (limit,))
        .fetchall()
    )
    return [
        Waiting(seq, topic, key, value, [(name, text.encode()) for name, text in _UNPACK.decode(headers)])
        for seq, topic, key, value, headers in rows
    ]


def delete_outbox(connection: psycopg.Connection[Any], seqs: Sequence[int]) -> None:
    """Forget messages that the broker acknowledged."""
    connection.execute("delete from outbox where seq = any(%s)", (list(seqs),))
