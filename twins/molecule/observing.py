"""What is written down at each report of a run: energies, and what the solute's shape says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twins.molecule.analysis import Residues, contacts, radius_of_gyration, rmsd, share_kept
from twins.molecule.surface import radius_of, surface_area

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = (
    "time_ps", "potential_kj_per_mol", "kinetic_kj_per_mol", "total_kj_per_mol", "temperature_kelvin", "rmsd_nm",
    "radius_of_gyration_nm", "contacts", "first_contacts_kept", "sasa_nm2",
)  # fmt: skip
SHAPE = 5  # from here on columns are of the solute's shape
MOST_SURFACES = 101  # of a run: at more reports the surface is taken of every second, third ... alone

WATERS = frozenset(("HOH", "H2O", "WAT", "SOL", "TIP3", "TIP4", "TIP5", "SPC", "DOD"))
BOLTZMANN_KJ_PER_MOL_K = 0.00831446261815324  # CODATA 2018, k times Avogadro's number; both exact


@dataclass(frozen=True, slots=True)
class Solute:
    """The atoms that are no solvent: none of a water, and none alone in its residue. Places in the whole system."""

    atoms: Ints
    masses: Floats  # of the elements, whatever mass the system gives them [Da]
    heavy: Ints
    radii: Floats  # of the heavy atoms [nm]
    belongs: Residues  # of the heavy atoms
    fitted: Ints  # what RMSD is taken of
    fitted_by: str


def solute_of(topology: Any) -> Solute:
    """Find the solute, and its atoms that each analysis takes.

    RMSD is of the alpha carbons; with fewer than 3 of these, of all heavy atoms.
    """
    atoms, masses, heavy, radii, residues, chains, alphas = [], [], [], [], [], [], []
    for chain in topology.chains():
        for place, residue in enumerate(chain.residues()):
            own = [atom for atom in residue.atoms() if atom.element is not None]
            if residue.name.upper() in WATERS or len(own) < 2:
                continue
            for atom in own:
                atoms.append(atom.index)
                masses.append(_mass(atom))
                if atom.element.symbol == "H":
                    continue
                heavy.append(atom.index)
                radii.append(radius_of(atom.element.symbol))
                residues.append(place)
                chains.append(chain.index)
                if atom.name == "CA" and atom.element.symbol == "C":
                    alphas.append(atom.index)
    by_alphas = len(alphas) >= 3
    return Solute(
        np.array(atoms, dtype=np.int64),
        np.array(masses, dtype=np.float64),
        np.array(heavy, dtype=np.int64),
        np.array(radii, dtype=np.float64),
        Residues(np.array(residues, dtype=np.int64), np.array(chains, dtype=np.int64)),
        np.array(alphas if by_alphas else heavy, dtype=np.int64),
        "alpha_carbons" if by_alphas else "heavy_atoms",
    )


class Observer:
    """Turns a state into a row of `COLUMNS`. Knows the start, that it compares with."""

    def __init__(self, solute: Solute, start: Floats, contact_cutoff: float, degrees: int, reports: int) -> None:
        self.solute = solute
        self.degrees = degrees
        self.cutoff = contact_cutoff
        self.start = start[solute.fitted]
        self.surface_every = max(1, -(-(reports - 1) // (MOST_SURFACES - 1)))
        self.first = contacts(start[solute.heavy], solute.belongs, contact_cutoff) if len(solute.heavy) else None

    def row(self, number: int, time: float, potential: float, kinetic: float, positions: Floats) -> Floats:
        """Give one report; NaN where there is nothing to say.

        Parameters
        ----------
        number : int
            Of the report, from 0.
        time : float
            Since the reports began [ps].
        potential, kinetic : float
            [kJ/mol]
        positions : array, shape (atoms, 3)
            Of the whole system, molecules unbroken [nm].
        """
        row = np.full(len(COLUMNS), np.nan)
        temperature = 2.0 * kinetic / (self.degrees * BOLTZMANN_KJ_PER_MOL_K)
        row[:SHAPE] = time, potential, kinetic, potential + kinetic, temperature
        one = self.solute
        if self.first is None:
            return row
        heavy = positions[one.heavy]
        now = contacts(heavy, one.belongs, self.cutoff)
        row[SHAPE] = rmsd(positions[one.fitted], self.start)
        row[SHAPE + 1] = radius_of_gyration(positions[one.atoms], one.masses)
        row[SHAPE + 2 : SHAPE + 4] = len(now), share_kept(now, self.first)
        if number % self.surface_every == 0:
            row[SHAPE + 4] = float(np.sum(surface_area(heavy, one.radii)))
        return row


def _mass(atom: Any) -> float:
    return float(atom.element.mass._value)


__all__ = ["COLUMNS", "Observer", "Solute", "solute_of"]
