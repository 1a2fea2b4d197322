"""A subscriber's server on loopback that answers as it is told, and remembers what it took."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec


class Message(NamedTuple):
    """One message that came, and what was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        results = msgspec.json.decode(self.body)["epcisBody"]["queryResults"]
        return list(results["resultsBody"]["eventList"])


class Receiver:
    """Answers with what `status` gives for the number of the message, 0 for the first; None: not at all."""

    def __init__(self, status: Callable[[int], int | None] = lambda _: 200) -> None:
        self.messages: list[Message] = []
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = status(len(receiver.messages))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.messages.append(Message(answer or 0, headers, body))
                if answer is None:
                    receiver.released.wait(20)
                    return
                self.send_response(answer)
                self.send_header("Location", receiver.url + "elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def taken(self) -> list[dict[str, Any]]:
        """Give the events of all messages that were answered with 200."""
        return [event for message in list(self.messages) if message.status == 200 for event in message.events]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
