"""Run the API role: readers and writers of the log around the app of `streams/api`."""

from __future__ import annotations

import asyncio

from streams import logs
from streams.api.app import create_app
from streams.api.config import ApiConfig
from streams.api.serve import ApiServer
from streams.appending import async_reader, async_writer
from streams.prepare import prepare
from streams.settings import Settings


def serve(settings: Settings, uri: str) -> None:
    """Serve until told to stop."""
    logs.configure(settings.log_level, as_json=settings.log_json)
    config = ApiConfig(
        database=uri,
        host=settings.api_host,
        port=settings.api_port,
        keys_file=settings.api_keys_file,
        allowed_hosts=settings.api_hosts,
    )
    prepare(uri, settings.broker)
    asyncio.run(_serve(settings, uri, config))


async def _serve(settings: Settings, uri: str, config: ApiConfig) -> None:
    async with async_reader(settings.broker, uri) as reader, async_writer(settings.broker, uri) as writer:
        await ApiServer(create_app(config, reader=reader, writer=writer), config).serve()
