"""Run the API role: readers and writers of the log around the app of `streams/api`."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from schemas.errors import UsageError
from streams import logs
from streams.api.app import create_app
from streams.api.config import ApiConfig
from streams.api.serve import ApiServer
from streams.appending import async_reader, async_writer
from streams.jobs.cancelling import cancel
from streams.prepare import prepare
from streams.settings import Settings

if TYPE_CHECKING:
    from twins.bioreactor.config import BioreactorConfig

_log = structlog.get_logger(__name__)


def serve(settings: Settings, uri: str) -> None:
    """Serve until told to stop."""
    logs.configure(settings.log_level, as_json=settings.log_json)
    config = ApiConfig(
        database=uri,
        host=settings.api_host,
        port=settings.api_port,
        keys_file=settings.api_keys_file,
        allowed_hosts=settings.api_hosts,
        bioreactor=_configuration(settings),
        epcis_identify=settings.epcis_identify,
    )
    prepare(uri, settings.broker)
    asyncio.run(_serve(settings, uri, config))


def _configuration(settings: Settings) -> BioreactorConfig | None:
    """Read the twins' configuration, if one is named. The API needs it for model cards alone, and starts without."""
    if settings.bioreactor_config is None:
        return None
    from streams.run_report.configuration import configuration  # what models are made of (scipy) loads only here

    try:
        return configuration(settings.bioreactor_config)
    except UsageError as error:
        _log.warning("run reports will show no configured parameters", cause=str(error))
        return None


async def _serve(settings: Settings, uri: str, config: ApiConfig) -> None:
    end_job = partial(cancel, settings.broker, uri)
    async with async_reader(settings.broker, uri) as reader, async_writer(settings.broker, uri) as writer:
        await ApiServer(create_app(config, reader=reader, writer=writer, cancel=end_job), config).serve()
