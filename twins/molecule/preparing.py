"""Make the system that a job asks for: its atoms, their forces, and where they start. The same bits each time.

What OpenMM places at random, hydrogens and ions, is placed by the job's seed, and on its Reference platform.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from schemas.errors import SettingsError
from twins.molecule.force_fields import check_force_field, file_hashes
from twins.molecule.specification import LARGEST_COORDINATE, MOST_ATOMS, MolecularInputs, refused
from twins.molecule.system_xml import check_system_xml

Floats = NDArray[np.float64]
PME_CUTOFF_NM = 1.0  # OpenMM's own default (createSystem)
DATA = Path(app.__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A system ready to run. `topology` and `system` are OpenMM's; `hash` is that of all that decides its forces."""

    topology: Any  # Any: OpenMM has no types
    system: Any
    positions: Floats  # (atoms, 3) [nm]
    force_field: dict[str, str]  # SHA-256 by file; empty for a prepared system
    hash: str
    has_cutoff: bool  # forces go by a list of neighbours, which a platform keeps for a while


def derived_seed(seed: int, purpose: str) -> int:
    """Give a seed for one purpose, 1 or more: OpenMM takes 0 to mean the clock.

    Examples
    --------
    >>> derived_seed(1, "velocities") == derived_seed(1, "velocities") != derived_seed(2, "velocities")
    True
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return 1 + int.from_bytes(digest[:4], "big") % (2**31 - 2)


def prepare_system(inputs: MolecularInputs, seed: int) -> Prepared:
    """Make a system by what the inputs say.

    Raises
    ------
    SettingsError
        If the text cannot be read, the force field does not know a residue, or counts do not agree.
    """
    topology, positions = _read_structure(inputs)
    if inputs.system is not None:
        system, hashes = _read_system(inputs.system), {}
    else:
        names = check_force_field(inputs.force_field, inputs.solvent)
        hashes = file_hashes(DATA, names)
        with _said("a structure that the force field knows", "inputs"):
            field = app.ForceField(*names)
            topology, positions = _completed(inputs, topology, positions, field, seed)
            system = _create(inputs, topology, field)
    atoms = system.getNumParticles()
    if atoms != len(positions):
        raise refused(f"as many positions as the system has particles, {atoms}", len(positions), "inputs")
    if topology.getNumAtoms() != atoms:
        raise refused(f"as many atoms as the system has particles, {atoms}", topology.getNumAtoms(), "inputs.structure")
    if atoms > MOST_ATOMS:
        raise refused(f"at most {MOST_ATOMS} atoms", atoms, "inputs.structure")
    if not np.all(np.abs(positions) <= LARGEST_COORDINATE):
        raise refused(f"coordinates within {LARGEST_COORDINATE:g} nm", "others", "inputs.structure")
    digest = hashlib.sha256(openmm.XmlSerializer.serialize(system).encode())
    digest.update(np.ascontiguousarray(positions).tobytes())
    return Prepared(topology, system, positions, hashes, digest.hexdigest(), _has_cutoff(system))


def _read_structure(inputs: MolecularInputs) -> tuple[Any, Floats]:
    reader = app.PDBFile if inputs.structure.format == "pdb" else app.PDBxFile
    with _said(f"a structure as {inputs.structure.format}", "inputs.structure"):
        read = reader(StringIO(inputs.structure.text))
        topology, positions = read.topology, _as_array(read.positions)
    if not topology.getNumAtoms():
        raise refused("a structure with atoms", "none", "inputs.structure")
    if inputs.positions_nm is not None:
        if len(inputs.positions_nm) != len(positions):
            raise refused(f"{len(positions)} positions, one an atom", len(inputs.positions_nm), "inputs.positions_nm")
        positions = np.array(inputs.positions_nm, dtype=np.float64)
    return topology, positions


def _read_system(text: str) -> Any:
    with _said("a System", "inputs.system"):
        return openmm.XmlSerializer.deserialize(check_system_xml(text))


def _completed(inputs: MolecularInputs, topology: Any, positions: Floats, field: Any, seed: int) -> tuple[Any, Floats]:
    """Add what is asked for: hydrogens, sites beyond atoms, water with ions."""
    modeller = app.Modeller(topology, positions * unit.nanometer)
    with _seeded(derived_seed(seed, "preparing")):
        if inputs.add_hydrogens:
            platform = openmm.Platform.getPlatform("Reference")
            modeller.addHydrogens(field, pH=inputs.ph, platform=platform)
        if inputs.add_solvent is not None:
            water = inputs.add_solvent
            modeller.addSolvent(
                field,
                model=_water_box(inputs.force_field),
                padding=water.padding_nm * unit.nanometer,
                ionicStrength=water.ionic_strength_molar * unit.molar,
            )
        elif any(_has_extra_sites(name) for name in inputs.force_field):
            modeller.addExtraParticles(field)
    return modeller.topology, _as_array(modeller.positions)


def _has_extra_sites(name: str) -> bool:
    return "tip4p" in name or name.endswith("opc.xml")


def _water_box(names: tuple[str, ...]) -> str:
    """Name the box of water that OpenMM cuts from: of three or of four sites."""
    return "tip4pew" if any(map(_has_extra_sites, names)) else "tip3p"


def _create(inputs: MolecularInputs, topology: Any, field: Any) -> Any:
    periodic = inputs.solvent == "explicit"
    if periodic and topology.getPeriodicBoxVectors() is None:
        raise refused("a periodic box in the structure, or add_solvent", "neither", "inputs.structure")
    cutoff = inputs.cutoff_nm or (PME_CUTOFF_NM if periodic else None)
    # Any: what OpenMM's own quantities are.
    said: dict[str, Any] = {} if cutoff is None else {"nonbondedCutoff": cutoff * unit.nanometer}
    method = app.PME if periodic else app.NoCutoff if cutoff is None else app.CutoffNonPeriodic
    if inputs.hydrogen_mass_dalton is not None:
        said["hydrogenMass"] = inputs.hydrogen_mass_dalton * unit.dalton
    constraints = {"none": None, "h_bonds": app.HBonds, "all_bonds": app.AllBonds}[inputs.constraints]
    return field.createSystem(topology, nonbondedMethod=method, constraints=constraints, **said)


def _has_cutoff(system: Any) -> bool:
    kinds = ("NonbondedForce", "CustomNonbondedForce", "GBSAOBCForce", "CustomGBForce")
    found = [force for force in system.getForces() if force.getName() in kinds or type(force).__name__ in kinds]
    return any(force.getNonbondedMethod() != 0 for force in found)  # 0 is NoCutoff in all four


def _as_array(positions: Any) -> Floats:
    return np.array(positions.value_in_unit(unit.nanometer), dtype=np.float64).reshape(-1, 3)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """OpenMM's Modeller draws from the shared generator of Python: lend it a seeded one."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def _said(expected: str, where: str) -> Iterator[None]:
    """What OpenMM makes of a text it cannot use is any error at all: say it as ours."""
    try:
        yield
    except (SettingsError, MemoryError):
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise refused(expected, said, where) from error
