"""The `inputs` of a job of molecular dynamics: which atoms, in what surroundings, for how long. Checked once.

The fields are described for people in docs/molecular_dynamics.md. Nothing here needs OpenMM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError
from schemas.jobs import SimulationSpec
from twins.molecule.force_fields import check_force_field
from twins.molecule.system_xml import MOST_SYSTEM_CHARACTERS, check_system_xml

MODEL = "openmm"
MOST_STRUCTURE_CHARACTERS = 16 << 20  # some 200,000 atoms as PDB
MOST_ATOMS = 200_000
MOST_REPORTS = 10_000
REPORTS = 100  # of a run that does not say when to report
MOST_STEPS = 10**11
LARGEST_COORDINATE = 1e4  # nm

Solvent = Literal["implicit", "explicit", "vacuum"]
Positive = Annotated[float, Meta(gt=0)]


class Structure(Struct, frozen=True, forbid_unknown_fields=True):
    """Atoms by name and place, as the text of a file; never the path of one."""

    format: Literal["pdb", "mmcif"]
    text: Annotated[str, Meta(min_length=1, max_length=MOST_STRUCTURE_CHARACTERS)]


class Solvation(Struct, frozen=True, forbid_unknown_fields=True):
    """Water and ions to put around the solute; the net charge is neutralised."""

    padding_nm: Annotated[float, Meta(ge=0.3, le=5)] = 1.0
    ionic_strength_molar: Annotated[float, Meta(ge=0, le=2)] = 0.0


class MolecularInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, each with its default; units are the last word of a name."""

    structure: Structure
    nanoseconds: Annotated[float, Meta(gt=0, le=100_000)]
    solvent: Solvent = "implicit"
    force_field: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    system: Annotated[str, Meta(min_length=1, max_length=MOST_SYSTEM_CHARACTERS)] | None = None
    positions_nm: Annotated[tuple[tuple[float, float, float], ...], Meta(max_length=MOST_ATOMS)] | None = None
    add_hydrogens: bool = False
    ph: Annotated[float, Meta(ge=0, le=14)] = 7.0
    add_solvent: Solvation | None = None
    cutoff_nm: Annotated[float, Meta(ge=0.5, le=3)] | None = None
    constraints: Literal["none", "h_bonds", "all_bonds"] = "h_bonds"
    hydrogen_mass_dalton: Annotated[float, Meta(ge=1, le=4)] | None = None
    temperature_kelvin: Annotated[float, Meta(ge=1, le=1000)] = 300.0
    friction_per_picosecond: Annotated[float, Meta(ge=0.001, le=100)] = 1.0
    step_femtoseconds: Annotated[float, Meta(ge=0.05, le=5)] = 2.0
    minimise_iterations: Annotated[int, Meta(ge=0, le=100_000)] = 100
    equilibrate_picoseconds: Annotated[float, Meta(ge=0, le=1_000_000)] = 10.0
    report_picoseconds: Positive | None = None
    contact_cutoff_nm: Annotated[float, Meta(ge=0.3, le=1.5)] = 0.45
    precision: Literal["single", "mixed", "double"] = "mixed"
    reproducible: bool = False
    platform: Literal["auto", "CPU", "Reference"] = "auto"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is done, counted: iterations, then steps of equilibration, then steps that are reported."""

    minimise: int
    equilibrate: int
    steps: int
    report_every: int

    @property
    def total(self) -> int:
        """All of it: what a run's progress is out of."""
        return self.minimise + self.equilibrate + self.steps

    @property
    def begin(self) -> int:
        """Where the reported steps begin."""
        return self.minimise + self.equilibrate

    def reports(self, at: int) -> int:
        """Give how many reports there are when so much is done; the last step is always reported.

        Examples
        --------
        >>> one = Schedule(10, 5, 25, 10)
        >>> [one.reports(at) for at in (14, 15, 24, 25, 35, 39, 40)]
        [0, 1, 1, 2, 3, 3, 4]
        """
        done = at - self.begin
        if done < 0:
            return 0
        odd = done == self.steps and self.steps % self.report_every > 0
        return 1 + done // self.report_every + odd


def read_inputs(spec: SimulationSpec) -> MolecularInputs:
    """Read and check a specification, as far as that goes without building the system.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    if spec.model != MODEL:
        raise refused(f"model {MODEL!r}", repr(spec.model), "model")
    if spec.parameters:
        raise refused("no parameters: what can be set stands in inputs", ", ".join(spec.parameters)[:80], "parameters")
    if spec.draws != 1:
        raise refused("draws 1: a job is one trajectory, others differ by their seed", spec.draws, "draws")
    try:
        inputs = msgspec.convert(spec.inputs, MolecularInputs)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"expected inputs of molecular dynamics, received {error}; see docs/molecular_dynamics.md"
        ) from None
    _check_finite(spec.inputs)
    _check_schedule(inputs)
    if inputs.system is not None:
        _check_prepared(inputs)
        check_system_xml(inputs.system)
        return inputs
    check_force_field(inputs.force_field, inputs.solvent)
    if inputs.add_solvent is not None and inputs.solvent != "explicit":
        raise refused("solvent 'explicit' with add_solvent", inputs.solvent, "inputs.solvent")
    if inputs.positions_nm is not None and (inputs.add_hydrogens or inputs.add_solvent):
        raise refused("positions_nm of all atoms, or atoms to be added", "both", "inputs.positions_nm")
    return inputs


def schedule_of(inputs: MolecularInputs) -> Schedule:
    """Count what a job asks for: steps, and how many lie between reports."""
    femtoseconds = inputs.step_femtoseconds
    steps = max(1, round(inputs.nanoseconds * 1e6 / femtoseconds))
    every = (
        max(1, round(inputs.report_picoseconds * 1e3 / femtoseconds))
        if inputs.report_picoseconds is not None
        else max(1, steps // REPORTS)
    )
    equilibrate = round(inputs.equilibrate_picoseconds * 1e3 / femtoseconds)
    return Schedule(inputs.minimise_iterations, equilibrate, steps, min(every, steps))


def refused(expected: str, received: object, where: str) -> SettingsError:
    """Make the error that says what was wrong."""
    return SettingsError(f"expected {expected}, received {received}, in {where}; see docs/molecular_dynamics.md")


def _check_schedule(inputs: MolecularInputs) -> None:
    schedule = schedule_of(inputs)
    if schedule.total > MOST_STEPS:
        raise refused(f"at most {MOST_STEPS:g} steps", schedule.total, "inputs.nanoseconds")
    reports = schedule.reports(schedule.total)
    if reports > MOST_REPORTS:
        raise refused(f"at most {MOST_REPORTS} reports", reports, "inputs.report_picoseconds")


def _check_prepared(inputs: MolecularInputs) -> None:
    """A prepared system says all of this itself."""
    given = {
        "force_field": bool(inputs.force_field), "add_hydrogens": inputs.add_hydrogens,
        "add_solvent": inputs.add_solvent is not None, "cutoff_nm": inputs.cutoff_nm is not None,
        "hydrogen_mass_dalton": inputs.hydrogen_mass_dalton is not None,
    }  # fmt: skip
    both = [name for name, is_given in given.items() if is_given]
    if both:
        raise refused("a prepared system, or what to make one by", f"system and {', '.join(both)}", "inputs")


def _check_finite(document: dict[str, Any]) -> None:  # Any: JSON
    for name, value in document.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise refused("a finite number", value, f"inputs.{name}")
    for row in document.get("positions_nm") or ():
        if not all(abs(one) <= LARGEST_COORDINATE for one in row):
            raise refused(f"coordinates within {LARGEST_COORDINATE:g} nm", list(row), "inputs.positions_nm")
