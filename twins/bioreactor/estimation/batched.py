"""Linear algebra of small matrices for many units at once: shape (d, d, n), one matrix a unit, the units last.

Every sum is written out in a fixed order and never runs over the units, so that the numbers of a unit are the same
bits alone and among thousands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_PIVOT = 1e-24  # of a variance; a pivot below is what rounding left of 0


def cholesky(matrix: Floats, columns: int | None = None) -> Floats:
    """Factor symmetric positive semidefinite matrices as L L'.

    Parameters
    ----------
    matrix : array, shape (d, d, n)
        Only the lower triangle is read.
    columns : int, optional
        Stop after so many columns of L; the others stay 0.

    Returns
    -------
    array, shape (d, d, n)
        Lower triangular. Where a pivot is not above 0, for a variance of 0 or by rounding, its column is 0.

    Source
    ------
    Golub and Van Loan 2013, Matrix Computations, section 4.2.5, by outer products.

    Examples
    --------
    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])[:, :, None])[:, :, 0].tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    d = len(matrix)
    factor, rest = np.zeros_like(matrix), matrix.copy()
    for j in range(d if columns is None else columns):
        pivot = rest[j, j]
        good = pivot > LEAST_PIVOT * matrix[j, j]
        root = np.where(good, np.sqrt(np.where(good, pivot, 1.0)), np.inf)
        column = rest[j:, j] / root
        factor[j:, j] = column
        factor[j, j] = np.where(good, root, 0.0)
        below = column[1:]
        rest[j + 1 :, j + 1 :] -= below[:, None] * below[None, :]
    return factor


def symmetrise(matrix: Floats) -> None:
    """Give the upper triangle the values of the lower one, in place."""
    for i in range(1, len(matrix)):
        matrix[:i, i] = matrix[i, :i]
