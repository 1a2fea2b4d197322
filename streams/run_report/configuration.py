"""The configurations that a report shows: those that the ledger keeps, and the one at hand, a file or the default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError
from streams.models import read_twin_config
from twins.bioreactor.config import BioreactorConfig, model_name, read_config


def configuration(path: Path | None) -> BioreactorConfig:
    """Read it.

    Raises
    ------
    UsageError
        If the file cannot be read, or is no configuration.
    """
    return read_config({} if path is None else read_twin_config(path))


def kept_configurations(documents: Mapping[str, dict[str, Any]]) -> dict[str, BioreactorConfig]:  # Any: JSON
    """Read what the ledger keeps, by model; one that this program reads otherwise, or not at all, is left out."""
    kept: dict[str, BioreactorConfig] = {}
    for name, document in documents.items():
        try:
            config = read_config(document)
        except SettingsError:
            continue
        if model_name(config) == name:
            kept[name] = config
    return kept
