"""A worker's /metrics, /healthz and /readyz, on loopback or where a container wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest


class HealthServer:
    """Serves three pages from a thread. With port 0 it serves nothing.

    `not_ready` gives the reason why the worker is not ready, or an empty text.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, not_ready: Callable[[], str]) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(registry, not_ready)) if port else None

    def start(self) -> None:
        """Begin."""
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _handler(registry: CollectorRegistry, not_ready: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reason = not_ready() if self.path == "/readyz" else ""
            bodies: dict[str, Callable[[], bytes]] = {
                "/metrics": lambda: generate_latest(registry),
                "/healthz": lambda: b"ok\n",
            }
            bodies["/readyz"] = lambda: (reason or "ready").encode() + b"\n"
            make = bodies.get(self.path)
            body = make() if make else b"not found\n"
            self.send_response(404 if make is None else 503 if reason else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
