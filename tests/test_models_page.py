"""docs/models.md has what the code has, and its example of a specification runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from schemas.jobs import SimulationSpec
from scripts.models_page import with_models
from twins.bioreactor.models import MODELS
from twins.bioreactor.simulate import simulate
from twins.bioreactor.simulation_inputs import Bolus, Change, Feed, Sample, SimulationInputs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"


def test_the_tables_are_those_of_the_code() -> None:
    assert PAGE.read_text() == with_models(PAGE.read_text())


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_has_its_tables(name: str) -> None:
    assert f"<!-- tables of {name} -->" in PAGE.read_text()
    assert f"## `{name}`" in PAGE.read_text()


@pytest.mark.parametrize("kind", [SimulationInputs, Feed, Bolus, Sample, Change, SimulationSpec])
def test_every_field_of_a_specification_is_described(kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in PAGE.read_text(), field.name


def test_the_specification_that_the_page_shows_runs() -> None:
    shown = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE.read_text(), re.M | re.S)]
    specifications = [document for document in shown if "horizon" in document]
    assert specifications
    for document in specifications:
        assert simulate(msgspec.convert(document, SimulationSpec), MODELS)["times_hours"][-1] == document["horizon"]
