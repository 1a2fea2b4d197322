"""Draws and weights, where the answer is known in closed form; and that a draw is its key's, whoever else is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from twins.bioreactor.reestimation.population import Proposal, Target, draw, effective, learn, ln_weights, normalised
from twins.bioreactor.reestimation.posterior import resample, weighted_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

H = np.array([[1.0, 0.5], [-0.3, 1.0], [0.7, 0.7]])  # three measurements of two unknowns
Y = np.array([0.9, 0.4, 0.6])
NOISE = 0.1
SDS = np.array([0.5, 0.8, 1.0])  # the last is the factor's, which a cell without a change has not
OPEN = np.full(3, np.inf)
TARGET = Target(np.ones(1), SDS, -OPEN, OPEN)


def ln_likelihood(x: Floats) -> Floats:
    left = Y[:, None] - H @ x[:2]
    found: Floats = -0.5 * np.square(left / NOISE).sum(axis=0)
    return found


def adapt(
    target: Target, proposal: Proposal, likelihood: Callable[[Ints, Floats], Floats], turns: int, n: int
) -> tuple[Ints, Floats, Floats, list[float]]:
    """Draw and learn for some turns; give cells, vectors, weights, and how many draws counted after each turn."""
    proposals = [proposal]
    cell, x = np.zeros(0, dtype=np.int64), np.zeros((len(target.sds), 0))
    counting = []
    for turn in range(turns):
        more, _, drawn = draw(target, proposals[-1], 3, turn, n)
        cell, x = np.concatenate([cell, more]), np.concatenate([x, drawn], axis=1)
        ln = ln_weights(target, proposals, cell, x, likelihood(cell, x))
        counting.append(effective(normalised(ln)))
        if turn < turns - 1:
            proposals.append(learn(target, proposals[-1], cell, x, ln))
    return cell, x, normalised(ln), counting


def test_a_linear_gaussian_posterior_comes_out_as_in_closed_form() -> None:
    first = Proposal(np.ones(1), np.zeros((1, 3)), np.diag(np.square(SDS))[None])
    _, x, w, counting = adapt(TARGET, first, lambda _, x: ln_likelihood(x), 4, 1000)
    precision = np.diag(1.0 / np.square(SDS[:2])) + H.T @ H / NOISE**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (H.T @ Y) / NOISE**2
    found = (x[:2] * w).sum(axis=1)
    away = x[:2] - found[:, None]
    sds = np.sqrt(np.diag(covariance))
    # Monte Carlo: an error of sd / sqrt(effective draws) each, and of sqrt(2 / effective draws) of a variance
    assert counting[0] < 200 < counting[-1]
    assert np.abs((found - mean) / sds).max() < 4.0 / math.sqrt(counting[-1])
    got = (away[:, None] * away[None] * w).sum(axis=2)
    assert np.abs((got - covariance) / np.outer(sds, sds)).max() < 4.0 * math.sqrt(2.0 / counting[-1])


def test_the_probability_of_a_change_comes_out_as_in_closed_form() -> None:
    target = Target(np.array([0.75, 0.25]), np.array([0.3, 0.5]), -OPEN[:2], OPEN[:2])
    sd, y = 0.1, 0.9  # one measurement of the sum

    def likelihood(cell: Ints, x: Floats) -> Floats:
        found: Floats = -0.5 * np.square((y - x.sum(axis=0)) / sd)
        return found

    first = Proposal(np.array([0.5, 0.5]), np.zeros((2, 2)), np.repeat(np.diag([0.09, 0.25])[None], 2, axis=0))
    cell, _, w, counting = adapt(target, first, likelihood, 4, 1000)
    without, with_ = (math.exp(-0.5 * y * y / v) / math.sqrt(v) for v in (0.09 + sd**2, 0.09 + 0.25 + sd**2))
    wanted = 0.25 * with_ / (0.25 * with_ + 0.75 * without)
    assert float(w[cell == 1].sum()) == pytest.approx(wanted, abs=4.0 * math.sqrt(wanted * (1 - wanted) / counting[-1]))


def test_a_draw_is_its_keys_and_not_its_neighbours() -> None:
    proposal = Proposal(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    few, many = draw(TARGET, proposal, 5, 1, 10), draw(TARGET, proposal, 5, 1, 40)
    for one, other in zip(few, many, strict=True):
        assert (one == other[..., :10]).all()
    assert (draw(TARGET, proposal, 6, 1, 10)[2] != few[2])[:2].all()
    assert (draw(TARGET, proposal, 5, 2, 10)[2] != few[2])[:2].all()


def test_draws_beyond_a_parameters_range_weigh_nothing() -> None:
    target = Target(np.ones(1), SDS, np.array([0.0, -np.inf, -np.inf]), OPEN)
    proposal = Proposal(np.ones(1), np.zeros((1, 3)), np.diag(np.square(SDS))[None])
    cell, _, x = draw(target, proposal, 5, 0, 200)
    w = normalised(ln_weights(target, [proposal], cell, x, np.zeros(200)))
    assert (w[x[0] < 0.0] == 0.0).all()
    assert (w[x[0] > 0.0] > 0.0).all()


def test_what_overflowed_weighs_nothing_and_nothing_at_all_is_no_weight() -> None:
    proposal = Proposal(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    cell, _, x = draw(TARGET, proposal, 5, 0, 3)
    w = normalised(ln_weights(TARGET, [proposal], cell, x, np.array([0.0, np.nan, np.inf])))
    assert w.tolist() == [1.0, 0.0, 0.0]
    assert effective(normalised(ln_weights(TARGET, [proposal], cell, x, np.full(3, np.nan)))) == 0.0


def test_weights_are_equal_where_proposal_and_posterior_are() -> None:
    proposal = Proposal(np.ones(1), np.zeros((1, 3)), np.diag(np.square(SDS))[None])
    cell, _, x = draw(TARGET, proposal, 5, 0, 500)
    assert effective(normalised(ln_weights(TARGET, [proposal], cell, x, np.zeros(500)))) > 450


def test_weighted_quantiles_and_even_picks() -> None:
    values = np.arange(101.0)
    assert weighted_quantile(values, np.full(101, 1 / 101), 0.5) == pytest.approx(50.0)
    assert weighted_quantile(values, (values == 7.0).astype(float), 0.05) == 7.0
    assert np.bincount(resample(np.array([0.1, 0.2, 0.7]), 10)).tolist() == [1, 2, 7]
