"""The process models of this installation, and parameter files: what people bring is loaded here and handed down.

A third party names a model (`twins.bioreactor.models.ProcessModel`) under the entry-point group `twinstream.models`.
A parameter file is JSON: {"model": "cho_xing", "parameters": {"mu_m": 0.031, ...}}.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from streams.models import read_config
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.registry import MODELS, check_parameter, find_model, with_plugins

GROUP = "twinstream.models"
T = TypeVar("T")


class Given(Struct, frozen=True, forbid_unknown_fields=True):
    """One value of a parameter file with what stands behind it."""

    value: float
    unit: str | None = None  # None: that of the model
    source: str = ""


class ParameterFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A parameter file: numbers, or numbers with unit and source."""

    model: str
    parameters: dict[str, float | Given]
    name: str = ""
    source: str = ""


def process_models() -> dict[str, ProcessModel]:
    """Give every process model by name: ours, then those of plug-ins, each checked.

    Raises
    ------
    SettingsError
        If a plug-in's model breaks the contract.
    """
    return with_plugins(MODELS, (entry.load() for entry in metadata.entry_points(group=GROUP)))


def read_specification(path: Path) -> SimulationSpec:
    """Read a simulation's specification.

    Raises
    ------
    UsageError
        If it cannot be read, or is none.
    """
    return _convert(read_config(path), SimulationSpec, "a simulation's specification", path)


def read_parameters(path: Path, models: dict[str, ProcessModel], wanted: str) -> dict[str, float]:
    """Read a parameter file for a model.

    Parameters
    ----------
    path : Path
        The file.
    models : dict
        The models there are.
    wanted : str
        The model that is to be run; the file must be for it.

    Returns
    -------
    dict
        Values by name, in the model's units, each within its range.

    Raises
    ------
    UsageError
        If it cannot be read, is for another model, or a name, unit or value does not fit.
    """
    document = _convert(read_config(path), ParameterFile, "a parameter file", path)
    model = find_model(models, wanted)
    try:
        if find_model(models, document.model).name != model.name:
            raise SettingsError(f"expected parameters of {model.name}, received those of {document.model!r}")
        return {name: _value(model, name, given) for name, given in document.parameters.items()}
    except SettingsError as error:
        raise SettingsError(f"{error}, in {path}") from None


def _value(model: ProcessModel, name: str, given: float | Given) -> float:
    value = given.value if isinstance(given, Given) else given
    parameter = check_parameter(model, name, value)
    if isinstance(given, Given) and given.unit not in (None, parameter.unit):
        raise SettingsError(f"expected {name} in {parameter.unit}, received {given.unit!r}")
    return value


# Any: a JSON document, whose shape is what is being checked.
def _convert(document: dict[str, Any], kind: type[T], what: str, path: Path) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected {what}, received {error}, in {path}; see docs/models.md") from None
