"""Closed forms against worked figures and against each other."""

from __future__ import annotations

import pytest

from schemas.errors import SettingsError
from twins.supply.network import closed_forms


def test_erlang_c_does_not_overflow_with_many_servers() -> None:
    assert closed_forms.erlang_c(2, 1.8) == pytest.approx(0.852631579, abs=1e-9)
    assert 0.0 < closed_forms.erlang_c(5_000, 4_950.0) < 1.0


def test_the_special_cases_agree() -> None:
    assert closed_forms.mmc(0.7, 1.0).wait == pytest.approx(closed_forms.mg1(0.7, 1.0, 2.0).wait)
    assert closed_forms.priority_waits((0.7,), (1.0,), (2.0,))[0] == pytest.approx(closed_forms.mmc(0.7, 1.0).wait)
    queues, sojourn = closed_forms.jackson((0.7,), ((0.0,),), (1.0,), (1,))
    assert sojourn == pytest.approx(queues[0].wait + 1.0)


def test_priorities_keep_the_load_weighted_wait() -> None:
    rates, means, seconds = (0.2, 0.1, 0.3), (1.0, 2.0, 0.8), (1.5, 6.0, 1.0)
    waits = closed_forms.priority_waits(rates, means, seconds)
    residual = sum(rate * second for rate, second in zip(rates, seconds, strict=True)) / 2.0
    load = sum(rate * mean for rate, mean in zip(rates, means, strict=True))
    kept = sum(rate * mean * wait for rate, mean, wait in zip(rates, means, waits, strict=True))
    assert kept == pytest.approx(load * residual / (1.0 - load))  # Kleinrock's conservation law
    assert waits[0] < waits[1] < waits[2]


def test_a_closed_network_counts_its_customers() -> None:
    throughput, numbers = closed_forms.closed_network((2.0, 1.0, 0.5), 1)
    assert throughput == pytest.approx(0.285714, abs=1e-6)
    throughput, numbers = closed_forms.closed_network((2.0, 1.0), 9, think=3.0)
    assert sum(numbers) + 3.0 * throughput == pytest.approx(9.0)


def test_surge_line_tests_and_remakes_are_as_worked() -> None:
    surge = closed_forms.fluid_surge(2.4, 2.0, 3.0, 30.0)
    assert (surge.backlog, surge.drained_days, surge.wait_max) == pytest.approx((18.0, 45.0, 7.5))
    assert closed_forms.line_days((2.0, 5.0, 3.0), 100) == (505.0, 1)
    assert closed_forms.harmonic(2) == 1.5
    assert closed_forms.remake(0.07) == pytest.approx((0.9951, 1.07))


def test_the_transient_ends_in_the_long_run() -> None:
    long_run = closed_forms.mmc(1.8, 1.0, 2)
    (present,) = closed_forms.present(((2_000.0, 1.8),), 1.0, 2)
    assert present == pytest.approx(long_run.waiting + 1.8, rel=1e-6)


def test_a_queue_that_grows_for_ever_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected a load below 2"):
        closed_forms.mmc(2.0, 1.0, 2)
    with pytest.raises(SettingsError, match="expected a load below 1"):
        closed_forms.mg1(1.0, 1.0, 1.0)
