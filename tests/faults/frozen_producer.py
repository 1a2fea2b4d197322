"""A producer that freezes itself in the middle of sending an append, and finishes it when it is woken.

    python -m tests.faults.frozen_producer DATABASE TOPIC RECORDS BYTES

It prints the offset of its first record once the append is durable.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import sys
from typing import Any

import psycopg
from psycopg import pq

from schemas.events import pack_headers
from streams.log import connect
from tests.support.records import reading, row

_TEXT, _INT, _BYTEA = 25, 23, 17
_OIDS = (25, 20, 1009, 1007, 1007, 1001, 1001, 1001)


def main(uri: str, topic: str, records: int, size: int) -> None:
    rows = [row(reading("FROZEN", second)) for second in range(records)]
    padded = [value + b" " * (size - len(value)) for _, value, _ in rows]
    with connect(uri, "frozen") as connection:
        connection.pgconn.nonblocking = 1
        connection.pgconn.send_query_params(
            b"select firsts[1] from log_append($1, $2, $3, $4, $5, $6, $7, $8)",
            [
                None,
                (0).to_bytes(8, "big"),
                _array(_TEXT, [topic.encode()]),
                _array(_INT, [(3).to_bytes(4, "big")]),
                _array(_INT, [records.to_bytes(4, "big")]),
                _array(_BYTEA, [key for key, _, _ in rows]),
                _array(_BYTEA, padded),
                _array(_BYTEA, [pack_headers(headers) for _, _, headers in rows]),
            ],
            param_types=_OIDS,
            param_formats=[1] * 8,
        )
        assert connection.pgconn.flush() == 1, "expected more to send than a socket takes at once"
        os.kill(os.getpid(), signal.SIGSTOP)
        print(_finish(connection), flush=True)


def _array(oid: int, elements: list[bytes]) -> bytes:
    """A one-dimensional array as PostgreSQL's binary format has it."""
    body = b"".join(len(one).to_bytes(4, "big") + one for one in elements)
    return struct.pack(">iiiii", 1, 0, oid, len(elements), 1) + body


def _finish(connection: psycopg.Connection[Any]) -> str:
    """Send the rest, and wait for the answer."""
    pgconn = connection.pgconn
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while pgconn.flush():
            selector.select()
            pgconn.consume_input()
        selector.modify(pgconn.socket, selectors.EVENT_READ)
        while pgconn.is_busy():
            selector.select()
            pgconn.consume_input()
    result = pgconn.get_result()
    assert result is not None
    assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
    assert pgconn.get_result() is None
    value = result.get_value(0, 0)
    assert value is not None
    return value.decode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
