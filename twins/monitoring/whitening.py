"""Whitened innovations: what a filter did not expect, in standard deviations, free of what it did expect.

T2 and SPE of them do not suffer from autocorrelation, because the filter has taken it out: fit and score them in
continuous mode (or batch mode) as if they were tags.

Source
------
Anderson and Moore 1979, Optimal Filtering, section 5.3 (innovations are white); Negiz and Cinar 1997, AIChE J. 43:2002
(monitoring the innovations of a state space model).
"""

from __future__ import annotations

import numpy as np

from schemas.errors import ShapeError
from twins.monitoring.pca import Floats


def whiten(innovations: Floats, covariances: Floats) -> Floats:
    """Divide innovations by the Cholesky factor of their predicted covariance.

    Parameters
    ----------
    innovations : array, shape (n, m)
    covariances : array, shape (n, m, m)
        Predicted covariance of each, S = H P H' + R; symmetric, positive definite.

    Returns
    -------
    array, shape (n, m)
        L^-1 v with L L' = S: independent with variance 1 where the filter is right. Row by row, bit for bit.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or a covariance is not positive definite.

    Examples
    --------
    >>> whiten(np.array([[2.0, 3.0]]), np.array([[[4.0, 2.0], [2.0, 5.0]]]))
    array([[1., 1.]])
    """
    n, m = innovations.shape
    if covariances.shape != (n, m, m):
        raise ShapeError(f"expected covariances of shape {(n, m, m)}, received {covariances.shape}")
    factor = np.zeros_like(covariances)
    out = np.zeros_like(innovations)
    for row in range(m):
        for column in range(row + 1):
            rest = covariances[:, row, column].copy()
            for before in range(column):
                rest -= factor[:, row, before] * factor[:, column, before]
            if column < row:
                factor[:, row, column] = rest / factor[:, column, column]
            elif np.all(rest > 0):
                factor[:, row, row] = np.sqrt(rest)
            else:
                raise ShapeError(f"expected positive definite covariances, received one that is not, at row {row + 1}")
        left = innovations[:, row].copy()
        for before in range(row):
            left -= factor[:, row, before] * out[:, before]
        out[:, row] = left / factor[:, row, row]
    return out
