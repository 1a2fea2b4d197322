"""The published simulated fed-batch: its true growth rate must come out of signal, feed and samples."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from schemas.instants import parse_instant
from tests.tiers import REAL_DATA
from tests.unit.twins.bioreactor.script import Script, records_of
from twins.bioreactor import BioreactorModel
from twins.checks import fold

pytestmark = pytest.mark.realdata
FILE = REAL_DATA / "pseudobatch" / "product_inhibition.csv"
SAMPLE_LITRES = 170e-6
BURN_IN_HOURS = 5.0


def errors(noise: float, bookkeeping: bool) -> tuple[float, float]:
    """Give the root mean square error of the growth rate [/h], and the worst of the volume [uL], after a burn-in."""
    rng = np.random.default_rng(7)
    with FILE.open() as file:
        rows = list(csv.DictReader(file))
    script = Script()
    script.start(volume=1e-3)
    truth: dict[int, tuple[float, float]] = {}
    fed, last = 0.0, -1.0
    for number, row in enumerate(rows):
        seconds, accumulated = float(row["timestamp"]) * 3600, float(row["v_Feed_accum"])
        if seconds == last:  # the second row of a sampling: after the volume was drawn
            if bookkeeping:
                script.sample(seconds, SAMPLE_LITRES, f"S-{number}")
            continue
        if bookkeeping and accumulated > fed:
            script.feed(seconds, (accumulated - fed) * 1e-6)
        fed, last = accumulated, seconds
        event = script.read(seconds, float(row["c_Biomass"]) * (1 + noise * rng.normal()))
        truth[event.event_time] = (float(row["mu_true"]), float(row["v_Volume"]))
    rates, volumes = [], []
    for effect in fold(BioreactorModel(), records_of(script.events), range(100, 3000, 100)).effects:
        time = parse_instant(effect.event_time)
        if (
            effect.kind == "estimate"
            and effect.data["state"]
            and time in truth
            and effect.data["hours"] > BURN_IN_HOURS
        ):
            rates.append(effect.data["state"]["growth_rate"]["mean"] - truth[time][0])
            volumes.append(effect.data["state"]["volume"]["mean"] * 1e6 - truth[time][1])
    return float(np.sqrt(np.mean(np.square(rates)))), float(np.median(np.abs(volumes)))


def test_the_true_growth_rate_is_recovered() -> None:
    rate, volume = errors(noise=0.0, bookkeeping=True)
    print(f"growth rate rmse {rate:.5f} /h, volume {volume:.2e} uL")
    assert rate < 0.002
    assert volume < 0.02  # each of 1,000 feeds is rounded to a nanolitre


def test_the_true_growth_rate_is_recovered_from_a_noisy_signal() -> None:
    rate, _ = errors(noise=0.01, bookkeeping=True)
    print(f"growth rate rmse {rate:.5f} /h")
    assert rate < 0.008


def test_without_volume_bookkeeping_it_is_not() -> None:
    rate, _ = errors(noise=0.0, bookkeeping=False)
    assert rate > 0.02
