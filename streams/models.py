"""The twin kinds this installation knows: our own, and those that plug-ins register.

A third party names a callable `(configuration: dict) -> Model` under the entry-point group `twinstream.twins`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from schemas.errors import SettingsError, UsageError
from schemas.topics import TOPICS
from twins.bioreactor import BioreactorModel
from twins.block import Model
from twins.enrollment import EnrollmentModel
from twins.supply import SupplyModel

Factory = Callable[[dict[str, Any]], Model]  # Any: JSON, checked by the factory
GROUP = "twinstream.twins"


def kinds() -> dict[str, Factory]:
    """Give every known twin kind with what makes its model."""
    found: dict[str, Factory] = {
        "bioreactor": BioreactorModel.from_config,
        "enrollment": EnrollmentModel.from_config,
        "supply": SupplyModel.from_config,
    }
    for entry in metadata.entry_points(group=GROUP):
        if entry.name not in found and f"{entry.name}.events" in TOPICS:
            found[entry.name] = _loaded_late(entry)
    return found


def _loaded_late(entry: metadata.EntryPoint) -> Factory:
    """Load a kind when a model of it is made: who works on another needs none of its libraries."""

    def factory(document: dict[str, Any]) -> Model:  # Any: JSON
        made: Model = entry.load()(document)
        return made

    return factory


def families(wanted: Sequence[str]) -> list[str]:
    """Give the twin kinds to work on: those that are wanted, or all, each with a topic of its own.

    Raises
    ------
    UsageError
        If one is unknown.
    """
    known = kinds()
    for kind in wanted:
        if kind not in known:
            raise UsageError(f"expected twin kinds among {', '.join(sorted(known))}, received {kind!r}")
    return sorted(set(wanted or known))


def load_model(kind: str, config: Path | None) -> Model:
    """Make the model of a kind, with the configuration in a JSON file or the default one.

    Raises
    ------
    UsageError
        If the kind is unknown or the file cannot be read.
    SettingsError
        If the configuration is wrong.
    """
    known = kinds()
    if kind not in known:
        raise UsageError(f"expected a twin kind among {', '.join(sorted(known))}, received {kind!r}")
    return known[kind](read_twin_config(config) if config else {})


def read_twin_config(path: Path) -> dict[str, Any]:
    """Read a twin's configuration, with the calibration in its place where `process.calibration` names a file.

    A file is looked for beside the configuration.

    Raises
    ------
    UsageError
        If a file cannot be read, or holds no JSON object.
    """
    document = read_config(path)
    process = document.get("process")
    if isinstance(process, dict) and isinstance(process.get("calibration"), str):
        calibration = read_config(path.parent / process["calibration"])
        document = {**document, "process": {**process, "calibration": calibration}}
    return document


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"expected a readable file, received {error.strerror}, for {path}") from None
    except ValueError as error:
        raise SettingsError(f"expected JSON, received {error}, in {path}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"expected a JSON object, received {type(document).__name__}, in {path}")
    return document
