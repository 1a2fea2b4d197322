"""Whitened innovations, and why: what autocorrelation does to the limits of rows, and what does not suffer from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from schemas.errors import ShapeError
from tests.unit.twins.monitoring.made import names
from twins.monitoring.continuous import ContinuousModel, fit_continuous, score_rows
from twins.monitoring.pca import Floats
from twins.monitoring.whitening import whiten

P, PHI = 12, 0.95
ROWS = 500  # of training: as many as the Tennessee Eastman process has
DRIVE = np.diag(np.linspace(2.0, 0.5, P)) @ np.linalg.qr(np.random.default_rng(0).normal(size=(P, P)))[0]


def process(seed: int, n: int, fault: int | None = None) -> Floats:
    """A plant whose every cause remembers 95 % of itself per sample; a fault adds 6 sd of a tag from the middle on."""
    rng = np.random.default_rng([seed, n])
    shocks = rng.normal(size=(n + 200, P)) * np.sqrt(1 - PHI**2)
    values = lfilter([1.0], [1.0, -PHI], shocks, axis=0)[200:] @ DRIVE
    if fault is not None:
        values[n // 2 :, fault] += 6.0 * float(np.sqrt(np.sum(DRIVE[:, fault] ** 2)))
    return np.asarray(values)


def filtered(values: Floats) -> Floats:
    """Innovations of the filter that knows the plant (state measured exactly), whitened by their covariance."""
    innovations = values[1:] - PHI * values[:-1]
    covariance = DRIVE.T @ DRIVE * (1 - PHI**2)
    return whiten(innovations, np.broadcast_to(covariance, (len(innovations), P, P)))


def rates(model: ContinuousModel, values: Floats) -> Floats:
    found = score_rows(model, values)
    return np.array([found.t2_beyond.mean(), found.spe_beyond.mean()])


def test_whitened_innovations_are_independent_with_variance_one() -> None:
    found = filtered(process(1, 20_000))
    # standard error of a covariance of 20,000 is .007; six of them
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.eye(P), atol=0.045)
    np.testing.assert_allclose(np.mean(found[1:] * found[:-1], axis=0), 0.0, atol=0.045)


def test_whitening_is_the_cholesky_solve_row_by_row() -> None:
    rng = np.random.default_rng(3)
    roots = rng.normal(size=(6, 4, 4))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(4)
    innovations = rng.normal(size=(6, 4))
    found = whiten(innovations, covariances)
    for row in range(6):
        np.testing.assert_allclose(found[row], np.linalg.solve(np.linalg.cholesky(covariances[row]), innovations[row]))
        assert whiten(innovations[row : row + 1], covariances[row : row + 1])[0].tobytes() == found[row].tobytes()
    # the sum of squares is the normalised innovation squared of the filter
    nis = np.einsum("ni,ni->n", innovations, np.linalg.solve(covariances, innovations[..., None])[..., 0])
    np.testing.assert_allclose(np.sum(found**2, axis=1), nis)


def test_what_is_no_covariance_is_refused() -> None:
    with pytest.raises(ShapeError, match="positive definite"):
        whiten(np.ones((1, 2)), np.array([[[1.0, 2.0], [2.0, 1.0]]]))
    with pytest.raises(ShapeError, match="shape"):
        whiten(np.ones((1, 2)), np.ones((1, 3, 3)))


def test_autocorrelation_raises_false_alarms_limits_from_other_normal_rows_hold_and_innovations_do_not_suffer() -> None:
    theory, empirical, white = [], [], []
    for seed in range(5):
        training, test = process(seed, ROWS), process(100 + seed, 20_000)
        theory.append(rates(fit_continuous(training, names(P), components=5), test))
        model = fit_continuous(
            training, names(P), components=5, limits="empirical", calibrate=process(200 + seed, 20_001)
        )
        empirical.append(rates(model, test))
        model = fit_continuous(filtered(process(seed, 8 * ROWS)), names(P), components=5)
        white.append(rates(model, filtered(test)))
        # as few rows as the others: equal variances make chance directions, so that SPE is a little too strict
        assert rates(fit_continuous(filtered(training), names(P), components=5), filtered(test)).max() < 0.03
    assert np.mean(theory, axis=0)[1] > 0.1, theory  # SPE: ten times the nominal 1 %
    assert np.mean(theory, axis=0)[0] > 0.014, theory
    # calibrated and tested on 20,000 rows worth some 500 independent ones each
    np.testing.assert_allclose(np.mean(empirical, axis=0), 0.01, atol=0.005)
    np.testing.assert_allclose(np.mean(white, axis=0), 0.01, atol=0.004)


@pytest.mark.parametrize("fault", [0, 5, 11])
def test_a_planted_fault_is_found_by_its_tag_in_spite_of_it(fault: int) -> None:
    model = fit_continuous(process(1, 4000), names(P), components=5, limits="empirical", calibrate=process(2, 4001))
    faulty = process(3, 1000, fault)
    found = score_rows(model, faulty)
    beyond = found.t2_beyond | found.spe_beyond
    assert beyond[500:].mean() > 10 * max(beyond[:500].mean(), 0.01)
    named = np.argmax(found.spe_contributions[500:].mean(axis=0))
    assert named == fault
