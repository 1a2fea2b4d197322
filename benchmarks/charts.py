"""False alarms of the charts on the biomass signal's innovations, and how soon they see a probe that jumps.

The truth is drawn here, apart from the filter: growth that wanders as the model's page says, a signal with a gain of
its own and noise. All is well in the first part: signals there are false, and are held against the ARL0 asked for.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, add_out, given
from schemas.instants import MINUTE
from twins.bioreactor.charting import FIRED, SIGNALLED, Charting
from twins.bioreactor.fold import Beliefs, Beside, ParameterTable, fold_minutes, prior
from twins.bioreactor.rows import BUCKET, FIXED, NO_ITEMS, Batch
from twins.bioreactor.sections import Chart

Floats = NDArray[np.float64]
READINGS = 10  # of a minute, independent: what the filter is told a minute is worth
ABSOLUTE, RELATIVE, GAIN_SD, GAIN_NOISE = 0.01, 0.02, 0.02, 0.001
RATE_MEAN, RATE_REVERSION, RATE_NOISE, BIOMASS_NOISE = 0.05, 0.02, 0.02, 0.005
SETTLING_MINUTES = 180  # until the filter knows the growth rate


class Truth:
    """Units that grow as the twin's model says they may."""

    def __init__(self, units: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.lnx = np.full(units, math.log(2.0))
        self.rate = RATE_MEAN + 0.05 * rng.standard_normal(units)
        self.gain = GAIN_SD * rng.standard_normal(units)

    def minute(self, factor: float) -> Floats:
        """Carry the units one minute on, and give their signal's readings (10, n)."""
        dt, draw = 1.0 / 60.0, self.rng.standard_normal
        n = len(self.lnx)
        self.lnx += self.rate * dt + BIOMASS_NOISE * math.sqrt(dt) * draw(n)
        self.rate += RATE_REVERSION * (RATE_MEAN - self.rate) * dt + RATE_NOISE * math.sqrt(dt) * draw(n)
        self.gain += GAIN_NOISE * math.sqrt(dt) * draw(n)
        level = np.exp(self.lnx + self.gain) * factor
        readings: Floats = level * (1.0 + RELATIVE * draw((READINGS, n))) + ABSOLUTE * draw(n)
        return readings


def campaign(chart: Chart, units: int, minutes: int, jump: float, seed: int) -> dict[str, float]:
    """Run a chart over units for so long, half of it after the signal jumped by a factor; give what it showed.

    Returns
    -------
    dict
        `points` and `signals` while all was well, `per_signal` their ratio with its `low` and `high` (95 %, of a
        Poisson count), and after the jump the share of units `found` within 30 minutes and the median minutes.
    """
    rng = np.random.default_rng(seed)
    truth, charting, table = Truth(units, rng), Charting([chart]), ParameterTable({})
    one = prior(table, Beside(charting))
    assert one.c is not None
    beliefs = Beliefs(
        np.repeat(one.f, units, axis=1), np.repeat(one.i, units, axis=1), [Batch()] * units,
        np.repeat(one.c, units, axis=1),
    )  # fmt: skip
    assert beliefs.c is not None
    k = table.gather([0] * units)
    signals = points = 0
    after = np.full(units, np.inf)
    before: Floats = beliefs.c[SIGNALLED].copy()
    for minute in range(minutes + 120):
        jumped = minute - minutes
        fixed = np.rint(truth.minute(jump if jumped >= 0 else 1.0) * FIXED).astype(np.int64)
        buckets = np.zeros((BUCKET, units), dtype=np.int64)
        buckets[0], buckets[1], buckets[2], buckets[3] = (
            READINGS,
            fixed.sum(axis=0),
            fixed.min(axis=0),
            fixed.max(axis=0),
        )
        buckets[4] = READINGS * MINUTE // 2
        at = np.full(units, minute, dtype=np.int64)
        fold_minutes(beliefs, k, at, buckets, [NO_ITEMS] * units, table, Beside(charting))
        fired = (beliefs.c[SIGNALLED] != before) & (beliefs.c[FIRED] > 0)
        before = beliefs.c[SIGNALLED].copy()
        if jumped >= 0:
            after = np.where(fired & np.isinf(after), jumped + 1.0, after)
        elif minute >= SETTLING_MINUTES:
            points += units
            signals += int(fired.sum())
    spread = 1.96 / math.sqrt(max(signals, 1))
    found = after <= 30
    return {
        "points": points, "signals": signals, "per_signal": points / max(signals, 1),
        "low": points / max(signals, 1) / (1 + spread), "high": points / max(signals, 1) / max(1 - spread, 1e-9),
        "found": float(found.mean()), "minutes": float(np.median(after)),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="charts", description=__doc__)
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--hours", type=float, default=24.0, help="while all is well")
    parser.add_argument("--arl0", type=float, default=500.0, help="asked of cusum and ewma")
    parser.add_argument("--jump", type=float, default=1.03, help="factor of the signal after that")
    parser.add_argument("--seed", type=int, default=1)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "charts", "Charts on innovations: points between false signals, and a jump of the probe.", given(options)
    )
    for chart in (
        Chart("cusum", arl0=options.arl0),
        Chart("cusum", arl0=options.arl0, reference=1.0),
        Chart("ewma", arl0=options.arl0),
        Chart("rules", rules=tuple(f"western_electric.{n}" for n in range(1, 5))),
    ):
        shown = campaign(chart, options.units, round(options.hours * 60), options.jump, options.seed)
        name = chart.chart + (f", k {chart.reference:g}" if chart.chart == "cusum" else "")
        report.add("charts", chart=name, asked=None if chart.rules else options.arl0, **shown)
    report.notes.append("`per_signal` is in points, a point a minute; `low` and `high` its 95 % interval.")
    report.write(options.out)
    return 0
