"""The rule that flags: the sum, over the days a change may have come, of how much better it explains what came since.

    R = sum over days tau of the mean over sizes f of L(tau, f) / L(no change)

While nothing changes, R minus the days watched is a martingale under the baseline as uncertain as it is, so that a
limit A on R is reached after A days at the soonest in the mean, whatever the sizes and the counts. How much later is
calibrated by simulation. A young baseline has had fewer days to sum: its limit is lower, for as many false alarms.

Source
------
Shiryaev-Roberts: Pollak 1985, Annals of Statistics 13:206; the martingale and the mixture ibid. section 2. Calibrated
by `python -m benchmarks enrollment_detection --calibrate`.
"""

from __future__ import annotations

import numpy as np

from twins.enrollment.detection.settings import YEAR, DetectionSettings
from twins.enrollment.study import Floats

SHORTEST = 3.0  # days since the youngest change that is sought [d]; assumed: sooner, nothing is told of a rate
COUNT = 32  # of the ages that stand for all days: neighbours differ by a sixth

RELATIVE = 0.82  # of A to the days between false alarms, calibrated
GROWN = 150.0  # days until a baseline has as much to sum as any, calibrated as well [d]


def ages_of(settings: DetectionSettings) -> Floats:
    """How long ago changes are sought, ascending [d]."""
    return np.unique(np.round(np.geomspace(SHORTEST, max(settings.longest, 2 * SHORTEST), COUNT)))


def days_each(ages: Floats, begun: Floats) -> Floats:
    """How many days each age stands for, of those since it begun (g,): shape (g, a)."""
    between = (ages[1:] + ages[:-1]) / 2
    edges = np.concatenate(([0.5], between, [2 * ages[-1] - between[-1]]))
    days: Floats = np.clip(np.minimum(edges[1:], begun[:, None]) - edges[:-1], 0.0, None)
    return days


def total(log_ratios: Floats, days: Floats) -> Floats:
    """Give R: of ln L ratios (g, a, f) and days (g, a), shape (g,)."""
    ratios = np.exp(np.minimum(log_ratios, 600.0))  # 600: so that a sum of them is still finite
    result: Floats = (days * ratios.mean(axis=2)).sum(axis=1)
    return result


def probability(evidence: Floats, settings: DetectionSettings) -> Floats:
    """Probability of a change, half of all changes being this way: posterior odds are R times a day's hazard."""
    odds = evidence * settings.hazard / YEAR / 2
    result: Floats = odds / (1.0 + odds)
    return result


def limit(years: float, begun: Floats) -> Floats:
    """Give A for so many years between false alarms of what began so long ago (g,) [d]."""
    limits: Floats = RELATIVE * years * YEAR * np.minimum(begun / GROWN, 1.0)
    return limits
