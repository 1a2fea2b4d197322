"""The payload behind a logger that lags: exact steps, honest intervals, gaps and outliers named."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE
from twins.supply.temperature import TEMPERATURE, Logger, Payload
from twins.supply.temperature.payload import PayloadState, covariance_of, transition

PAYLOAD = Payload(Logger(0.5, 0.5))


def folded(law: Payload, instants: list[int], values: list[float]) -> PayloadState:
    state = law.start()
    for instant, value in zip(instants, values, strict=True):
        state = law.step(state, instant, TEMPERATURE, value)
    return state


@pytest.mark.parametrize(("first", "second"), [(1, 1), (7, 300), (55, 1000), (3000, 2)])
@pytest.mark.parametrize("lag", [0.0, 0.2, 3.0])
def test_two_steps_are_one_longer_step(first: int, second: int, lag: float) -> None:
    a, qa = transition(first * MINUTE, lag, 0.3, 4.0)
    b, qb = transition(second * MINUTE, lag, 0.3, 4.0)
    whole, q = transition((first + second) * MINUTE, lag, 0.3, 4.0)
    np.testing.assert_allclose(b @ a, whole, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b @ qa @ b.T + qb, q, rtol=1e-8, atol=1e-10)


def test_covariance_stays_positive_semidefinite_at_any_spacing() -> None:
    rng = np.random.default_rng(3)
    state, instant = PAYLOAD.start(), 0
    for _ in range(400):
        instant += int(10 ** rng.uniform(0, 11))
        state = PAYLOAD.step(state, instant, TEMPERATURE, float(rng.normal(-190, 0.5)))
        eigenvalues = np.linalg.eigvalsh(covariance_of(state))
        assert eigenvalues.min() >= -1e-9 * eigenvalues.max()


def test_it_sees_through_lag_and_noise_and_says_how_well() -> None:
    rng = np.random.default_rng(11)
    hits, errors, raw = [], [], []
    for _ in range(12):
        minutes = np.cumsum(rng.integers(3, 15, 300))
        start, probe, state = float(rng.uniform(10, 30)), -190.0, PAYLOAD.start()
        for before, minute in itertools.pairwise(minutes.tolist()):
            for step in range(before, minute):
                truth = 20.0 - 210.0 * math.exp(-max(0.0, (step + 1) / 60.0 - start) / 24.0)
                probe += (truth - probe) / 60.0 / 0.5
            read = probe + float(rng.normal(0.0, 0.5))
            state = PAYLOAD.step(state, minute * MINUTE, TEMPERATURE, read)
            said = PAYLOAD.at(state, minute * MINUTE)
            if minute / 60.0 > start + 3.0:
                hits.append(abs(said.celsius - truth) < 1.645 * said.sd_kelvin)
                errors.append(said.celsius - truth)
                raw.append(read - truth)
    assert 0.88 <= np.mean(hits) <= 1.0
    assert np.std(errors) < 1.0
    assert abs(np.mean(errors)) < 0.2 * abs(np.mean(raw))


def test_a_silence_is_not_bridged_and_doubt_grows_within_it() -> None:
    state = folded(PAYLOAD, [k * 10 * MINUTE for k in range(30)], [-190.0] * 30)
    last = state.instant
    doubts = [PAYLOAD.at(state, last + k * HOUR // 2).sd_kelvin for k in range(6)]
    assert doubts == sorted(doubts)
    assert doubts[-1] > 2 * doubts[0]
    assert PAYLOAD.at(state, last + 4 * HOUR).status == "unknown"
    assert PAYLOAD.at(PAYLOAD.start(), 0).status == "never"
    after = PAYLOAD.step(state, last + 5 * HOUR, TEMPERATURE, -120.0)
    assert (after.gaps, after.mean[0]) == (1, -120.0)


def test_one_wild_reading_is_left_out_and_a_jump_is_believed() -> None:
    instants = [k * 10 * MINUTE for k in range(30)]
    state = folded(PAYLOAD, instants, [-190.0] * 30)
    wild = PAYLOAD.step(state, state.instant + 10 * MINUTE, TEMPERATURE, -90.0)
    assert (wild.left_out, wild.reason) == (1, "outlier")
    assert abs(PAYLOAD.at(wild, wild.instant).celsius + 190.0) < 0.5
    jumped = wild
    for _ in range(2):
        jumped = PAYLOAD.step(jumped, jumped.instant + 10 * MINUTE, TEMPERATURE, -90.0)
    assert (jumped.restarts, jumped.mean[0]) == (1, -90.0)


@pytest.mark.parametrize("wrong", [(0.0, 1.0), (1.0, -1.0), (math.nan, 1.0)])
def test_settings_are_checked(wrong: tuple[float, float]) -> None:
    with pytest.raises(SettingsError):
        Logger(*wrong)
