"""A helix of alanines between an acetyl and a methylamide, built from bond lengths, angles and torsions; no hydrogens.

Bond lengths and angles: Engh & Huber, Acta Cryst. A47 (1991) 392, rounded; the helix: phi -60, psi -45, omega 180.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PHI, PSI, OMEGA = -60.0, -45.0, 180.0


def placed(a: Floats, b: Floats, c: Floats, length: float, angle: float, torsion: float) -> Floats:
    """Give the point at a length from c, with the angle b-c-x and the torsion a-b-c-x in degrees."""
    theta, chi = math.radians(angle), math.radians(torsion)
    forward = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, forward)
    normal /= np.linalg.norm(normal)
    side = np.cross(normal, forward)
    there = -math.cos(theta) * forward + math.sin(theta) * (math.cos(chi) * side + math.sin(chi) * normal)
    found: Floats = c + length * there
    return found


def peptide(residues: int) -> list[tuple[str, str, int, Floats]]:
    """Give atoms as (name, residue, number, place in Angstrom): ACE, so many ALA, NME."""
    ch3, c = np.zeros(3), np.array([1.51, 0.0, 0.0])
    before = np.array([-0.5, 1.0, 0.0])
    o = placed(before, ch3, c, 1.231, 120.6, 0.0)
    atoms = [("CH3", "ACE", 1, ch3), ("C", "ACE", 1, c), ("O", "ACE", 1, o)]
    last_ca, last_c, omega_from = ch3, c, 180.0  # the acetyl's torsion is that of its amide plane
    for k in range(residues + 1):
        number = k + 2
        psi = PSI if k else omega_from
        n_from = atoms[-5 if k else 0][3] if k else before
        n = placed(n_from, last_ca, last_c, 1.329, 116.5, psi)
        ca = placed(last_ca, last_c, n, 1.458, 121.7, OMEGA)
        if k == residues:
            return [*atoms, ("N", "NME", number, n), ("CH3", "NME", number, ca)]
        c = placed(last_c, n, ca, 1.525, 111.0, PHI)
        o = placed(n, ca, c, 1.231, 120.1, PSI + 180.0)
        cb = placed(last_c, n, ca, 1.530, 110.1, PHI - 122.5)
        atoms += [("N", "ALA", number, n), ("CA", "ALA", number, ca), ("C", "ALA", number, c),
                  ("O", "ALA", number, o), ("CB", "ALA", number, cb)]  # fmt: skip
        last_ca, last_c = ca, c
    raise AssertionError


def peptide_pdb(residues: int) -> str:
    """Give it as the text of a PDB file."""
    lines = [
        f"HETATM{i:5d}  {name:<3} {residue} A{number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}"
        for i, (name, residue, number, (x, y, z)) in enumerate(peptide(residues), 1)
    ]
    return "\n".join([*lines, "END"]) + "\n"


def peptide_inputs(residues: int = 8) -> dict[str, object]:
    """Give inputs of a short run of it, which takes a second or two."""
    return {
        "structure": {"format": "pdb", "text": peptide_pdb(residues)},
        "add_hydrogens": True,
        "nanoseconds": 0.002,
        "minimise_iterations": 50,
        "equilibrate_picoseconds": 0.4,
        "report_picoseconds": 0.1,
        "reproducible": True,
    }
