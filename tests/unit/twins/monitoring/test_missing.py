"""Scores from what is known, and training data made whole."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import SettingsError
from tests.unit.twins.monitoring.made import rows
from twins.monitoring.missing import Method, check_known, prepare, score_operator
from twins.monitoring.pca import Floats, Pca, autoscale, principal_components, scaling_of


def model(p: int = 8) -> tuple[Pca, Floats]:
    values = rows(1, 200, p)
    z = autoscale(values, scaling_of(values))
    return principal_components(z), z


@pytest.mark.parametrize("method", ["tsr", "pmp"])
def test_with_nothing_missing_the_operator_is_the_plain_projection(method: Method) -> None:
    pca, _ = model()
    found = score_operator(pca, 3, np.ones(8, bool), method)
    assert np.array_equal(found, pca.loadings[:, :3].T)


@pytest.mark.parametrize("method", ["tsr", "pmp"])
def test_missing_columns_have_no_say(method: Method) -> None:
    pca, _ = model()
    known = np.array([True, True, False, True, True, False, True, True])
    assert np.all(score_operator(pca, 3, known, method)[:, ~known] == 0.0)


def test_pmp_is_the_least_squares_fit_of_the_known_part() -> None:
    pca, z = model()
    known = np.array([True, False, True, True, True, False, True, True])
    expected = np.linalg.lstsq(pca.loadings[known, :3], z[0, known], rcond=None)[0]
    np.testing.assert_allclose(score_operator(pca, 3, known, "pmp") @ np.where(known, z[0], 0.0), expected, rtol=1e-10)


def test_tsr_is_the_regression_of_scores_on_trimmed_scores() -> None:
    # an independent route: ordinary least squares over the training rows themselves
    pca, z = model()
    known = np.array([True, False, True, True, False, False, True, True])
    scores = z @ pca.loadings[:, :3]
    trimmed = z[:, known] @ pca.loadings[known, :3]
    slopes = np.linalg.lstsq(trimmed, scores, rcond=None)[0]
    found = np.where(known, z, 0.0) @ score_operator(pca, 3, known, "tsr").T
    np.testing.assert_allclose(found, trimmed @ slopes, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_tsr_errs_less_than_the_mean_in_place_of_what_is_missing(seed: int) -> None:
    pca, _ = model()
    rng = np.random.default_rng(seed)
    values = rows(100 + seed, 500, 8)
    z = autoscale(values, scaling_of(rows(1, 200, 8)))
    known = rng.permutation(8) >= 3
    truth = z @ pca.loadings[:, :3]
    error = {}
    for name, operator in (
        ("tsr", score_operator(pca, 3, known, "tsr")),
        ("mean", np.where(known, pca.loadings[:, :3].T, 0.0)),
    ):
        error[name] = float(np.mean((np.where(known, z, 0.0) @ operator.T - truth) ** 2))
    assert error["tsr"] < 0.9 * error["mean"], (seed, error)


def test_filled_training_data_lie_nearer_to_the_truth_than_the_mean_does() -> None:
    truth = rows(5, 120, 6)
    holed = truth.copy()
    gone = np.random.default_rng(6).random(truth.shape) < 0.1
    holed[gone] = np.nan
    training = prepare(holed, 3, None)
    scaled = autoscale(truth, training.scaling)
    assert np.array_equal(training.z[~gone], scaled[~gone])
    assert np.mean((training.z - scaled)[gone] ** 2) < 0.8 * np.mean(scaled[gone] ** 2)


def test_filling_settles_where_the_filled_value_is_what_regression_on_trimmed_scores_says() -> None:
    holed = rows(5, 60, 5)
    holed[3, 2] = np.nan
    z = prepare(holed, 2, None).z
    plane = np.linalg.svd(z, full_matrices=False)[2][:2].T
    known = np.arange(5) != 2
    trimmed = z[:, known] @ plane[known]
    slopes = np.linalg.lstsq(trimmed, z[:, 2], rcond=None)[0]
    assert z[3, 2] == pytest.approx(trimmed[3] @ slopes, abs=1e-6)


def test_a_tag_that_is_mostly_missing_is_refused_by_name() -> None:
    values = rows(5, 10, 3)
    values[:6, 1] = np.nan
    with pytest.raises(SettingsError, match="ph"):
        check_known(values, ["temperature", "ph", "airflow"])
