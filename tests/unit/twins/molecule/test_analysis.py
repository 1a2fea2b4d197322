"""Shapes of molecules against closed forms, laws, and what other programs say of the same coordinates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from schemas.errors import ShapeError
from tests.support.peptide import peptide
from twins.molecule.analysis import Residues, contacts, radius_of_gyration, rmsd, share_kept
from twins.molecule.surface import radius_of, surface_area

Floats = NDArray[np.float64]


def helix(residues: int) -> tuple[Floats, Floats, Residues]:
    """Heavy atoms in nm, rounded as a PDB file has them, with radii and places in the chain."""
    atoms = peptide(residues)
    places = np.array([np.round(at, 3) for *_, at in atoms]) / 10.0
    radii = np.array([radius_of(name[0]) for name, *_ in atoms])
    numbers = np.array([number for _, _, number, _ in atoms], dtype=np.int64)
    return places, radii, Residues(numbers, np.zeros(len(atoms), dtype=np.int64))


@given(st.integers(0, 2**32 - 1), st.integers(3, 60))
def test_turned_and_moved_points_deviate_by_nothing(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 3))
    turned = Rotation.random(random_state=seed).apply(points) + rng.normal(size=3) * 10.0
    assert rmsd(turned, points) < 1e-12


def test_deviation_is_that_of_an_independent_superposition() -> None:
    """0.0915316 by SciPy's align_vectors and by mdtraj 1.11.1 (quaternions, single precision: 0.0915315)."""
    points, _, _ = helix(8)
    rng = np.random.default_rng(3)
    moved = points[:, [1, 2, 0]] + rng.normal(size=points.shape) * 0.05
    a, b = points - points.mean(axis=0), moved - moved.mean(axis=0)
    _, residual = Rotation.align_vectors(a, b)
    assert rmsd(moved, points) == pytest.approx(0.0915316, abs=5e-5)  # the figure is of unrounded atoms
    assert rmsd(moved, points) == pytest.approx(residual / math.sqrt(len(points)), rel=1e-9)


def test_a_mirror_image_is_not_superposed() -> None:
    points, _, _ = helix(8)
    assert rmsd(points * [1.0, 1.0, -1.0], points) > 0.05


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError):
        rmsd(np.zeros((3, 3)), np.zeros((4, 3)))
    with pytest.raises(ShapeError):
        radius_of_gyration(np.zeros((3, 3)), np.zeros(2))
    with pytest.raises(ShapeError):
        surface_area(np.zeros((3, 3)), np.ones(2))


def test_radius_of_gyration_of_a_ball_is_its_closed_form() -> None:
    """sqrt(3/5) R; 20,000 points leave an error of about 0.3 %."""
    rng = np.random.default_rng(5)
    ways = rng.normal(size=(20_000, 3))
    ball = 2.0 * rng.random(20_000)[:, None] ** (1 / 3) * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    assert radius_of_gyration(ball, np.ones(20_000)) == pytest.approx(2.0 * math.sqrt(0.6), rel=0.01)


def test_contacts_are_those_a_double_loop_finds() -> None:
    points, _, belongs = helix(12)
    n = len(points)
    wanted = [
        i * n + j
        for i in range(n)
        for j in range(i + 1, n)
        if np.linalg.norm(points[i] - points[j]) <= 0.45 and abs(belongs.residue[i] - belongs.residue[j]) > 3
    ]
    found = contacts(points, belongs, 0.45)
    assert len(wanted) > 20
    assert found.tolist() == sorted(wanted)
    assert share_kept(found[: len(found) // 2], found) == pytest.approx((len(found) // 2) / len(found))
    assert share_kept(found[:0], found[:0]) == 1.0
    other = Residues(belongs.residue, np.arange(n) % 2)
    assert set(found.tolist()) < set(contacts(points, other, 0.45).tolist())
    assert contacts(points[:1], Residues(belongs.residue[:1], belongs.chain[:1]), 0.45).tolist() == []


def test_surface_of_two_spheres_is_its_closed_form() -> None:
    """Two spheres of radius R at distance d each lose a cap of height R - d/2: area 2 pi R (R - d/2)."""
    radius, distance = 0.17 + 0.14, 0.25
    wanted = 4 * math.pi * radius**2 - 2 * math.pi * radius * (radius - distance / 2)
    found = surface_area(np.array([[0.0, 0, 0], [distance, 0, 0]]), np.array([0.17, 0.17]), points=20_000)
    assert found == pytest.approx([wanted, wanted], rel=1e-3)


@pytest.mark.parametrize(("residues", "total"), [(8, 762.2160955508241), (24, 1751.3838105636999)])
def test_surface_is_that_of_another_program_by_another_method(residues: int, total: float) -> None:
    """FreeSASA 2.2.1, Lee & Richards with 1000 slices, probe 1.4 A, the same radii, of the same atoms: totals above,
    first atoms below [A^2]. Its own Shrake & Rupley with 100 points says 766.6 and 1762.9, 0.6 % more. On the 289 heavy
    atoms of OpenMM's villin: FreeSASA 30.09 nm^2, mdtraj 1.11.1 with 960 points 30.12 nm^2.
    """
    points, radii, _ = helix(residues)
    found = surface_area(points, radii) * 100.0
    assert found.sum() == pytest.approx(total, rel=0.005)
    fine = surface_area(points, radii, points=5000) * 100.0
    assert fine.sum() == pytest.approx(total, rel=0.001)
    assert fine[:8] == pytest.approx([62.185, 4.503, 8.141, 12.069, 7.658, 1.243, 7.420, 60.765], abs=0.17)
