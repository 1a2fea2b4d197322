"""Systems and energies against OpenMM used by hand, on its own test structure: villin in water, 8,867 atoms."""

from __future__ import annotations

from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from tests.support.peptide import peptide_inputs
from twins.engine import Device
from twins.molecule.specification import MolecularInputs, read_inputs

pytestmark = pytest.mark.openmm


@cache
def villin(water: bool) -> tuple[str, Any]:
    """Give the text of a PDB file and what OpenMM reads in it."""
    from openmm import app

    whole = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
    modeller = app.Modeller(whole.topology, whole.positions)
    if not water:
        modeller.delete([one for one in modeller.topology.residues() if one.index >= 35])
        modeller.topology.setPeriodicBoxVectors(None)
    out = StringIO()
    app.PDBFile.writeFile(modeller.topology, modeller.positions, out, keepIds=True)
    text = out.getvalue()
    return text, app.PDBFile(StringIO(text))


@cache
def field(*files: str) -> Any:
    from openmm import app

    return app.ForceField(*files)


def inputs_of(text: str, **more: Any) -> MolecularInputs:
    inputs = {"structure": {"format": "pdb", "text": text}, "nanoseconds": 0.001, **more}
    return read_inputs(SimulationSpec("md", "openmm", {}, 1, 1, 1.0, inputs))


def energy(system: Any, positions: Any, platform: str) -> float:
    """Give the potential energy [kJ/mol]."""
    import openmm
    from openmm import unit

    properties = {"Threads": "1"} if platform == "CPU" else {}
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform(platform), properties)
    context.setPositions(positions)
    found: float = context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    return found


CASES: list[tuple[str, bool, dict[str, Any], tuple[str, ...], dict[str, Any]]] = [
    ("implicit, the default", False, {}, ("amber99sb.xml", "amber99_obc.xml"),
     {"nonbondedMethod": "NoCutoff", "constraints": "HBonds"}),
    ("implicit with cutoff", False, {"cutoff_nm": 1.2}, ("amber99sb.xml", "amber99_obc.xml"),
     {"nonbondedMethod": "CutoffNonPeriodic", "nonbondedCutoff": 1.2, "constraints": "HBonds"}),
    ("implicit by name", False, {"force_field": ["amber14-all.xml", "implicit/obc2.xml"], "constraints": "none"},
     ("amber14-all.xml", "implicit/obc2.xml"), {"nonbondedMethod": "NoCutoff", "constraints": None}),
    ("vacuum, all bonds, heavy hydrogens", False,
     {"solvent": "vacuum", "constraints": "all_bonds", "hydrogen_mass_dalton": 1.5},
     ("amber14-all.xml",), {"nonbondedMethod": "NoCutoff", "constraints": "AllBonds", "hydrogenMass": 1.5}),
    ("vacuum, charmm", False, {"solvent": "vacuum", "force_field": ["charmm36.xml"]}, ("charmm36.xml",),
     {"nonbondedMethod": "NoCutoff", "constraints": "HBonds"}),
    ("explicit, PME", True, {"solvent": "explicit", "cutoff_nm": 0.9}, ("amber14-all.xml", "amber14/tip3p.xml"),
     {"nonbondedMethod": "PME", "nonbondedCutoff": 0.9, "constraints": "HBonds"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("water", "asked", "files", "by_hand"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_system_is_that_made_by_hand_and_has_its_energy(
    water: bool, asked: dict[str, Any], files: tuple[str, ...], by_hand: dict[str, Any]
) -> None:
    """Equal XML, so equal energies on one platform; and ours on the CPU, in single precision, within 1e-5 of that made
    by hand on the Reference platform. Measured: 2e-7 to 6e-7, and 4e-6 for amber14 in vacuum, where parts cancel.
    """
    import openmm
    from openmm import app, unit

    from twins.molecule.preparing import prepare_system

    text, read = villin(water)
    prepared = prepare_system(inputs_of(text, **asked), 1)
    units = {"nonbondedCutoff": unit.nanometer, "hydrogenMass": unit.dalton}
    said = {
        name: value * units[name] if name in units else (getattr(app, value) if value else None)
        for name, value in by_hand.items()
    }
    other = field(*files).createSystem(read.topology, **said)
    assert openmm.XmlSerializer.serialize(prepared.system) == openmm.XmlSerializer.serialize(other)
    assert prepared.has_cutoff == (by_hand["nonbondedMethod"] != "NoCutoff")
    ours = energy(prepared.system, prepared.positions, "CPU")
    theirs = energy(other, read.positions, "Reference")
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert abs(theirs) > 100.0


def test_a_prepared_system_is_taken_as_it_is() -> None:
    import openmm
    from openmm import app

    from twins.molecule.preparing import prepare_system

    text, read = villin(False)
    for files in (("amber99sb.xml", "amber99_obc.xml"), ("charmm36.xml",), ("amber14-all.xml", "implicit/gbn2.xml")):
        system = field(*files).createSystem(read.topology, constraints=app.HBonds)
        xml = openmm.XmlSerializer.serialize(system)
        prepared = prepare_system(inputs_of(text, system=xml), 1)
        assert openmm.XmlSerializer.serialize(prepared.system) == xml
        assert prepared.force_field == {}
    shifted = [[x + 1.0, y, z] for x, y, z in prepared.positions.tolist()]
    moved = prepare_system(inputs_of(text, system=xml, positions_nm=shifted), 1)
    assert np.allclose(moved.positions, prepared.positions + np.array([1.0, 0.0, 0.0]))
    with pytest.raises(SettingsError, match="positions"):
        prepare_system(inputs_of(text, system=xml, positions_nm=shifted[1:]), 1)
    less = field("tip3p.xml").createSystem(app.Topology())
    with pytest.raises(SettingsError, match="particles, 0"):
        prepare_system(inputs_of(text, system=openmm.XmlSerializer.serialize(less)), 1)


def test_mmcif_gives_the_system_that_pdb_gives() -> None:
    import openmm
    from openmm import app

    from twins.molecule.preparing import prepare_system

    text, read = villin(False)
    out = StringIO()
    app.PDBxFile.writeFile(read.topology, read.positions, out)
    structure = {"format": "mmcif", "text": out.getvalue()}
    one, other = (prepare_system(inputs_of(text, **more), 1) for more in ({}, {"structure": structure}))
    assert openmm.XmlSerializer.serialize(one.system) == openmm.XmlSerializer.serialize(other.system)
    assert np.allclose(one.positions, other.positions, atol=1e-4)


def test_a_force_that_would_run_code_does_not_reach_openmm() -> None:
    import openmm

    system = openmm.System()
    system.addForce(openmm.PythonForce(_unasked))
    with pytest.raises(SettingsError, match="PythonForce"):
        inputs_of("END", system=openmm.XmlSerializer.serialize(system))


def _unasked(state: Any) -> Any:
    raise AssertionError("a job's code was run")


def test_what_is_added_is_the_same_each_time_and_another_by_another_seed() -> None:
    from twins.molecule.preparing import prepare_system

    inputs = {**peptide_inputs(2), "solvent": "explicit", "reproducible": False,
              "add_solvent": {"padding_nm": 0.5, "ionic_strength_molar": 0.5}}  # fmt: skip
    read = read_inputs(SimulationSpec("md", "openmm", {}, 1, 1, 1.0, inputs))
    one, again, other = (prepare_system(read, seed) for seed in (1, 1, 2))
    assert one.hash == again.hash != other.hash
    names = {residue.name for residue in one.topology.residues()}
    assert {"HOH", "ALA", "NA", "CL"} <= names


@pytest.mark.parametrize(
    ("text", "said"),
    [("nothing", "structure"), ("END\n", "structure"), ("ATOM      1  CA  ALA A   1      xx.xxx  1.0", "structure"),
     ("HETATM    1  C1  LIG A   1       0.000   0.000   0.000  1.00  0.00           C\nEND\n", "LIG")],
)  # fmt: skip
def test_a_structure_that_cannot_be_used_says_so(text: str, said: str) -> None:
    from twins.molecule.running import MolecularRun

    spec = SimulationSpec(
        "md", "openmm", {}, 1, 1, 1.0, {"structure": {"format": "pdb", "text": text}, "nanoseconds": 1}
    )
    with pytest.raises(SettingsError, match=said):
        MolecularRun(spec, read_inputs(spec), Device())
