"""Which limits on the evidence the wanted rates of false alarms ask for: behind `RELATIVE` and `GROWN`."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.enrollment_changes import draw, known
from twins.enrollment.detection.evidence import ages_of, days_each, total
from twins.enrollment.detection.exposure import expose
from twins.enrollment.detection.rates import log_ratios, shape_of_sites
from twins.enrollment.detection.settings import YEAR, DetectionSettings

BLOCKS = np.array([45.0, 91.0, 182.0, 365.0, 730.0, 1461.0])  # days since a country began
COUNTRIES, RUNS, STEP = 50, 4, 2.0


def calibrate(seed: int) -> None:
    """Print the limit that each block of days asks for, over the days between false alarms, at 3, 10 and 20 a month."""
    rules = DetectionSettings()
    factors, split = np.array(rules.falls + rules.rises), len(rules.falls)
    ages = ages_of(rules)
    for monthly in (3.0, 10.0, 20.0):
        rng = np.random.default_rng((seed, 6, int(monthly)))
        highest = np.zeros((2, len(BLOCKS) - 1, RUNS, COUNTRIES))
        for run in range(RUNS):
            truth = draw(rng, COUNTRIES, monthly, BLOCKS[-1], BLOCKS[-1], 1.0, 240.0)
            for day in np.arange(BLOCKS[0], BLOCKS[-1], STEP):
                open_ = expose(known(truth, day), ages)
                log = log_ratios(open_, factors, shape_of_sites(open_))
                days = days_each(ages, open_.begun - rules.probation)
                block = int(np.searchsorted(BLOCKS, day, side="right")) - 1
                for way, part in enumerate((log[:, :, :split], log[:, :, split:])):
                    highest[way, block, run] = np.maximum(highest[way, block, run], total(part, days))
        for way, years in enumerate((rules.worse_years, rules.better_years)):
            quiet = np.exp(-np.diff(BLOCKS) / YEAR / years)  # share of countries without a false alarm in each block
            asked = [float(np.quantile(highest[way, k], quiet[k])) / years / YEAR for k in range(len(quiet))]
            print(f"{monthly:.0f} a month, {('falls', 'rises')[way]}:", *(f"{each:.2f}" for each in asked), flush=True)
