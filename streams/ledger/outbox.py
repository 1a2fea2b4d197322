"""The outbox: messages for Kafka, written with the effects and deleted once the broker has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import psycopg

from streams.ledger.connect import connect

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


def read_outbox(uri: str, limit: int) -> list[Waiting]:
    """Read the oldest messages that wait."""
    with connect(uri, autocommit=True, name="twinstream-outbox") as connection:
        rows = (
            connection.cursor(binary=True)
            .execute("select seq, topic, key, value, headers from outbox order by seq limit %s", (limit,))
            .fetchall()
        )
    return [
        Waiting(seq, topic, key, value, [(name, text.encode()) for name, text in _UNPACK.decode(headers)])
        for seq, topic, key, value, headers in rows
    ]


def delete_outbox(uri: str, seqs: Sequence[int]) -> None:
    """Forget messages that the broker acknowledged."""
    with connect(uri, autocommit=True, name="twinstream-outbox") as connection:
        connection.execute("delete from outbox where seq = any(%s)", (list(seqs),))
