"""Watch a study: which countries and steps of the funnel changed, by how much and since when, and how its sites stand.

A pure function of the study: a fact that comes late, or is corrected, needs nothing special. A change stays told for
as long as the evidence stands, up to `longest` days, after which the new rate is the past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twins.enrollment.detection import proportions, rates, steps
from twins.enrollment.detection.describing import a_month, bands, before_and_now
from twins.enrollment.detection.evidence import ages_of, days_each, limit, probability, total
from twins.enrollment.detection.exposure import Exposure, expose
from twins.enrollment.detection.findings import Band, Change, Direction, Findings, SiteHealth, Watched, What
from twins.enrollment.detection.proportions import Trials
from twins.enrollment.detection.settings import DetectionSettings
from twins.enrollment.detection.sites import judge
from twins.enrollment.study import Floats, Ints, Study

SAME = 1e6  # shape of site rates where a country is one site: its rate is c itself


@dataclass(frozen=True, slots=True)
class _Thing:
    """One thing watched: its ln L by factors (f,) as (g, a, f), how long it has been going on, and its two levels."""

    what: What
    as_of: float
    present: Ints
    begun: Floats
    ratios: Callable[[Floats, slice], Floats]
    levels: Callable[[slice, int], tuple[float, float]]  # of rows of `present`, at an age: before, now


def watch(study: Study, settings: DetectionSettings | None = None, expected: Floats | None = None) -> Findings:
    """Look for lasting changes of the enrollment rate and of the funnel, by country and in all, and judge the sites.

    Parameters
    ----------
    study : Study
        As of the day at which it is asked.
    settings : DetectionSettings, optional
        The rules; the defaults make one false alarm of a country in 5 years.
    expected : array, shape (s,), optional
        Planned rate of each site while open [1/d], which `SiteHealth.short` is held against; else its country's mean.

    Returns
    -------
    Findings
        No change is flagged of what began less than `probation` days ago.

    Notes
    -----
    Valid for: subjects that come independently at the rates of open sites, reported by now or with a delay like before.
    Not valid for: a slow drift, which is flagged late and told as a jump; seasons, but for the countries' holidays.
    """
    settings = settings or DetectionSettings()
    ages = ages_of(settings)
    open_ = expose(study, ages)
    alpha = rates.shape_of_sites(open_) if len(open_.site) else 1.0
    things = [_rate("enrollment", study.as_of, open_, alpha, ages)] if len(open_.site) else []
    told = [_look(study, each, ages, settings) for each in things + _steps(study, ages, settings)]
    changes = sorted((one for _, some in told for one in some), key=lambda one: one.limit / one.evidence)
    return Findings(
        study.as_of, tuple(changes), tuple(each for each, _ in told), _sites(open_, ages, alpha, expected, settings)
    )


def _steps(study: Study, ages: Floats, settings: DetectionSettings) -> list[_Thing]:
    """The steps of the funnel of which there is enough to be watched."""
    then = steps.settled(study)
    things = []
    if failures := steps.failures(then, ages):
        things.append(_proportion("screen_failure", then.as_of, failures))
    if consents := steps.consents(then, ages, settings.consent_days):
        things.append(_proportion("consent", then.as_of, consents))
    if speed := steps.speed(then, ages):
        things.append(_rate("screening_speed", then.as_of, speed, SAME, ages))
    return things


def _sites(
    open_: Exposure, ages: Floats, alpha: float, expected: Floats | None, settings: DetectionSettings
) -> SiteHealth:
    if len(open_.site):
        return judge(open_, days_each(ages, open_.site_begun), alpha, expected, settings)
    none = np.zeros(0)
    return SiteHealth(open_.site, settings.below, none, none, none, none, none, none, none, none)


def _rate(what: What, as_of: float, open_: Exposure, alpha: float, ages: Floats) -> _Thing:
    ends = np.append(open_.starts[1:], len(open_.count))

    def ratios(factors: Floats, rows: slice) -> Floats:
        part = open_ if rows == slice(None) else _part(open_, open_.starts[rows][0], ends[rows][-1])
        return rates.log_ratios(part, factors, alpha)

    def levels(rows: slice, age: int) -> tuple[float, float]:
        inside = slice(int(open_.starts[rows][0]), int(ends[rows][-1]))
        before, now = before_and_now(open_, inside, age, alpha)
        return a_month(before, ages[age]), a_month(now, ages[age])

    return _Thing(what, as_of, open_.present, open_.begun, ratios, levels)


def _part(open_: Exposure, first: int, last: int) -> Exposure:
    rows = slice(first, last)
    here = (open_.starts >= first) & (open_.starts < last)
    return Exposure(
        open_.site[rows],
        open_.country[rows],
        open_.starts[here] - first,
        open_.present[here],
        open_.count[rows],
        open_.days[rows],
        open_.late_count[rows],
        open_.late_days[rows],
        open_.begun[here],
        open_.site_begun[rows],
    )


def _proportion(what: What, as_of: float, trials: Trials) -> _Thing:
    def ratios(factors: Floats, rows: slice) -> Floats:
        return proportions.log_ratios(trials, factors, rows)

    def levels(rows: slice, age: int) -> tuple[float, float]:
        late, late_good = trials.late_all[rows, age].sum(), trials.late_good[rows, age].sum()
        early, early_good = trials.all[rows].sum() - late, trials.good[rows].sum() - late_good
        return float(early_good / max(early, 1.0)), float(late_good / max(late, 1.0))

    return _Thing(what, as_of, trials.present, trials.begun, ratios, levels)


def _look(study: Study, thing: _Thing, ages: Floats, settings: DetectionSettings) -> tuple[Watched, list[Change]]:
    """Weigh one thing, in each country and in all: its probabilities, and what is flagged."""
    odds = np.array(settings.odds)
    is_rate = thing.what in ("enrollment", "screening_speed")
    falls, rises = (np.array(settings.falls), np.array(settings.rises)) if is_rate else (1.0 / odds, odds)
    log = thing.ratios(np.concatenate((falls, rises)), slice(None))
    log = np.concatenate((log, log.sum(axis=0, keepdims=True)))  # the study: every country by the same factor
    begun = np.append(thing.begun, thing.begun.max())
    days = days_each(ages, begun - settings.probation)
    years = (settings.worse_years, settings.better_years)
    years = years[::-1] if thing.what == "screen_failure" else years
    ways: tuple[tuple[Direction, Floats, float], ...] = (
        ("fall", total(log[:, :, : len(falls)], days), years[0]),
        ("rise", total(log[:, :, len(falls) :], days), years[1]),
    )
    who, share = np.append(thing.present, -1), np.ones(len(begun))
    if thing.what != "enrollment":
        share[:-1] = len(thing.present)  # the countries of a step share its false alarms
    changes = []
    for direction, evidence, rare in ways:
        limits = limit(rare, begun) * share
        for row in np.flatnonzero((evidence > limits) & (begun >= settings.probation)):
            found = _describe(thing, int(row), days[row], ages)
            chance = float(probability(evidence[row : row + 1], settings)[0])
            flagged = (chance, float(evidence[row]), float(limits[row]), rare * float(share[row]))
            changes.append(_change(study, thing, who[row], direction, found, flagged))
    fall, rise = (probability(evidence, settings) for _, evidence, _ in ways)
    return Watched(thing.what, who, fall, rise), changes


def _describe(thing: _Thing, row: int, days: Floats, ages: Floats) -> tuple[float, float, Band, Band]:
    rows = slice(None) if row == len(thing.present) else slice(row, row + 1)
    factor, age = bands(lambda factors: thing.ratios(factors, rows).sum(axis=0), days, ages)
    before, now = thing.levels(rows, int(np.argmin(np.abs(ages - age.middle))))
    since = Band(thing.as_of - age.high, thing.as_of - age.middle, thing.as_of - age.low)
    return before, now, factor, since


def _change(
    study: Study,
    thing: _Thing,
    country: int,
    direction: Direction,
    found: tuple[float, float, Band, Band],
    flagged: tuple[float, float, float, float],
) -> Change:
    name = None if country < 0 else study.countries[country].name
    return Change(thing.what, name, direction, *found, *flagged)
