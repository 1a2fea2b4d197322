"""Mean kinetic temperature: published examples, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.errors import InvalidFieldError, ShapeError
from schemas.instants import DAY, HOUR, MINUTE
from twins.supply.temperature import Mkt, Refusal, mean_kinetic, mkt, sliding


@pytest.mark.parametrize(
    ("celsius", "weights", "said"),
    [([5.0, 15.0], [22.0, 2.0], 6.4623), ([25.0, 40.0], [29.0, 1.0], 26.1130), ([25.0, 30.0], [11.0, 1.0], 25.5320)],
)
def test_open_examples(celsius: list[float], weights: list[float], said: float) -> None:
    assert round(mean_kinetic(celsius, weights), 4) == said


def test_it_lies_between_mean_and_peak_and_does_not_overflow() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        celsius, weights = rng.normal(5.0, 4.0, 30), rng.random(30)
        said = mean_kinetic(celsius.tolist(), weights.tolist())
        assert np.average(celsius, weights=weights) - 1e-9 <= said <= celsius.max()
    assert mean_kinetic([-150.0, 60.0], [1.0, 1.0], 1e6) == pytest.approx(60.0, abs=0.1)
    assert mean_kinetic([7.0] * 3, [1e-300, 1.0, 1e200]) == pytest.approx(7.0, abs=1e-9)


def test_durations_weigh_and_not_readings() -> None:
    often = mkt([k * MINUTE for k in range(60)] + [HOUR, 24 * HOUR], [15.0] * 60 + [5.0, 5.0], 0, DAY, "cold",
                longest_gap_hours=24.0, between="step")  # fmt: skip
    seldom = mkt([0, HOUR, 24 * HOUR], [15.0, 5.0, 5.0], 0, DAY, "cold", longest_gap_hours=24.0, between="step")
    assert isinstance(often, Mkt)
    assert isinstance(seldom, Mkt)
    assert often.celsius == pytest.approx(seldom.celsius, abs=1e-12)
    assert seldom.celsius == pytest.approx(mean_kinetic([15.0, 5.0], [1.0, 23.0]), abs=1e-12)


@pytest.mark.parametrize("between", ["trapezoid", "step"])
def test_a_fine_record_converges_to_the_integral(between: str) -> None:
    instants = np.arange(0, DAY + 1, 5 * MINUTE)
    celsius = 5.0 + 3.0 * np.sin(instants / DAY * 2 * np.pi)
    fine = np.linspace(0, 1, 200_001)[:-1]
    truth = mean_kinetic((5.0 + 3.0 * np.sin(fine * 2 * np.pi)).tolist(), [1.0] * 200_000)
    said = mkt(instants.tolist(), celsius.tolist(), 0, DAY, "cold", between=between)  # type: ignore[arg-type]
    assert isinstance(said, Mkt)
    assert said.celsius == pytest.approx(truth, abs=1e-3)
    assert said.within


@pytest.mark.parametrize(
    ("reason", "instants", "celsius", "storage"),
    [
        ("storage", [0, DAY], [-190.0, -190.0], "cryogenic"),
        ("storage", [0, DAY], [-20.0, -20.0], "frozen"),
        ("gap", [0, 4 * HOUR, DAY], [5.0] * 3, "cold"),
        ("not_covered", [HOUR * k for k in range(1, 25)], [5.0] * 24, "cold"),
        ("not_covered", [HOUR * k for k in range(24)], [5.0] * 24, "cold"),
        ("too_cold", [HOUR * k for k in range(25)], [5.0] * 24 + [-80.0], "cold"),
        ("no_readings", [], [], "cold"),
        ("not_finite", [HOUR * k for k in range(25)], [float("nan")] * 25, "cold"),
    ],
)
def test_refusals_say_why(reason: str, instants: list[int], celsius: list[float], storage: str) -> None:
    said = mkt(instants, celsius, 0, DAY, storage)  # type: ignore[arg-type]
    assert isinstance(said, Refusal)
    assert said.reason == reason


def test_sliding_windows_follow_a_late_reading() -> None:
    instants = [k * HOUR for k in range(60)]
    celsius = [5.0] * 60
    celsius[30] = 14.0
    late = [k for k in range(60) if k != 30]
    without = sliding([instants[k] for k in late], [celsius[k] for k in late], "cold")
    shuffled = np.random.default_rng(1).permutation(60)
    whole = sliding(instants, celsius, "cold")
    assert sliding([instants[k] for k in shuffled], [celsius[k] for k in shuffled], "cold") == whole
    assert [type(one) for one in whole] == [Refusal] * 24 + [Mkt] * 36
    touched = {one.end // HOUR for one in whole if isinstance(one, Mkt) and one.celsius > 5.001}
    assert touched == set(range(30, 55))  # a reading's half spans reach from an hour before to an hour after
    assert all(one.celsius < 5.001 for one in without if isinstance(one, Mkt))


def test_inputs_are_checked() -> None:
    with pytest.raises(ShapeError):
        mean_kinetic([5.0], [1.0, 2.0])
    with pytest.raises(InvalidFieldError):
        mean_kinetic([-300.0], [1.0])
    with pytest.raises(InvalidFieldError):
        mean_kinetic([5.0], [0.0])
