"""A bolus and a sample in the belief of a joint filter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twins.bioreactor.estimation.design import Design, Unsure
from twins.bioreactor.estimation.exchange import LEAST_LITRES, add_bolus, draw_sample
from twins.bioreactor.estimation.joint import JointFilter
from twins.bioreactor.estimation.outputs import state_moments
from twins.bioreactor.models import MODELS

FILTER = JointFilter(Design(MODELS["cho_xing"], (Unsure("mu_m", 0.2),)))
START = np.array([2e9, 4e7, 10.0, 2.0, 5.0, 1.0])[:, None]
NOTHING = np.zeros((6, 1))


@given(first=st.floats(1e-3, 2.0), second=st.floats(1e-3, 2.0), glucose=st.floats(0.0, 700.0))
def test_two_boluses_are_one_of_their_mixture(first: float, second: float, glucose: float) -> None:
    """To roundings of a dozen operations."""
    apart, together = (FILTER.start(START, np.ones(1)) for _ in range(2))
    holds = NOTHING.copy()
    holds[2] = glucose
    add_bolus(apart, FILTER, np.array([first]), holds)
    add_bolus(apart, FILTER, np.array([second]), holds)
    add_bolus(together, FILTER, np.array([first + second]), holds)
    assert apart.mean == pytest.approx(together.mean, rel=1e-11)
    assert apart.covariance[:, :, 0] == pytest.approx(together.covariance[:, :, 0], rel=1e-9, abs=1e-18)


def test_water_dilutes_what_is_there_and_its_doubt_alike() -> None:
    joint = FILTER.start(START, np.ones(1))
    mean, sd = state_moments(FILTER, joint)
    add_bolus(joint, FILTER, np.array([0.25]), NOTHING)
    diluted, left = state_moments(FILTER, joint)
    assert diluted == pytest.approx(0.8 * mean, rel=1e-5)  # softplus is a line here, to 1e-4 of its doubt
    assert left == pytest.approx(0.8 * sd, rel=1e-3)
    assert joint.volume.tolist() == [1.25]


def test_mass_of_what_is_fed_is_kept() -> None:
    joint = FILTER.start(START, np.full(1, 2.0))
    holds = NOTHING.copy()
    holds[2] = 600.0
    add_bolus(joint, FILTER, np.array([0.05]), holds)
    assert FILTER.means(joint)[2, 0] * joint.volume[0] == pytest.approx(10.0 * 2.0 + 600.0 * 0.05, rel=1e-12)


def test_nothing_added_changes_no_bit() -> None:
    joint = FILTER.start(START, np.ones(1))
    before = joint.copy()
    add_bolus(joint, FILTER, np.zeros(1), NOTHING)
    draw_sample(joint, np.zeros(1))
    assert joint.mean.tobytes() == before.mean.tobytes()
    assert joint.covariance.tobytes() == before.covariance.tobytes()
    assert joint.volume.tobytes() == before.volume.tobytes()


def test_a_sample_takes_volume_and_never_all_of_it() -> None:
    joint = FILTER.start(START, np.ones(1))
    draw_sample(joint, np.array([0.25]))
    assert joint.volume.tolist() == [0.75]
    draw_sample(joint, np.array([5.0]))
    assert joint.volume.tolist() == [LEAST_LITRES]
