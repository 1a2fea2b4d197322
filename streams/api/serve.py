"""Run the API until asked to stop; streams are ended first, so that stopping does not wait for open pages."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from streams.api.config import ApiConfig
from streams.api.services import Services

GRACE_SECONDS = 5


class ApiServer(uvicorn.Server):
    """uvicorn, with streams ended at shutdown. Await `serve()`; set `should_exit` to stop."""

    def __init__(self, app: FastAPI, config: ApiConfig) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                port=config.port,
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                timeout_graceful_shutdown=GRACE_SECONDS,
                h11_max_incomplete_event_size=64 * 1024,
                limit_concurrency=1000,
            )
        )
        services = app.state.services
        assert isinstance(services, Services)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all streams, then stop as uvicorn does."""
        self._services.hub.close()
        self._services.watch.close()
        await super().shutdown(sockets)
