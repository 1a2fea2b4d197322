"""Factoring many small matrices at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from twins.bioreactor.estimation.batched import cholesky, symmetrise

Floats = NDArray[np.float64]


def covariances(seed: int, d: int, n: int, rank: int | None = None) -> Floats:
    """Draw covariances of shape (d, d, n), with variances from 1e-6 to 1e6."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n, d, rank or d)) * 10.0 ** rng.uniform(-3, 3, (n, d, 1))
    return np.ascontiguousarray(np.moveaxis(root @ np.swapaxes(root, 1, 2), 0, -1))


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 14), n=st.integers(1, 5))
def test_the_factor_gives_the_matrix_back(seed: int, d: int, n: int) -> None:
    """To some dozen roundings of the variances."""
    matrix = covariances(seed, d, n)
    factor = cholesky(matrix)
    scale = np.sqrt(np.einsum("iin,jjn->ijn", matrix, matrix))
    assert (np.abs(np.einsum("ikn,jkn->ijn", factor, factor) - matrix) <= 1e-13 * scale).all()
    assert (factor[np.triu_indices(d, 1)] == 0.0).all()


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(2, 14), rank=st.integers(1, 13))
def test_a_matrix_without_full_rank_is_factored_all_the_same(seed: int, d: int, rank: int) -> None:
    """The square root of rounding is 1e-8 of the variances: what a vanishing pivot may leave."""
    matrix = covariances(seed, d, 3, min(rank, d - 1))
    factor = cholesky(matrix)
    scale = np.sqrt(np.einsum("iin,jjn->ijn", matrix, matrix))
    assert np.isfinite(factor).all()
    assert (np.abs(np.einsum("ikn,jkn->ijn", factor, factor) - matrix) <= 1e-7 * scale).all()


def test_a_variance_of_nothing_leaves_its_column_empty() -> None:
    matrix = np.zeros((3, 3, 2))
    matrix[0, 0], matrix[2, 2] = 4.0, 9.0
    assert cholesky(matrix)[:, :, 1].tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 3]]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 70))
def test_a_units_factor_does_not_depend_on_its_neighbours(seed: int, n: int) -> None:
    matrix = covariances(seed, 12, n)
    together = cholesky(matrix)
    for unit in {0, n // 2, n - 1}:
        alone = cholesky(np.ascontiguousarray(matrix[:, :, unit : unit + 1]))
        assert alone[:, :, 0].tobytes() == np.ascontiguousarray(together[:, :, unit]).tobytes()


def test_symmetrise_takes_the_lower_triangle() -> None:
    matrix = np.arange(9.0).reshape(3, 3, 1)
    symmetrise(matrix)
    assert matrix[:, :, 0].tolist() == [[0, 3, 6], [3, 4, 7], [6, 7, 8]]
