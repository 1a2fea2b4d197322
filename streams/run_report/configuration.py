"""The configuration at hand when a report is made: a file, or the default one."""

from __future__ import annotations

from pathlib import Path

from streams.models import read_twin_config
from twins.bioreactor.config import BioreactorConfig, read_config


def configuration(path: Path | None) -> BioreactorConfig:
    """Read it.

    Raises
    ------
    UsageError
        If the file cannot be read, or is no configuration.
    """
    return read_config({} if path is None else read_twin_config(path))
