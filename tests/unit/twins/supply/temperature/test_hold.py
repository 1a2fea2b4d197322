"""Hold time left: closed form against draws, tips, leaks, wrong fills, warming, what a box teaches."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.supply.temperature import (
    FILL,
    TEMPERATURE,
    TILT,
    Hold,
    HoldLeft,
    HoldState,
    Logger,
    Payload,
    Shipper,
    learned,
    new_box,
)

SHIPPER = Shipper(hold_hours=240.0)
LAW = Hold(SHIPPER, new_box(SHIPPER), Payload(Logger(0.5, 0.25)))
HALF = np.array([0.5])


def sent(
    law: Hold, hours: float, rate: float, seed: int = 1, tip: tuple[float, float, float] = (0.0, 0.0, 0.0),
    leak: tuple[float, float] = (1e9, 1.0), tilt: bool = True, every: float = 0.5,
) -> tuple[HoldState, float]:  # fmt: skip
    """Fold a box on its way; give its state and true fill. A tip: begin, end, loss an hour. A leak: begin, times."""
    rng = np.random.default_rng(seed)
    state, fill, t = law.start(), 1.0, 0.0
    while t < hours:
        tipped = tip[0] <= t < tip[1]
        if tilt:
            state = law.step(state, round(t * HOUR), TILT, float(tipped))
        state = law.step(state, round(t * HOUR), FILL, max(0.0, fill + rng.normal(0.0, 0.03)))
        fill -= every * (rate * (leak[1] if t >= leak[0] else 1.0) + (tip[2] if tipped else 0.0))
        t += every
    return state, fill


def said(law: Hold, state: HoldState) -> HoldLeft:
    return law.left(state, state.instant)


def test_it_learns_the_rate_of_a_box_and_says_how_long_it_holds() -> None:
    inside, opened = [], 0
    for seed in range(20):
        rate = float(np.random.default_rng(100 + seed).lognormal(0.0, 0.15)) / 240.0
        state, fill = sent(LAW, 72.0, rate, seed)
        truth = fill / rate + SHIPPER.grace_hours
        low, middle, high = said(LAW, state).quantiles(np.array([0.05, 0.5, 0.95]))
        inside.append(low <= truth <= high)
        opened += state.openings > 0
        assert state.openings or abs(middle - truth) < 0.15 * truth
    assert sum(inside) >= 16
    assert opened <= 7  # some 300 h between false openings, and these are 1,440 h


def test_the_closed_form_agrees_with_draws() -> None:
    state, _ = sent(LAW, 60.0, 1.0 / 240.0)
    left = said(LAW, state)
    rng = np.random.default_rng(4)
    six = left.covariance
    full = np.array([[six[0], six[1], six[2]], [six[1], six[3], six[4]], [six[2], six[4], six[5]]])
    draws = rng.multivariate_normal(left.mean, full, 200_000)
    grace = left.grace + left.grace_sd * rng.standard_normal(200_000)
    transit = np.linspace(120.0, 220.0, 101)
    warm = [float(np.mean(draws[:, 0] <= draws[:, 1] * (t - grace))) for t in transit]
    assert left.warm_on_arrival(transit) == pytest.approx(float(np.mean(warm)), abs=0.01)
    chance = left.crossed_by(transit)
    assert (np.diff(chance) >= 0).all()


def test_a_tip_costs_what_the_fills_say_and_the_rate_stays() -> None:
    before, _ = sent(LAW, 40.0, 1.0 / 240.0)
    state, fill = sent(LAW, 60.0, 1.0 / 240.0, tip=(40.0, 44.0, 0.1))
    assert abs(state.mean[0] - fill) < 0.03
    assert state.mean[1] == pytest.approx(1.0 / 240.0, rel=0.15)
    assert said(LAW, state).quantiles(HALF)[0] < said(LAW, before).quantiles(HALF)[0] - 60.0


@pytest.mark.parametrize("tilt", [True, False])
def test_vacuum_loss_is_seen_with_and_without_a_tilt_signal(tilt: bool) -> None:
    state, fill = sent(LAW, 60.0, 1.0 / 240.0, leak=(40.0, 5.0), tilt=tilt)
    assert state.openings >= 1
    assert state.mean[1] == pytest.approx(5.0 / 240.0, rel=0.3)
    truth = fill / (5.0 / 240.0) + SHIPPER.grace_hours
    assert said(LAW, state).quantiles(HALF)[0] == pytest.approx(truth, abs=8.0)
    assert said(LAW, state).tilt_lost is not tilt


def test_one_wrong_fill_is_left_out() -> None:
    state, _ = sent(LAW, 40.0, 1.0 / 240.0)
    after = LAW.step(state, state.instant + HOUR, FILL, 0.1)
    assert after.left_out == state.left_out + 1
    assert abs(after.mean[0] - state.mean[0]) < 0.01


def test_a_box_that_reads_empty_goes_on_counting_since_when() -> None:
    state, fill = sent(LAW, 140.0, 1.0 / 120.0)
    assert fill < 0
    truth = SHIPPER.grace_hours + fill * 120.0
    assert said(LAW, state).quantiles(HALF)[0] == pytest.approx(max(truth, 0.0), abs=4.0)


def test_a_payload_that_warms_tells_the_limit_itself() -> None:
    state = LAW.start()
    for k in range(60):
        dry = max(0.0, (k - 40) / 10.0)
        state = LAW.step(state, k * HOUR // 10, TEMPERATURE, SHIPPER.celsius_after(dry))
    left = said(LAW, state)
    assert left.source == "warming"
    assert left.quantiles(HALF)[0] == pytest.approx(SHIPPER.grace_hours - 1.9, abs=0.6)
    assert said(LAW, LAW.step(LAW.start(), 0, TEMPERATURE, -190.0)).source == "prior"


def test_covariance_stays_positive_semidefinite() -> None:
    rng = np.random.default_rng(8)
    state, instant = LAW.start(), 0
    for _ in range(500):
        instant += int(10 ** rng.uniform(3, 10.5))
        kind = int(rng.choice([FILL, TILT]))
        state = LAW.step(state, instant, kind, float(rng.random()) if kind == FILL else float(rng.integers(2)))
        a, b, c, d, e, f = state.covariance
        eigenvalues = np.linalg.eigvalsh(np.array([[a, b, c], [b, d, e], [c, e, f]]))
        assert eigenvalues.min() >= -1e-9 * max(1.0, eigenvalues.max())
        assert all(math.isfinite(x) for x in state.mean)


def test_trips_teach_a_box_its_rate_and_faults_do_not() -> None:
    box = new_box(SHIPPER)
    for trip in range(4):
        law = msgspec.structs.replace(LAW, box=box)
        state, _ = sent(law, 90.0, 1.25 / 240.0, trip)
        box = learned(box, state.mean[1], state.rate_sd, state.openings > 0)
    assert box.trips == 4
    assert box.rate == pytest.approx(1.25 / 240.0, rel=0.05)
    assert box.rate_sd < 0.6 * new_box(SHIPPER).rate_sd
    faulty = learned(box, 0.1, 0.01, faulty=True)
    assert (faulty.rate, faulty.faults) == (box.rate, 1)


def test_facts_are_checked() -> None:
    for wrong in ({"hold_hours": 0.0}, {"tip_loss": 1.2}, {"limit_celsius": 30.0}, {"fill_error": 0.0}):
        with pytest.raises(SettingsError):
            Shipper(**{"hold_hours": 240.0, **wrong})
