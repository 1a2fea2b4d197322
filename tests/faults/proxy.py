"""A proxy before PostgreSQL that loses the answer to a COMMIT: it is durable, and its client cannot know."""

from __future__ import annotations

import random
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_PORT = 5432
_PROTOCOL_3 = 3
_BEFORE, _AFTER = "before", "after"


class CommitLoser:
    """Listens on a socket of its own and passes everything on, but cuts the connection at some COMMITs.

    Half of the cuts come before the server has heard the COMMIT, half after it has done it: a client sees no
    difference. A context manager.

    Parameters
    ----------
    uri : str
        Address of the real database, on a Unix socket.
    share : float
        Of all COMMITs, how many are cut.
    """

    def __init__(self, uri: str, seed: int, share: float) -> None:
        self.share = share
        self.cut_before = 0
        self.cut_after = 0
        self._random = random.Random(seed)
        parts = urlsplit(uri)
        host = parse_qs(parts.query)["host"][0]
        self._server = f"{host}/.s.PGSQL.{_PORT}"
        self._folder = tempfile.TemporaryDirectory(prefix="ts-proxy-")
        self.uri = parts._replace(query=f"host={quote(self._folder.name, safe='')}").geturl()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self._folder.name, f".s.PGSQL.{_PORT}")))
        self._listener.listen(64)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> CommitLoser:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        with self._lock:
            for one in self._open:
                _shut(one)
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            _Session(client, server, self._fate, self._forget).start()

    def _fate(self) -> str:
        """Say what becomes of a COMMIT: cut before it, after it, or nothing."""
        with self._lock:
            if self._random.random() >= self.share:
                return ""
            if self._random.random() < 0.5:
                self.cut_before += 1
                return _BEFORE
            self.cut_after += 1
            return _AFTER

    def _forget(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open -= set(sockets)
        for one in sockets:
            one.close()


class _Session:
    """One connection, passed on message by message in both directions."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        fate: Callable[[], str],
        forget: Callable[..., None],
    ) -> None:
        self._client, self._server = client, server
        self._fate, self._forget = fate, forget
        self._losing = threading.Event()

    def start(self) -> None:
        threads = [threading.Thread(target=work, daemon=True) for work in (self._ask, self._answer)]
        for one in threads:
            one.start()
        threading.Thread(target=self._bury, args=(threads,), daemon=True).start()

    def _bury(self, threads: list[threading.Thread]) -> None:
        for one in threads:
            one.join()
        self._forget(self._client, self._server)

    def _ask(self) -> None:
        """From the client: a start-up message without a type, then typed ones."""
        try:
            while True:
                body = _read(self._client, struct.unpack(">i", head := _read(self._client, 4))[0] - 4)
                self._server.sendall(head + body)
                if struct.unpack_from(">h", body)[0] == _PROTOCOL_3:
                    break
            while True:
                head = _read(self._client, 5)
                body = _read(self._client, struct.unpack_from(">i", head, 1)[0] - 4)
                if head[:1] in b"QP" and b"COMMIT" in body[:16].upper():
                    fate = self._fate()
                    if fate == _BEFORE:
                        break
                    if fate == _AFTER:
                        self._losing.set()
                self._server.sendall(head + body)
        except OSError:
            pass  # either side hung up: so does this one
        if not self._losing.is_set():
            self._end()

    def _answer(self) -> None:
        """From the server, until the COMMIT is done whose answer is to be lost.

        All messages are typed: on a Unix socket nobody asks for encryption, whose answer alone has no length.
        """
        try:
            while True:
                head = _read(self._server, 1)
                rest = _read(self._server, 4)
                body = _read(self._server, struct.unpack(">i", rest)[0] - 4)
                if self._losing.is_set() and head == b"C" and body.startswith(b"COMMIT"):
                    break
                self._client.sendall(head + rest + body)
        except OSError:
            pass  # either side hung up: so does this one
        self._end()

    def _end(self) -> None:
        _shut(self._client)
        _shut(self._server)


def _read(source: socket.socket, size: int) -> bytes:
    chunks = []
    while size:
        chunk = source.recv(min(size, 1 << 16))
        if not chunk:
            raise OSError("hung up")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was shut already
