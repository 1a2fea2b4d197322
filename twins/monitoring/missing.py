"""What to do with values that are not there: scores from the known ones, and training data made whole.

Two ways to scores. PMP projects the known part on the model plane (least squares). TSR regresses the scores on the
trimmed ones, P1' z1, by the training covariance: it shrinks towards the mean where little is known, and where the
loadings of the known part are nearly collinear PMP runs wild and TSR does not.

Source
------
Nelson, Taylor and MacGregor 1996, Chemom. Intell. Lab. Syst. 35:45 (PMP); Arteaga and Ferrer 2002, J. Chemometrics
16:408, eq. 20 (TSR); for the future of a batch Garcia-Munoz, Kourti and MacGregor 2004, Ind. Eng. Chem. Res. 43:5929.
Training data: Folch-Fortuny, Arteaga and Ferrer 2015, Chemom. Intell. Lab. Syst. 146:77 (iterated TSR, which there does
better than iterated reconstruction, and here too: where tags correlate weakly reconstruction is worse than the mean).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from schemas.errors import SettingsError
from twins.monitoring.pca import (
    Bools,
    Floats,
    Pca,
    Scaling,
    autoscale,
    choose_components,
    principal_components,
    scaling_of,
)

Method = Literal["tsr", "pmp"]

PINV_CUTOFF = 1e-10  # assumed: eigenvalues below this share of the largest are rounding
CONVERGED = 1e-7  # assumed: a filled value that moves by less standard deviations is settled
MOST_ROUNDS = 1000
MOST_MISSING = 0.5  # assumed: of a column; beyond it more is made up than measured


class Training(NamedTuple):
    """Training data made ready: how they were scaled, autoscaled and whole (n, p), and how many components to keep."""

    scaling: Scaling
    z: Floats
    components: int


def score_operator(pca: Pca, components: int, known: Bools, method: Method) -> Floats:
    """Give the matrix that estimates scores from the known part of an observation.

    Parameters
    ----------
    pca : Pca
        All components; TSR needs the residual ones for the covariance of the known part.
    components : int
        How many of them are the model, a.
    known : array of bool, shape (p,)
    method : "tsr" or "pmp"

    Returns
    -------
    array, shape (a, p)
        Zero in the columns of missing values; the loadings themselves, transposed, where nothing is missing.
    """
    plane = pca.loadings[:, :components]
    if known.all():
        return np.ascontiguousarray(plane.T)
    part = np.where(known[:, None], plane, 0.0)
    inner = part.T @ part
    if method == "pmp":
        return pseudo_inverse(inner) @ part.T
    across = part.T @ pca.loadings
    trimmed = (across * pca.variances) @ across.T
    return trimmed_regression(inner, trimmed, pca.variances[:components]) @ part.T


def trimmed_regression(inner: Floats, trimmed: Floats, variances: Floats) -> Floats:
    """Regress scores on trimmed scores: L (P1'P1) (P1' S11 P1)^-1.

    Parameters
    ----------
    inner : array, shape (a, a)
        P1'P1.
    trimmed : array, shape (a, a)
        Covariance of the trimmed scores, P1' S11 P1.
    variances : array, shape (a,)
        Score variances, the diagonal of L.
    """
    return (variances[:, None] * inner) @ pseudo_inverse(trimmed)


def pseudo_inverse(matrix: Floats) -> Floats:
    """Invert a symmetric positive semidefinite matrix on the part of its space that it fills."""
    return np.asarray(np.linalg.pinv(matrix, rcond=PINV_CUTOFF, hermitian=True))


def check_known(values: Floats, where: list[str]) -> None:
    """Refuse training data with too little in a column.

    Raises
    ------
    SettingsError
        Naming up to five such columns.
    """
    known = np.sum(~np.isnan(values), axis=0)
    poor = [name for name, count in zip(where, known, strict=True) if count < max(3, MOST_MISSING * len(values))]
    if poor:
        raise SettingsError(
            f"expected values in at least half of the {len(values)} training observations and 3 of them, received "
            f"fewer of {', '.join(poor[:5])}{' and others' if len(poor) > 5 else ''}; leave the tag out with --tags, "
            "or runs that lack it"
        )


def complete(z: Floats, components: int | None, variance: float | None, spare: int = 3) -> tuple[Floats, int]:
    """Fill what is missing in autoscaled training data with what the components say of it, until it settles.

    Parameters
    ----------
    z : array, shape (n, p)
        Autoscaled by the known values; NaN where missing.
    components, variance, spare
        As `choose_components` takes them.

    Returns
    -------
    (array of shape (n, p), int)
        The whole data, and how many components were chosen.

    Raises
    ------
    SettingsError
        If it does not settle.
    """
    missing = np.isnan(z)
    filled = np.where(missing, 0.0, z)
    chosen = choose_components(principal_components(filled), len(z), components, variance, spare)
    if not missing.any():
        return filled, chosen
    for _ in range(MOST_ROUNDS):
        guess = _regressed(z, filled, missing, chosen)
        moved = float(np.max(np.abs(guess - filled)[missing]))
        filled = guess
        if moved < CONVERGED:
            return filled, chosen
    raise SettingsError(
        f"expected training data that settle within {MOST_ROUNDS} rounds of filling, received values that still move "
        f"by {moved:.2g} standard deviations; take fewer --components, or leave out runs with much missing"
    )


def _regressed(z: Floats, filled: Floats, missing: Bools, components: int) -> Floats:
    """Regress what is missing on the trimmed scores of what is known, by the covariance of the data so far."""
    _, singular, rows = np.linalg.svd(filled, full_matrices=False)
    root = singular[:, None] * rows  # its square is the covariance, but for a factor that cancels
    guess = z.copy()
    for pattern in np.unique(missing, axis=0):
        if pattern.any():
            there = np.flatnonzero(np.all(missing == pattern, axis=1))
            plane = np.where(pattern, 0.0, rows[:components])
            trimmed = root @ plane.T
            slopes = pseudo_inverse(trimmed.T @ trimmed) @ (trimmed.T @ root[:, pattern])
            guess[np.ix_(there, pattern)] = np.where(pattern, 0.0, z[there]) @ plane.T @ slopes
    return guess


def prepare(values: Floats, components: int | None, variance: float | None) -> Training:
    """Scale training data by what is known of them, and fill the rest. NaN in a column that nobody knows is refused
    before, by `check_known`."""
    scaling = scaling_of(values)
    z, chosen = complete(autoscale(values, scaling), components, variance)
    return Training(scaling, z, chosen)
