"""What a job of molecular dynamics may say, and what it is told otherwise. Needs no OpenMM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from tests.support.peptide import peptide_inputs, peptide_pdb
from twins.molecule.specification import read_inputs, schedule_of

EXAMPLE = Path(__file__).parents[4] / "examples" / "simulate" / "md_peptide.json"


def spec(**inputs: Any) -> SimulationSpec:
    return SimulationSpec("md", "openmm", {}, 7, 1, 1.0, {**peptide_inputs(), **inputs})


def test_the_example_is_the_helix_that_is_built_here() -> None:
    document = json.loads(EXAMPLE.read_text())
    inputs = read_inputs(SimulationSpec(**document))
    assert inputs.structure.text == peptide_pdb(8)


def test_lengths_are_counted_in_whole_steps() -> None:
    schedule = schedule_of(read_inputs(spec(nanoseconds=0.002, step_femtoseconds=2.0, report_picoseconds=0.1)))
    assert (schedule.minimise, schedule.equilibrate, schedule.steps, schedule.report_every) == (50, 200, 1000, 50)
    assert schedule.reports(schedule.total) == 21


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"nanoseconds": 0.0}, "nanoseconds"),
        ({"nanoseconds": float("nan")}, "nanoseconds"),
        ({"report_picoseconds": float("inf")}, "finite"),
        ({"nanoseconds": 1.0, "report_picoseconds": 0.01}, "reports"),
        ({"temperature_kelvin": 0.0}, "temperature_kelvin"),
        ({"structure": {"format": "pdb", "path": "/etc/passwd"}}, "path"),
        ({"structure": {"format": "pickle", "text": "x"}}, "format"),
        ({"structure": {"format": "pdb", "text": ""}}, "text"),
        ({"force_field": ["../../secret.xml"]}, "force fields among"),
        ({"force_field": ["/etc/passwd"]}, "force fields among"),
        ({"force_field": ["amber99sb.xml"]}, "implicit"),
        ({"force_field": ["amber99sb.xml", "amber99sb.xml", "amber99_obc.xml"]}, "each once"),
        ({"solvent": "vacuum", "force_field": ["amber99sb.xml", "amber99_obc.xml"]}, "none of implicit"),
        ({"solvent": "explicit", "force_field": ["amber14-all.xml"]}, "water model"),
        ({"add_solvent": {}}, "solvent 'explicit'"),
        ({"positions_nm": [[0.0, 0.0, 0.0]]}, "positions_nm"),
        ({"positions_nm": [[0.0, 0.0, 1e300]], "add_hydrogens": False}, "coordinates within"),
        ({"system": "<System type='System'/>"}, "add_hydrogens"),
        ({"unknown": 1}, "unknown"),
        ({"reproducible": "true"}, "reproducible"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_inputs(spec(**inputs))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (SimulationSpec("md", "growth", {}, 1, 1, 1.0, peptide_inputs()), "openmm"),
        (SimulationSpec("md", "openmm", {"k": 1.0}, 1, 1, 1.0, peptide_inputs()), "parameters"),
        (SimulationSpec("md", "openmm", {}, 1, 2, 1.0, peptide_inputs()), "draws"),
    ],
)
def test_what_a_trajectory_does_not_have_is_refused(one: SimulationSpec, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_inputs(one)
