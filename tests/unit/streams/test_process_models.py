"""Plug-in models and parameter files, as they are read from this installation and from disk."""

from __future__ import annotations

import dataclasses
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import SettingsError, UsageError
from streams.process_models import process_models, read_parameters, read_specification
from twins.bioreactor.models import MODELS
from twins.bioreactor.models.cho_xing import CHO_XING

PLUGIN = dataclasses.replace(CHO_XING, name="clone_7")


def write(folder: Path, document: Any) -> Path:
    path = folder / "parameters.json"
    path.write_text(json.dumps(document))
    return path


def test_a_plug_in_named_by_an_entry_point_is_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def entry_points(*, group: str) -> list[metadata.EntryPoint]:
        asked.append(group)
        return [metadata.EntryPoint("clone_7", f"{__name__}:PLUGIN", group)]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda self: PLUGIN)
    assert process_models() == {**MODELS, "clone_7": PLUGIN}
    assert asked == ["twinstream.models"]


def test_without_plug_ins_there_are_ours() -> None:
    assert set(MODELS) <= set(process_models())


def test_a_parameter_file_gives_numbers_with_or_without_what_stands_behind_them(tmp_path: Path) -> None:
    parameters = {"mu_m": {"value": 0.031, "unit": "/h", "source": "runs 12 to 15"}, "Y_LS": 1.1}
    path = write(tmp_path, {"model": "cho_xing@1", "name": "clone 7", "parameters": parameters})
    assert read_parameters(path, MODELS, "cho_xing") == {"mu_m": 0.031, "Y_LS": 1.1}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"model": "cho_duran", "parameters": {}}, "expected parameters of cho_xing, received those of 'cho_duran'"),
        ({"model": "cho_xing", "parameters": {"mu": 1.0}}, "a parameter of cho_xing .* in .*parameters.json"),
        ({"model": "cho_xing", "parameters": {"mu_m": 30.0}}, "mu_m between .* in .*parameters.json"),
        ({"model": "cho_xing", "parameters": {"mu_m": {"value": 0.03, "unit": "/d"}}}, "mu_m in /h, received '/d'"),
        ({"model": "cho_xing", "parameters": {"mu_m": "fast"}}, "expected a parameter file"),
        ({"model": "cho_xing"}, "missing required field `parameters`"),
        ({"model": "hek", "parameters": {}}, "a model among"),
        ([1], "expected a JSON object"),
    ],
)
def test_a_parameter_file_that_does_not_fit_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_parameters(write(tmp_path, document), MODELS, "cho_xing")


def test_a_file_that_cannot_be_read_or_is_no_specification_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a readable file"):
        read_specification(tmp_path / "none.json")
    with pytest.raises(SettingsError, match="expected a simulation's specification"):
        read_specification(write(tmp_path, {"model": "cho_xing"}))
