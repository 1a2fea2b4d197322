"""What the rate model takes as given: its priors, each with its source, and how finely it computes."""

from __future__ import annotations

from dataclasses import dataclass

Weighted = tuple[tuple[float, float], ...]  # (value, prior weight)


@dataclass(frozen=True, slots=True)
class RateSettings:
    """Priors of the rate model. The defaults serve every study; weights need not sum to 1.

    All are assumed, with these reasons, where no source is named. Shapes of about 1 to 2 are usual between sites, and
    one brings some 0.5 to 2 subjects a month. What the rates of the whole study may do is a choice between families
    (`families.py`), some half of its weight on rates that stay. The weights of change were set by trial
    (docs/adr/0011): more makes the intervals of constant studies too wide, less those of changing ones too narrow.
    Slopes are monthly and fall rather than rise, as recruitment does (Urbas et al., arXiv 1910.07965).
    """

    shapes: Weighted = ((0.4, 0.12), (0.9, 0.25), (2.0, 0.3), (4.5, 0.2), (12.0, 0.13))  # between sites
    spreads: Weighted = ((0.0, 0.4), (0.3, 0.35), (0.7, 0.25))  # sd of ln rate between countries
    level: tuple[float, float] = (0.7, 1.5)  # median rate of a site [a month], sd of its ln
    constant: float = 0.56
    proof: float = 150.0  # subjects at which a change has half its weight: what few cannot show is believed less
    walks: Weighted = ((0.08, 0.09), (0.15, 0.12))  # sd of ln rate after a month, root of time
    trends: tuple[tuple[float, float, float], ...] = ((-0.04, 0.025, 0.22),)  # mean, sd, weight
    season: tuple[float, float] = (0.25, 0.07)  # sd of each amplitude of the annual cycle, weight
    shift: tuple[float, float] = (0.5, 0.06)  # sd of ln of a past change's factor, weight over all its days
    start_up: tuple[float, float] = (206.0, 64.0)  # mean and sd of a site's start-up [d]: Tufts 2013, oncology
    late: tuple[float, float] = (0.0, 64.0)  # prior mean and sd of the mean delay against plan [d]
    scatters: Weighted = ((3.0, 0.1), (10.0, 0.2), (25.0, 0.25), (60.0, 0.3), (120.0, 0.15))  # sd of delays [d]
    pause_days: float = 60.0  # prior mean of a pause, worth one pause seen
    holiday: float = 0.2  # what is left of a rate on a holiday of the country
    bins: int = 20  # of the past, at most
    draws: int = 128  # of what is uncertain, behind an outlook
    horizon: float = 3653.0  # the last day a target is looked for, from `as_of` [d]
