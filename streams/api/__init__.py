"""The API and the dashboard."""

from streams.api.app import create_app
from streams.api.config import ApiConfig
from streams.api.keys import new_key, read_keys, require_keys
from streams.api.ports import LogReader, LogWriter, Row
from streams.api.serve import ApiServer

__all__ = [
    "ApiConfig",
    "ApiServer",
    "LogReader",
    "LogWriter",
    "Row",
    "create_app",
    "new_key",
    "read_keys",
    "require_keys",
]
