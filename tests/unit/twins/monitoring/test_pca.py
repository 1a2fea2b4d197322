"""Components against numbers worked by hand and against the eigenvectors of the covariance."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import SettingsError
from tests.unit.twins.monitoring.made import rows
from twins.monitoring.pca import Scaling, autoscale, choose_components, principal_components, scaling_of


def test_two_tags_worked_by_hand() -> None:
    # correlation of (1, 2, 3) and (1, 3, 2) is 1/2: variances 1.5 and 0.5 along (1, 1) and (1, -1)
    z = autoscale(
        np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]]), scaling_of(np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]]))
    )
    pca = principal_components(z)
    np.testing.assert_allclose(pca.variances, [1.5, 0.5], rtol=1e-14)
    np.testing.assert_allclose(np.abs(pca.loadings), np.full((2, 2), np.sqrt(0.5)), rtol=1e-14)
    np.testing.assert_allclose(pca.r2, [0.75, 0.25], rtol=1e-14)


@pytest.mark.parametrize(("n", "p"), [(40, 6), (12, 30)])
def test_variances_and_directions_are_those_of_the_correlation_matrix(n: int, p: int) -> None:
    values = rows(3, n, p)
    pca = principal_components(autoscale(values, scaling_of(values)))
    correlation = np.corrcoef(values, rowvar=False)
    eigenvalues = np.sort(np.linalg.eigvalsh(correlation))[::-1][: min(n - 1, p)]
    assert len(pca.variances) == min(n - 1, p)
    np.testing.assert_allclose(pca.variances, eigenvalues, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(correlation @ pca.loadings, pca.loadings * pca.variances, atol=1e-10)
    np.testing.assert_allclose(pca.loadings.T @ pca.loadings, np.eye(len(pca.variances)), atol=1e-12)


def test_largest_loading_of_each_component_is_positive() -> None:
    values = rows(4, 50, 7)
    loadings = principal_components(autoscale(-values, scaling_of(-values))).loadings
    assert np.all(loadings[np.argmax(np.abs(loadings), axis=0), np.arange(7)] > 0)


def test_scaling_has_divisor_n_less_one_and_passes_over_what_is_missing() -> None:
    values = np.array([[1.0, 2.0], [3.0, np.nan], [8.0, 5.0]])
    found = scaling_of(values)
    np.testing.assert_allclose(found.mean, [4.0, 3.5])
    np.testing.assert_allclose(found.sd, [np.sqrt(13.0), np.sqrt(4.5)])


def test_a_constant_is_told_from_a_small_spread() -> None:
    # 0.1 + 0.2 differs from 0.3 by an ulp; a pressure of 1e5 Pa that moves by 1e-3 is a measurement
    values = np.array([[0.3, 1e5], [0.1 + 0.2, 1e5 + 1e-3], [0.3, 1e5]])
    assert scaling_of(values).sd[0] == 0.0
    assert scaling_of(values).sd[1] > 0.0


def test_a_constant_carries_no_weight_and_a_huge_value_stays_finite() -> None:
    z = autoscale(np.array([[7.0, 1e300]]), Scaling(np.zeros(2), np.array([0.0, 1e-300])))
    assert z[0, 0] == 0.0
    assert np.isfinite(z[0, 1] ** 2)


def test_components_by_number_or_by_share() -> None:
    pca = principal_components(np.diag([3.0, 2.0, 1.0, 0.5]))  # sums of squares 9, 4, 1, 0.25
    assert choose_components(pca, 100, 2, None) == 2
    assert choose_components(pca, 100, None, 9 / 14.25 - 1e-9) == 1
    assert choose_components(pca, 100, None, 9 / 14.25 + 1e-9) == 2
    assert choose_components(pca, 100, None, None) == 2  # 13 / 14.25 = 0.912 is over 0.9


@pytest.mark.parametrize(("n", "components"), [(100, 4), (5, 3), (100, 0)])
def test_components_that_leave_no_residual_or_too_few_observations_are_refused(n: int, components: int) -> None:
    with pytest.raises(SettingsError, match=r"expected 1 to \d components"):
        choose_components(principal_components(np.diag([3.0, 2.0, 1.0, 0.5])), n, components, None)


def test_data_without_any_spread_are_refused() -> None:
    with pytest.raises(SettingsError, match="constants only"):
        principal_components(np.zeros((5, 3)))
