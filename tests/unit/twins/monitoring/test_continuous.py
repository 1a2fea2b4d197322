"""Continuous mode: the textbook's numbers, the nominal rate of false alarms, faults found, nothing leaked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from schemas.errors import SettingsError, ShapeError
from tests.unit.twins.monitoring.made import names, rows
from twins.monitoring.continuous import fit_continuous, score_rows
from twins.monitoring.pca import Floats


def test_t2_and_spe_are_the_textbooks() -> None:
    values, new = rows(1, 80, 6), rows(2, 30, 6)
    model = fit_continuous(values, names(6), components=2)
    # independent: eigenvectors of the correlation matrix, statistics written out
    z = (new - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    eigenvalues, vectors = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    plane, variances = vectors[:, ::-1][:, :2], eigenvalues[::-1]
    scores = z @ plane
    found = score_rows(model, new)
    np.testing.assert_allclose(found.t2, np.sum(scores**2 / variances[:2], axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.spe, np.sum((z - scores @ plane.T) ** 2, axis=1), rtol=1e-9)
    assert model.t2_limit == pytest.approx(2 * (80**2 - 1) / (80 * 78) * stats.f.ppf(0.99, 2, 78))
    np.testing.assert_allclose(found.t2_contributions.sum(axis=1), found.t2, rtol=1e-9)
    np.testing.assert_allclose(found.spe_contributions.sum(axis=1), found.spe, rtol=1e-9)
    np.testing.assert_allclose(model.r2, variances / 6, rtol=1e-9)


def test_training_t2_sums_to_what_its_variances_say() -> None:
    values = rows(1, 80, 6)
    model = fit_continuous(values, names(6), components=2)
    assert score_rows(model, values).t2.sum() == pytest.approx(79 * 2)
    assert score_rows(model, values).spe.sum() == pytest.approx(79 * model.variances[2:].sum())


@pytest.mark.parametrize(("n", "p", "a"), [(200, 10, 3), (500, 10, 3), (2000, 6, 2)])
def test_false_alarms_on_independent_normal_rows_are_nominal(n: int, p: int, a: int) -> None:
    rates = []
    for seed in range(20):
        model = fit_continuous(rows(seed, n, p), names(p), components=a)
        found = score_rows(model, rows(1000 + seed, 4001, p))
        rates.append((found.t2_beyond.mean(), found.spe_beyond.mean()))
    t2, spe = np.mean(rates, axis=0)
    # standard error of the mean over models about .0005; directions estimated from the same rows make T2 a little
    # too safe and SPE a little too strict, most for small n
    assert 0.006 < t2 < 0.013, (t2, spe)
    assert 0.006 < spe < 0.017, (t2, spe)


def test_empirical_limits_are_the_quantiles_of_the_rows_they_are_taken_from() -> None:
    values, other = rows(1, 300, 5), rows(2, 1000, 5)
    own = fit_continuous(values, names(5), components=2, limits="empirical", significance=0.95)
    assert np.mean(score_rows(own, values).t2_beyond) == pytest.approx(0.05, abs=1 / 300)
    calibrated = fit_continuous(values, names(5), components=2, limits="empirical", significance=0.95, calibrate=other)
    assert calibrated.t2_limit == pytest.approx(np.quantile(score_rows(own, other).t2, 0.95))
    assert calibrated.spe_limit == pytest.approx(np.quantile(score_rows(own, other).spe, 0.95))
    assert calibrated.t2_limit_theoretical == own.t2_limit_theoretical


@pytest.mark.parametrize("faulty", range(8))
def test_a_fault_of_one_tag_is_found_and_named_by_its_contribution(faulty: int) -> None:
    values = rows(1, 500, 8)
    model = fit_continuous(values, names(8), components=3)
    broken = values[:50].copy()
    broken[:, faulty] += 15.0 * model.sd[faulty]
    found = score_rows(model, broken)
    assert np.all(found.spe_beyond)
    assert np.all(np.argmax(found.spe_contributions, axis=1) == faulty)
    beyond = found.t2_beyond
    assert np.all(np.argmax(found.t2_contributions[beyond], axis=1) == faulty)


@given(st.permutations(range(5)), st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=5), st.integers(-6, 6))
def test_order_offset_and_scale_of_tags_change_nothing(order: list[int], offset: list[float], power: int) -> None:
    values, new = rows(1, 60, 5), rows(2, 10, 5)
    plain = score_rows(fit_continuous(values, names(5), components=2), new)
    scale = 10.0 ** (power * np.arange(5) / 4)

    def other(x: Floats) -> Floats:
        return np.asarray((x * scale + np.array(offset))[:, order])

    moved = score_rows(fit_continuous(other(values), names(5), components=2), other(new))
    # an offset of 1e3 beside a spread of 1e-6 costs nine digits
    np.testing.assert_allclose(moved.t2, plain.t2, rtol=1e-4)
    np.testing.assert_allclose(moved.spe, plain.spe, rtol=1e-4)
    np.testing.assert_allclose(moved.spe_contributions, plain.spe_contributions[:, order], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(moved.t2_contributions, plain.t2_contributions[:, order], rtol=1e-3, atol=1e-4)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_row_is_the_same_alone_and_among_others_bit_for_bit(n: int, seed: int) -> None:
    model = fit_continuous(rows(1, 60, 5), names(5), components=2)
    rng = np.random.default_rng(seed)
    new = rng.normal(size=(n, 5)) * 5 + 10
    new[rng.random((n, 5)) < 0.2] = np.nan
    together = score_rows(model, new)
    for row in range(n):
        alone = score_rows(model, new[row : row + 1])
        for field in ("t2", "spe", "t2_contributions", "spe_contributions"):
            assert getattr(alone, field)[0].tobytes() == getattr(together, field)[row].tobytes()


def test_a_missing_value_raises_no_alarm_and_a_row_of_none_is_not_scored() -> None:
    model = fit_continuous(rows(1, 200, 6), names(6), components=2)
    new = rows(2, 3, 6)
    new[0, 4] = new[1, 4] = np.nan
    new[2] = np.nan
    found = score_rows(model, new)
    assert found.spe_contributions[0, 4] == found.t2_contributions[0, 4] == 0.0
    np.testing.assert_allclose(found.t2_contributions.sum(axis=1)[:2], found.t2[:2], rtol=1e-9)
    assert np.isnan(found.t2[2])
    assert np.isnan(found.spe[2])
    assert not found.t2_beyond[2]
    assert not found.spe_beyond[2]


def test_training_with_holes_scores_much_like_training_without() -> None:
    values = rows(1, 400, 6)
    holed = values.copy()
    holed[np.random.default_rng(1).random(values.shape) < 0.03] = np.nan
    whole, filled = (
        score_rows(fit_continuous(one, names(6), components=3), rows(2, 200, 6)) for one in (values, holed)
    )
    assert np.corrcoef(whole.t2, filled.t2)[0, 1] > 0.98
    assert np.corrcoef(whole.spe, filled.spe)[0, 1] > 0.98


def test_what_cannot_make_a_model_is_refused_with_advice() -> None:
    values = rows(1, 50, 4)
    constant = values.copy()
    constant[:, 2] = 37.0
    with pytest.raises(SettingsError, match=r"constant tag2; leave them out with --tags"):
        fit_continuous(constant, names(4), components=2)
    with pytest.raises(SettingsError, match="4 rows"):
        fit_continuous(values[:3], names(4), components=1)
    with pytest.raises(SettingsError, match="expected 1 to 3 components"):
        fit_continuous(values, names(4), components=4)
    with pytest.raises(ShapeError):
        score_rows(fit_continuous(values, names(4), components=2), values[:, :3])


def test_values_without_bounds_give_finite_scores() -> None:
    model = fit_continuous(rows(1, 50, 4), names(4), components=2)
    found = score_rows(model, np.array([[1e308, -1e308, 1e200, 0.0]]))
    assert np.all(np.isfinite(found.t2))
    assert np.all(np.isfinite(found.spe))
    assert found.spe_beyond[0]
