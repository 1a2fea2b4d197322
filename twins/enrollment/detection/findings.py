"""What a watch of a study tells: changes that are flagged, how probable one is everywhere, and how each site stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twins.enrollment.study import Floats, Ints

What = Literal["enrollment", "screen_failure", "consent", "screening_speed"]
Direction = Literal["fall", "rise"]


@dataclass(frozen=True, slots=True)
class Band:
    """A posterior: its median, and 5 % of it below `low`, 5 % above `high`."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True)
class Change:
    """One change that is flagged.

    `country` is None for the study as a whole. `before` and `now` are, for enrollment, subjects a month that the sites
    open since the change would have brought and did bring; for a step the proportion before and since; for screening
    speed the subjects decided a month likewise. `factor` multiplies a rate, or the odds of a proportion. `since` is the
    day of the change [d]. `probability` is that of a change this way, for the hazard of the settings, `evidence` over
    `limit` is what flags it, and `years` the mean time between false alarms of this rule.
    """

    what: What
    country: str | None
    direction: Direction
    before: float
    now: float
    factor: Band
    since: Band
    probability: float
    evidence: float
    limit: float
    years: float


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing watched in every country, flagged or not, each column of shape (g,).

    `country` indexes `Study.countries`, -1 for the study as a whole, which stands last. `fall` and `rise` are the
    probabilities of a change.
    """

    what: What
    country: Ints
    fall: Floats
    rise: Floats


@dataclass(frozen=True, slots=True)
class SiteHealth:
    """How each site that was ever open stands, each column of shape (k,); nobody is alarmed by it.

    `site` indexes `Study.sites`. `fell` is the probability that its rate is now below `below` of what it was itself;
    `short` that its rate is below that share of what was planned for it, or of its country's mean. `rate` is subjects a
    month while open, with 90 % of its posterior in `rate_low` to `rate_high`. `rank` is its expected rank by rate, 1
    the slowest, `rank_low` to `rank_high` where its rate's interval would place it: firm where they are close.
    """

    site: Ints
    below: float
    fell: Floats
    short: Floats
    rate: Floats
    rate_low: Floats
    rate_high: Floats
    rank: Floats
    rank_low: Floats
    rank_high: Floats


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one watch tells of a study, as of its day. Changes are in order of their evidence, strongest first."""

    as_of: float
    changes: tuple[Change, ...]
    watched: tuple[Watched, ...]
    sites: SiteHealth
