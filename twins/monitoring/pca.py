"""Principal components of autoscaled data: how a normal process varies, in a few directions.

Source
------
Jackson 1991, A User's Guide to Principal Components, ch. 1-2: autoscaling with the training mean and standard
deviation, components from the singular value decomposition, score variances with divisor n - 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]

# assumed: a spread within this share of the largest value is rounding of a constant (an interpolated one moves by an
# ulp, 2e-16), far below what any transmitter resolves
CONSTANT = 1e-12
RANK_CUTOFF = 1e-10  # assumed: a singular value below this share of the largest is rounding of the scaled data
Z_LARGEST = 1e100  # an autoscaled value is cut here, so that its square and every sum stay finite


class Scaling(NamedTuple):
    """Mean and standard deviation (divisor n - 1) of each column; where it is constant, the deviation is 0."""

    mean: Floats
    sd: Floats


class Pca(NamedTuple):
    """All principal components that the data have: loadings (p, r), orthonormal, and score variances (r,), falling."""

    loadings: Floats
    variances: Floats

    @property
    def r2(self) -> Floats:
        """Give the share of the total sum of squares that each component explains, shape (r,)."""
        shares: Floats = self.variances / self.variances.sum()
        return shares


def scaling_of(values: Floats) -> Scaling:
    """Find mean and standard deviation of each column, over what is known.

    Parameters
    ----------
    values : array, shape (n, p)
        Observations; NaN where missing. Every column has two known values or more.

    Returns
    -------
    Scaling
        Arrays of shape (p,). A column that does not vary has a deviation of exactly 0.

    Examples
    --------
    >>> scaling_of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    Scaling(mean=array([2., 5.]), sd=array([1.41421356, 0.        ]))
    """
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    constant = high - low <= CONSTANT * np.maximum(np.abs(low), np.abs(high))
    sd = np.where(constant, 0.0, np.nanstd(values, axis=0, ddof=1))
    return Scaling(np.where(constant, low, np.nanmean(values, axis=0)), sd)


def autoscale(values: Floats, scaling: Scaling) -> Floats:
    """Centre and scale; a column that never varied in training becomes 0, so that it carries no weight.

    Parameters
    ----------
    values : array, shape (..., p)
        Observations; a missing value stays NaN.
    scaling : Scaling
        Of the training data, shape (p,).
    """
    varies = scaling.sd > 0
    with np.errstate(over="ignore"):  # what overflows is cut
        z = (values - scaling.mean) / np.where(varies, scaling.sd, 1.0)
    z = np.where(varies | np.isnan(z), z, 0.0)
    return np.clip(z, -Z_LARGEST, Z_LARGEST)


def principal_components(z: Floats) -> Pca:
    """Decompose autoscaled data by its singular values.

    Parameters
    ----------
    z : array, shape (n, p)
        Autoscaled, nothing missing.

    Returns
    -------
    Pca
        With as many components as the data have rank. The largest loading of each is positive, so that the same data
        give the same signs.

    Raises
    ------
    SettingsError
        If nothing varies.
    """
    _, singular, rows = np.linalg.svd(z, full_matrices=False)
    rank = int(np.sum(singular > RANK_CUTOFF * singular[0]))
    if rank == 0:
        raise SettingsError("expected data that vary, received constants only; check the tags and the runs")
    loadings = rows[:rank].T
    largest = np.argmax(np.abs(loadings), axis=0)
    loadings = loadings * np.where(loadings[largest, np.arange(rank)] < 0, -1.0, 1.0)
    return Pca(np.ascontiguousarray(loadings), singular[:rank] ** 2 / (len(z) - 1))


def choose_components(pca: Pca, n: int, components: int | None, variance: float | None, spare: int = 3) -> int:
    """Choose how many components to keep: so many, or the fewest that explain a share of the sum of squares.

    Parameters
    ----------
    pca : Pca
    n : int
        Observations in training.
    components : int, optional
        The number itself.
    variance : float, optional
        The share, above 0 and below 1; used where no number is given.
    spare : int
        How many observations more than components there must be.

    Raises
    ------
    SettingsError
        If it leaves no residual to watch, or asks more than so few observations can tell.
    """
    most = min(len(pca.variances) - 1, n - spare)
    chosen = components
    if chosen is None:
        chosen = int(np.searchsorted(np.cumsum(pca.r2), 0.9 if variance is None else variance)) + 1
    if not 1 <= chosen <= most:
        raise SettingsError(
            f"expected 1 to {most} components for {n} observations of rank {len(pca.variances)}, received {chosen}; "
            "set --components, or a smaller --variance, or give more runs"
        )
    return chosen
