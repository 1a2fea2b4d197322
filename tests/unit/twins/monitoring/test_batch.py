"""Batch mode: unfolding, limits along the run, faults, missing tags, and the live path against the file path."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SettingsError
from tests.unit.twins.monitoring.made import TAGS, batches, fitted
from twins.monitoring import Golden, Options, Run, ScoredRun, fit_golden, score, score_golden, start
from twins.monitoring.alignment import elapsed_maturity, on_grid
from twins.monitoring.batch import BatchModel
from twins.monitoring.limits import jackson_mudholkar, t2_limit
from twins.monitoring.missing import Method
from twins.monitoring.pca import Floats
from twins.monitoring.so_far import take_all
from twins.monitoring.warping import open_ended


def model_of(golden: Golden) -> BatchModel:
    assert isinstance(golden.model, BatchModel)
    return golden.model


def t2_of(found: list[ScoredRun]) -> Floats:
    return np.array([np.nan if one.t2 is None else one.t2 for one in found])


def aligned(runs: list[Run], points: int) -> Floats:
    grid = np.linspace(0, 1, points)
    return np.stack([on_grid(elapsed_maturity(run, run.duration_hours), run.values, grid, 1.0) for run in runs])


def test_whole_runs_are_the_textbooks_unfolded_pca() -> None:
    runs = batches(1, 20, slowest=1.3)
    golden = fitted(runs, components=3)
    # independent: unfold, autoscale, eigenvectors of the small matrix, statistics written out
    x = aligned(runs, 50).reshape(20, -1)
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    eigenvalues, vectors = np.linalg.eigh(z @ z.T)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    scores = vectors[:, :3] * np.sqrt(eigenvalues[:3])
    loadings = z.T @ vectors[:, :3] / np.sqrt(eigenvalues[:3])
    found = score_golden(golden, runs)
    model = model_of(golden)
    np.testing.assert_allclose(model.r2[:3], eigenvalues[:3] / np.sum(z**2), rtol=1e-9)
    np.testing.assert_allclose(t2_of(found), np.sum(scores**2 / (eigenvalues[:3] / 19), axis=1), rtol=1e-8)
    np.testing.assert_allclose(
        np.array([one.spe or 0.0 for one in found]), np.sum((z - scores @ loadings.T) ** 2, axis=1), rtol=1e-8
    )
    assert model.run_t2_limit == pytest.approx(t2_limit(3, 20, 0.99))
    assert model.t2_limits[-1] == pytest.approx(t2_limit(3, 20, 0.99), rel=1e-9)
    assert model.run_spe_limit == pytest.approx(jackson_mudholkar(eigenvalues[3:19] / 19, 0.99), rel=1e-9)


@pytest.mark.parametrize("method", ["tsr", "pmp"])
def test_at_the_end_of_a_run_the_estimate_is_the_full_projection(method: Method) -> None:
    runs = batches(1, 20)
    golden = fitted(runs, missing=method)
    for run in score_golden(golden, batches(9, 5)):
        assert run.t2 == pytest.approx(run.scores.t2[-1], rel=1e-12)
    assert np.array_equal(model_of(golden).operators[-1], np.eye(2))


def test_before_the_end_pmp_is_the_least_squares_fit_and_tsr_is_nearer_to_the_final_scores_early() -> None:
    runs, new = batches(1, 40), batches(9, 40)
    error = {}
    for method in ("tsr", "pmp"):
        model = model_of(fitted(runs, missing=method, components=3))
        points = take_all(model.plane, aligned(new, 50))
        final = points[-1].scores
        error[method] = [float(np.mean((point.scores - final) ** 2)) for point in points]
        if method == "pmp":
            z = (aligned(new, 50)[:, :20] - model.mean[:20]) / model.sd[:20]
            expected = np.linalg.lstsq(model.loadings[:20].reshape(80, 3), z.reshape(40, 80).T, rcond=None)[0].T
            np.testing.assert_allclose(points[19].scores, expected, rtol=1e-8, atol=1e-10)
    assert error["tsr"][2] < error["pmp"][2]
    assert error["tsr"][-1] == pytest.approx(0.0, abs=1e-20)
    # what is seen later can only help
    assert error["tsr"][40] < error["tsr"][20] < error["tsr"][2]


def test_contributions_along_the_run_sum_to_their_statistics() -> None:
    found = score_golden(fitted(batches(1, 20)), batches(9, 3))
    for run in found:
        np.testing.assert_allclose(run.scores.t2_contributions.sum(axis=1), run.scores.t2, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(run.scores.spe_contributions.sum(axis=1), run.scores.spe, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("faulty", range(4))
def test_a_fault_that_begins_in_the_middle_is_found_there_and_named(faulty: int) -> None:
    golden = fitted(batches(1, 40), leave_one_out=True)
    run = batches(9, 1)[0]
    step = 6.0 * float(model_of(golden).sd[25:, faulty].max())
    half = run.hours >= 10.0
    run.values[half, faulty] += step
    found = score_golden(golden, [run])[0]
    assert found.maturity is not None
    before, after = found.maturity < 0.49, found.maturity > 0.52
    assert np.mean(found.scores.spe_beyond[before]) < 0.1
    assert np.mean(found.scores.spe_beyond[after]) > 0.9
    # later the estimate of the scores takes the fault for a trait of the run, and contributions smear
    named = np.argmax(found.scores.spe_contributions[after & (found.maturity < 0.7)], axis=1)
    assert np.mean(named == faulty) > 0.9


def test_limits_from_the_training_runs_are_too_narrow_and_leaving_one_out_holds() -> None:
    rates = {}
    for left_out in (False, True):
        beyond = []
        for seed in range(6):
            golden = fitted(batches(seed, 15), components=4, leave_one_out=left_out)
            beyond += [run.scores.spe_beyond.mean() for run in score_golden(golden, batches(500 + seed, 30))]
        rates[left_out] = float(np.mean(beyond))
    assert rates[False] > 0.04, rates  # four times the nominal 1 % at least
    assert rates[True] < 0.02, rates


def test_the_model_tells_how_often_a_left_out_run_stands_beyond() -> None:
    golden = fitted(batches(3, 15), components=4)
    told = model_of(golden).left_out_spe_beyond
    new = np.mean([run.scores.spe_beyond.mean() for run in score_golden(golden, batches(77, 60))])
    assert told > 0.02
    assert told == pytest.approx(new, abs=0.03)  # fifteen runs tell a rate to a few percent


def test_limits_change_along_the_run() -> None:
    model = model_of(fitted(batches(1, 30)))
    assert model.t2_limits[0] < model.t2_limits[-1]  # trimmed score regression begins at the mean
    assert model.spe_limits.max() > 4.0 * model.spe_limits.min() > 0.0  # growth makes runs differ most in the middle


def test_empirical_limits_can_come_from_other_runs() -> None:
    runs, other = batches(1, 20), batches(2, 50)
    golden = fit_golden(runs, TAGS, Options(components=2, grid=50, limits="empirical", window=0), other)
    model = model_of(golden)
    found = score_golden(golden, other)
    spe = np.stack([run.scores.spe for run in found])
    np.testing.assert_allclose(model.spe_limits, np.quantile(spe, 0.99, axis=0), rtol=1e-12)
    assert [one.name for one in golden.calibrated_on] == [run.name for run in other]


def check_live(golden: Golden, run: Run, maturity: Floats, whole: ScoredRun) -> None:
    """Feed a run row by row and hold each new point against the file's, bit for bit."""
    state = start(golden, 1)
    seen = {}
    for row in range(len(run.hours)):
        scores, state = score(golden, maturity[row : row + 1], run.values[row : row + 1], state)
        assert state is not None
        if not np.isnan(scores.t2[0]):
            seen[int(state.point[0])] = scores
    assert len(seen) > 0.5 * len(model_of(golden).grid)
    for point, scores in seen.items():
        for field in ("t2", "spe", "t2_limit", "spe_limit", "t2_contributions", "spe_contributions"):
            assert getattr(scores, field)[0].tobytes() == getattr(whole.scores, field)[point].tobytes(), field


def test_a_run_scored_live_row_by_row_is_the_run_scored_from_its_file_bit_for_bit() -> None:
    golden = fitted(batches(1, 20, slowest=1.3))
    for run in batches(9, 3, slowest=1.3):
        check_live(golden, run, elapsed_maturity(run, run.duration_hours), score_golden(golden, [run])[0])


def test_so_is_a_warped_run() -> None:
    golden = fitted(batches(1, 12, slowest=1.3), align="dtw")
    assert golden.alignment is not None
    assert golden.alignment.warp is not None
    for run in batches(9, 2, slowest=1.3):
        maturity = open_ended(golden.alignment.warp, [run])[0]
        check_live(golden, run, maturity, score_golden(golden, [run], unfinished=True)[0])


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_a_live_unit_is_the_same_alone_and_among_others_bit_for_bit(n: int, seed: int) -> None:
    golden = fitted(batches(1, 12), grid=20)
    rng = np.random.default_rng(seed)
    together, alone = start(golden, n), [start(golden, 1) for _ in range(n)]
    maturity = np.zeros(n)
    for _ in range(6):
        maturity = maturity + rng.random(n) * 0.2  # some pass several points at once, some none
        values = rng.normal(size=(n, 4)) * 3 + 20
        values[rng.random((n, 4)) < 0.2] = np.nan
        scores, together = score(golden, maturity, values, together)
        for unit in range(n):
            one = slice(unit, unit + 1)
            single, alone[unit] = score(golden, maturity[one], values[one], alone[unit])
            for field in ("t2", "spe", "t2_limit", "spe_limit", "t2_contributions", "spe_contributions"):
                assert getattr(single, field)[0].tobytes() == getattr(scores, field)[unit].tobytes(), field


def test_the_state_given_is_left_as_it_was_and_its_size_is_as_said() -> None:
    golden = fitted(batches(1, 12), grid=20)
    state = start(golden, 3)
    assert state is not None
    before = state.trimmed.copy()
    _, after = score(golden, np.full(3, 0.5), np.full((3, 4), 20.0), state)
    assert np.array_equal(state.trimmed, before)
    assert after is not None
    assert after.bytes_per_unit == 8 * (4 * 2 + 2 * 4 + 2)


def test_a_missing_tag_costs_less_than_the_mean_in_its_place() -> None:
    golden = fitted(batches(1, 40), components=2)
    truth = batches(9, 30)
    model = model_of(golden)
    plain = take_all(model.plane, aligned(truth, 50))
    holed, meant = aligned(truth, 50), aligned(truth, 50)
    holed[:, 10:40, 1] = np.nan
    meant[:, 10:40, 1] = model.mean[10:40, 1]
    error = [float(np.mean((take_all(model.plane, one)[-1].scores - plain[-1].scores) ** 2)) for one in (holed, meant)]
    assert error[0] < 0.2 * error[1]
    assert np.all(take_all(model.plane, holed)[20].spe_parts[:, 1] == 0.0)


def test_training_runs_may_lack_values() -> None:
    runs = batches(1, 30)
    whole = score_golden(fitted(runs), batches(9, 20))
    rng = np.random.default_rng(4)
    for run in runs:
        begin = rng.integers(0, len(run.hours) - 30)
        run.values[begin : begin + 30, rng.integers(0, 4)] = np.nan  # a third of a tag: wider than what is bridged
    holed = score_golden(fitted(runs), batches(9, 20))
    assert np.corrcoef(t2_of(whole), t2_of(holed))[0, 1] > 0.97


def test_columns_that_never_vary_carry_no_weight_and_make_no_number_that_is_none() -> None:
    runs = batches(1, 20)
    for run in runs:
        run.values[:20, 2] = 37.0
    golden = fitted(runs)
    model = model_of(golden)
    assert np.all(model.sd[:10, 2] == 0.0)
    other = batches(9, 1)
    other[0].values[:20, 2] = 45.0
    found = score_golden(golden, other)[0]
    assert np.all(np.isfinite(found.scores.t2))
    assert np.all(found.scores.spe_contributions[:10, 2] == 0.0)


def test_an_unfinished_run_is_scored_as_far_as_it_went_as_it_will_be_when_whole() -> None:
    golden = fitted(batches(1, 20))  # all last 20 h
    run = batches(9, 1)[0]
    part = Run(run.name, run.hours[:41], run.values[:41])
    whole, half = score_golden(golden, [run])[0], score_golden(golden, [part], unfinished=True)[0]
    assert half.t2 is None
    assert half.spe is None
    assert len(half.scores.t2) == 25  # 10 h of 20 h: points 0 to 24 of 49
    assert np.array_equal(half.scores.t2, whole.scores.t2[:25])
    assert np.array_equal(half.scores.spe, whole.scores.spe[:25])


def test_aligned_by_a_maturity_tag_runs_need_no_common_clock() -> None:
    # total feed rises with the true place, whatever the clock says
    share = np.linspace(0, 1, 101)
    runs = []
    for run, stretch in zip(batches(1, 24), np.random.default_rng(2).uniform(0.7, 1.4, 24), strict=True):
        course = run.values[np.minimum(np.arange(101), len(run.hours) - 1)]
        course = np.stack(
            [np.interp(share, np.linspace(0, 1, len(run.hours)), run.values[:, tag]) for tag in range(4)], axis=1
        )
        hours = 20.0 * share ** (1.0 / stretch)
        runs.append(Run(run.name, hours, course, 5.0 - 10.0 * share))
    golden = fitted(runs, align="maturity", maturity_tag="substrate")
    assert golden.alignment is not None
    assert golden.alignment.sign == -1
    same = [Run(run.name, np.linspace(0, 20, 101), run.values, run.progress) for run in runs]
    for one, other in zip(score_golden(golden, runs), score_golden(golden, same), strict=True):
        np.testing.assert_allclose(one.scores.t2, other.scores.t2, rtol=1e-9)
        assert one.maturity is not None
        assert (one.maturity[0], one.maturity[-1]) == (5.0, -5.0)
    assert runs[0].progress is not None
    check_live(golden, runs[0], runs[0].progress, score_golden(golden, runs[:1])[0])


def test_warped_runs_fit_and_score() -> None:
    runs = batches(1, 16, slowest=1.4)
    golden = fitted(runs, align="dtw", leave_one_out=True)
    found = score_golden(golden, [*runs[:2], *batches(9, 2, slowest=1.4)])
    assert all(run.t2 is not None for run in found)
    assert np.mean([run.scores.spe_beyond.mean() for run in found]) < 0.1
    broken = batches(9, 1)[0]
    broken.values[:, 2] += 3.0  # degrees
    scores = score_golden(golden, [broken])[0].scores
    assert scores.spe_beyond.mean() > 0.9
    assert np.argmax(scores.spe_contributions.mean(axis=0)) == 2


def test_too_few_runs_idle_tags_and_too_many_components_are_refused_with_advice() -> None:
    with pytest.raises(SettingsError, match="expected 5 training runs or more, received 4"):
        fitted(batches(1, 4))
    with pytest.raises(SettingsError, match="expected 1 to 2 components"):
        fitted(batches(1, 6), components=3)
    runs = batches(1, 12)
    for run in runs:
        run.values[:, 3] = 7.0
    with pytest.raises(SettingsError, match="received ph, constant or unknown at every point"):
        fitted(runs)
    with pytest.raises(SettingsError, match="maturity tag feed in every run"):
        fitted(batches(1, 12), align="maturity", maturity_tag="feed")


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)), st.floats(-100, 100), st.integers(-3, 3))
def test_order_offset_and_scale_of_tags_change_nothing(order: list[int], offset: float, power: int) -> None:
    def moved(runs: list[Run]) -> list[Run]:
        return [Run(run.name, run.hours, (run.values * 10.0**power + offset)[:, order]) for run in runs]

    plain = score_golden(fitted(batches(1, 12)), batches(9, 2))
    other = score_golden(fitted(moved(batches(1, 12))), moved(batches(9, 2)))
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(two.scores.t2, one.scores.t2, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(
            two.scores.spe_contributions, one.scores.spe_contributions[:, order], rtol=1e-3, atol=1e-6
        )
