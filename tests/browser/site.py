"""The API on a real port of loopback, and a cable to it that can be pulled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from schemas.effects import Effect
from streams.api import ApiConfig, ApiServer, create_app
from tests.browser.memory_log import MemoryLog


class Site:
    """The API in a thread of its own, on a free port of loopback."""

    def __init__(self, database: str, **settings: Any) -> None:
        self.port = free_port()
        self._settings = {"heartbeat_seconds": 1.0, **settings}
        self.log = MemoryLog()
        self._database = database
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: ApiServer | None = None
        self._thread = threading.Thread(target=self._run, name="site", daemon=True)
        self._thread.start()
        wait_for(lambda: self._server is not None and self._server.started, 20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def say(self, effect: Effect) -> None:
        """Append an effect to its output topic, as a worker would."""
        assert self._loop is not None
        future: Future[int] = asyncio.run_coroutine_threadsafe(self.log.say(effect), self._loop)
        future.result(5)

    def close(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = ApiConfig(self._database, port=self.port, **self._settings)
        self._server = ApiServer(create_app(config, reader=self.log, writer=self.log), config)
        await self._server.serve()


class Cable:
    """A TCP proxy to a site that can be pulled out and put back."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._in = True
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        """Break every connection and let no new one through."""
        self._in = False
        for one in self._open:
            with contextlib.suppress(OSError):  # its other end may have closed it already
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def plug(self) -> None:
        """Let connections through again."""
        self._in = True

    def close(self) -> None:
        self.pull()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._in:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def free_port() -> int:
    """Find a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(ready: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, with a limit."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise AssertionError(f"expected a condition to hold within {seconds} s")
        threading.Event().wait(0.02)
