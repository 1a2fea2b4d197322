"""The answer of a run: in short with thinned series, and whole. No clock in it: the same run gives the same bytes."""

from __future__ import annotations

import math
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openmm import app, unit

from twins.engine import Answer
from twins.molecule.averages import statistics, thinned
from twins.molecule.observing import COLUMNS, Solute
from twins.molecule.platforms import Choice
from twins.molecule.preparing import Prepared
from twins.molecule.specification import MolecularInputs

Floats = NDArray[np.float64]
MOST_POINTS = 100  # of a series in the summary
MOST_PDB_ATOMS = 99_999  # what five digits can count


def answer_of(
    inputs: MolecularInputs, prepared: Prepared, choice: Choice, solute: Solute, rows: Floats, last: Floats, exact: bool
) -> Answer:
    """Put together what was found.

    Parameters
    ----------
    rows : array, shape (reports, columns)
    last : array, shape (atoms, 3)
        Positions at the end [nm].
    exact : bool
        Whether a run that is repeated, or was stopped elsewhere, gives the same bits.
    """
    about: dict[str, Any] = {  # Any: JSON
        "atoms": len(prepared.positions),
        "solute_atoms": len(solute.atoms),
        "nanoseconds": inputs.nanoseconds,
        "reports": len(rows),
        "solvent": "prepared" if inputs.system is not None else inputs.solvent,
        "force_field": prepared.force_field,
        "system_sha256": prepared.hash,
        "platform": choice.platform,
        "device": choice.device,
        "precision": choice.precision,
        "threads": choice.threads,
        "temperature_kelvin": inputs.temperature_kelvin,
        "step_femtoseconds": inputs.step_femtoseconds,
        "rmsd_of": solute.fitted_by,
        "statistics": {
            name: statistics(column[np.isfinite(column)]) for name, column in zip(COLUMNS[1:], rows.T[1:], strict=True)
        },
    }
    kept = rows[thinned(len(rows), MOST_POINTS)]
    final = {"solute_pdb": _pdb(prepared.topology, last, solute)}
    return Answer(
        {**about, "series": _series(kept)},
        {**about, "series": _series(rows), "final": final},
        "exact" if exact else "statistical",
    )


def _series(rows: Floats) -> dict[str, list[float | None]]:
    """Give columns as JSON: null where there is no number; a column without any is left out."""
    found = {}
    for name, column in zip(COLUMNS, rows.T, strict=True):
        values = [one if math.isfinite(one) else None for one in column.tolist()]
        if any(one is not None for one in values):
            found[name] = values
    return found


def _pdb(topology: Any, positions: Floats, solute: Solute) -> str:
    """Write the solute as a PDB model, without a heading: that would hold the date. Empty where there is none."""
    if not len(solute.atoms) or len(solute.atoms) > MOST_PDB_ATOMS:
        return ""
    kept = set(solute.atoms.tolist())
    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.delete([atom for atom in topology.atoms() if atom.index not in kept])
    out = StringIO()
    app.PDBFile.writeModel(modeller.topology, modeller.positions, out, keepIds=True)
    app.PDBFile.writeFooter(modeller.topology, out)
    return out.getvalue()
