"""What truly happens in a simulated study: rates, openings, and each subject's days. Nothing of our models is in here.

Subjects arrive at a site as a Poisson process whose rate is the site's own times what moves its country: its arrivals
are those of a unit process in the time of the summed rate, so an action that changes the rate moves the same subjects
and draws no others. Each site, and each subject of it, has its own place in the seed's stream.

Source: Cinlar, Introduction to Stochastic Processes (1975), section 4.7 (time change of a Poisson process); the gamma
mixture over sites is Anisimov and Fedorov (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.enrollment_simulation import MONTH, Action, Drift, SimulatedCountry, SimulatedStudy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
YEAR = 365.25  # [d]
_MOST_ARRIVALS = 200_000  # of one site
_MARKS = 16  # uniform numbers of a subject
_DRIFT, _SITE, _ARRIVALS, _SUBJECTS = range(4)  # purposes of a stream


@dataclass(frozen=True, slots=True)
class TrueSite:
    """A site: its true rate while open and nothing moves it (counted subjects a day), and its days; inf for never."""

    name: str
    country: int
    planned: float
    opened: float
    closed: float
    per_day: float
    joined: float  # the day on which it became known; 0 for those of the plan


@dataclass(frozen=True, slots=True)
class TrueSubjects:
    """Subjects by column, each (n,): days of what happens, NaN where it does not; `reason` -1 for none."""

    site: Ints
    number: Ints  # of the site's subjects, from 1
    stratum: Ints
    reason: Ints
    prescreened: Floats
    consented: Floats
    screened: Floats
    failed: Floats
    enrolled: Floats
    randomised: Floats
    event: Floats
    withdrawn: Floats
    lost: Floats
    completed: Floats


@dataclass(frozen=True, slots=True)
class StudyTruth:
    """What is true of a study. `factor` (countries, days) multiplies rates; `reached` is the target's day, or inf."""

    study: SimulatedStudy
    sites: tuple[TrueSite, ...]
    factor: Floats
    subjects: TrueSubjects
    reached: float

    def document(self) -> dict[str, Any]:
        """Give it as JSON: what a forecast is held against."""
        counted = np.sort(getattr(self.subjects, self.study.counts))
        counted = counted[~np.isnan(counted)]
        finite = {site.name: None if np.isinf(site.opened) else round(site.opened, 4) for site in self.sites}
        return {
            "study": self.study.study,
            "target": self.study.subjects,
            "reached_day": None if np.isinf(self.reached) else round(self.reached, 4),
            "counted_days": np.round(counted, 4).tolist(),
            "event_days": np.round(np.sort(self.subjects.event[~np.isnan(self.subjects.event)]), 4).tolist(),
            "drift": self.study.drift.family,
            "sites": [
                {
                    "site": site.name,
                    "country": self.study.countries[site.country].country,
                    "opened_day": finite[site.name],
                    "per_month": round(site.per_day * MONTH, 6),
                }
                for site in self.sites
            ],
            "country_factor_each_30_days": {
                country.country: np.round(self.factor[place, ::30], 4).tolist()
                for place, country in enumerate(self.study.countries)
            },
            "changes": [
                {"country": country.country, "day": round(change.at_month * MONTH, 4), "factor": change.factor}
                for country in self.study.countries
                for change in country.changes
            ],
        }


def stream(seed: int, study: int, purpose: int, place: int = 0) -> np.random.Generator:
    """Give the generator of one purpose, of one place (a site, a country) of one study."""
    return np.random.Generator(np.random.Philox(key=[seed % 2**64, (study << 40) | (purpose << 32) | place]))


def draw_truth(study: SimulatedStudy, seed: int, number: int) -> StudyTruth:
    """Draw the truth of a study.

    Parameters
    ----------
    study : SimulatedStudy
    seed : int
    number : int
        Place of the study in its simulation, 0 to 2^20: names its streams.
    """
    days = int(np.ceil(study.months * MONTH)) + 1
    factor = _factors(study, seed, number, days)
    sites = _sites(study, seed, number)
    columns = [_subjects(study, site, place, factor, seed, number) for place, site in enumerate(sites)]
    subjects = TrueSubjects(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
    subjects = _stop_caps(study, sites, subjects)
    counted = np.sort(getattr(subjects, study.counts))
    counted = counted[~np.isnan(counted)]
    reached = float(counted[study.subjects - 1]) if counted.size >= study.subjects else np.inf
    return StudyTruth(study, sites, factor, _kept(subjects, subjects.prescreened <= reached), reached)


def _factors(study: SimulatedStudy, seed: int, number: int, days: int) -> Floats:
    """Give what multiplies each country's rates on each day, shape (countries, days)."""
    day = np.arange(days, dtype=np.float64)
    factor = np.tile(_drift(study.drift, day, stream(seed, number, _DRIFT)), (len(study.countries), 1))
    for place, country in enumerate(study.countries):
        for change in country.changes:
            factor[place, day >= change.at_month * MONTH] *= change.factor
        for action in study.actions:
            if action.kind == "boost" and action.country == country.country:
                factor[place, day >= in_effect(action)] *= action.factor
    return factor


def in_effect(action: Action) -> float:
    """Give the day from which an action works."""
    return action.at_month * MONTH + action.lead_days


def _drift(drift: Drift, day: Floats, rng: np.random.Generator) -> Floats:
    if drift.family == "random_walk":
        return np.asarray(np.exp(np.cumsum(rng.normal(0.0, drift.size / np.sqrt(YEAR), day.size))))
    if drift.family == "decay":
        return np.asarray((1.0 - drift.size) ** (day / YEAR))
    if drift.family == "season":
        return np.asarray(1.0 + drift.size * np.cos(2.0 * np.pi * day / YEAR))
    if drift.family == "halving":
        return np.where(day >= drift.at_month * MONTH, drift.size, 1.0)
    return np.ones_like(day)


def _sites(study: SimulatedStudy, seed: int, number: int) -> tuple[TrueSite, ...]:
    """Draw the sites: those of the plan by country, then those that actions open. Each has its own stream."""
    made: list[TrueSite] = []
    for place, country in enumerate(study.countries):
        closed = min(
            (in_effect(a) for a in study.actions if a.kind == "close" and a.country == country.country), default=np.inf
        )
        for i in range(country.sites):
            share = (i + 0.5) / country.sites
            planned = (country.open_from + (country.open_to - country.open_from) * share) * MONTH
            rng = stream(seed, number, _SITE, (place << 16) | i)
            made.append(_site(country, place, i, planned, closed, study.site_shape, rng))
    for action in study.actions:
        made += _added(study, action, made, seed, number)
    return tuple(made)


def _site(
    country: SimulatedCountry,
    place: int,
    i: int,
    planned: float,
    closed: float,
    shape: float,
    rng: np.random.Generator,
) -> TrueSite:
    rate = float(rng.gamma(shape, country.per_month / shape)) / MONTH
    spread = (country.delay_sd_days / max(country.delay_days, 1e-9)) ** 2  # gamma of that mean and SD
    delay = float(rng.gamma(1.0 / spread, country.delay_days * spread)) if country.delay_days > 0 else 0.0
    opened = np.inf if rng.random() < country.never_open else planned + delay
    return TrueSite(f"{country.country}-{i + 1:02d}", place, planned, opened, closed, rate, 0.0)


def _added(study: SimulatedStudy, action: Action, made: list[TrueSite], seed: int, number: int) -> list[TrueSite]:
    places = [p for p, country in enumerate(study.countries) if country.country == action.country]
    if action.kind != "open_sites" or not places:
        return []
    place, start = places[0], sum(site.country == places[0] for site in made)
    found = []
    for i in range(start, start + action.sites):
        rng = stream(seed, number, _SITE, (place << 16) | i)
        rate = float(rng.gamma(study.site_shape, action.per_month / study.site_shape)) / MONTH
        opened = in_effect(action) + float(rng.exponential(10.0))  # sites do not all open on one day (assumed)
        name = f"{action.country}-{i + 1:02d}"
        found.append(TrueSite(name, place, in_effect(action), opened, np.inf, rate, action.at_month * MONTH))
    return found


def _subjects(
    study: SimulatedStudy, site: TrueSite, place: int, factor: Floats, seed: int, number: int
) -> tuple[Any, ...]:  # Any: the columns of TrueSubjects, floats and ints
    funnel = study.funnel
    passed = funnel.consent * funnel.screened * (1.0 - sum(failure.share for failure in funnel.failures))
    arrivals = _arrivals(
        site, site.per_day / max(passed, 1e-6), factor[site.country], stream(seed, number, _ARRIVALS, place)
    )
    n = arrivals.size
    u = stream(seed, number, _SUBJECTS, place).random((n, _MARKS))
    wait = -np.log1p(-u)  # unit exponentials
    prescreened = arrivals
    consented = np.where(u[:, 0] < funnel.consent, prescreened + funnel.consent_days * wait[:, 1], np.nan)
    screened = np.where(u[:, 2] < funnel.screened, consented + funnel.screen_days * wait[:, 3], np.nan)
    # a gamma of shape 2, as the sum of two exponentials, cut where screening may last no longer
    result = screened + np.minimum(funnel.result_days * 0.5 * (wait[:, 4] + wait[:, 5]), funnel.screening_days)
    reason = _reasons(study, screened, u[:, 6])
    failed = np.where(reason >= 0, result, np.nan)
    enrolled = np.where(reason < 0, result, np.nan)
    randomised = enrolled + funnel.randomise_days * wait[:, 7]
    start = enrolled if study.counts == "enrolled" else randomised
    event, withdrawn, lost, completed = _followed(study, start, u, wait)
    stratum = np.full(n, -1, dtype=np.int64)
    if study.strata:
        edges = np.cumsum([share for _, share in study.strata])
        stratum = np.minimum(np.searchsorted(edges / edges[-1], u[:, 13]), len(study.strata) - 1).astype(np.int64)
    own = np.full(n, place, dtype=np.int64)
    days = (prescreened, consented, screened, failed, enrolled, randomised, event, withdrawn, lost, completed)
    return (own, np.arange(1, n + 1, dtype=np.int64), stratum, reason, *days)


def _arrivals(site: TrueSite, per_day: float, factor: Floats, rng: np.random.Generator) -> Floats:
    """Draw the days of arrival: a unit Poisson process in the time of the summed rate."""
    days = factor.size
    begin, end = min(site.opened, days), min(site.closed, days)
    edges = np.arange(days + 1, dtype=np.float64)
    share = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin), 0.0, 1.0)
    total = np.concatenate([[0.0], np.cumsum(per_day * factor * share)])
    found: list[float] = []
    at = 0.0
    while len(found) < _MOST_ARRIVALS:
        at += float(rng.standard_exponential())
        if at >= total[-1]:
            break
        day = int(np.searchsorted(total, at, side="right")) - 1
        rate = per_day * factor[day]
        found.append(float(max(day, begin) + (at - total[day]) / rate))
    return np.array(found)


def _reasons(study: SimulatedStudy, screened: Floats, u: Floats) -> Ints:
    """Say why each fails, -1 for those who pass. A relaxed criterion takes fewer from its day on."""
    reason = np.full(u.size, -1, dtype=np.int64)
    below = np.zeros(u.size)
    for place, failure in enumerate(study.funnel.failures):
        share = np.full(u.size, failure.share)
        for action in study.actions:
            if action.kind == "relax" and action.reason == failure.reason:
                share = np.where(screened >= in_effect(action), share * action.factor, share)
        reason[(u >= below) & (u < below + share)] = place
        below = below + share
    reason[np.isnan(screened)] = -1
    return reason


def _followed(study: SimulatedStudy, start: Floats, u: Floats, wait: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Give the days of event, withdrawal, loss and completion of those who were counted."""
    follow = study.follow_up
    end = start + follow.months * MONTH
    left = start + (wait[:, 8] / follow.dropout_per_year * YEAR if follow.dropout_per_year > 0 else np.inf)
    gone = left < end
    exit_day = np.minimum(left, end)
    event = np.full(start.size, np.nan)
    if follow.events_per_year > 0:
        event = start + YEAR * (wait[:, 9] / follow.events_per_year) ** (1.0 / follow.event_shape)
        event = np.where(event <= exit_day, event, np.nan)
    by_choice = u[:, 10] < 0.6  # of those who leave, the share that withdraws; the others are lost (assumed)
    withdrawn = np.where(gone & by_choice, left, np.nan)
    lost = np.where(gone & ~by_choice, left, np.nan)
    return event, withdrawn, lost, np.where(gone, np.nan, end)


def _stop_caps(study: SimulatedStudy, sites: tuple[TrueSite, ...], subjects: TrueSubjects) -> TrueSubjects:
    """A country that has brought its cap takes in nobody more; those in screening then go on."""
    country = np.array([site.country for site in sites], dtype=np.int64)[subjects.site]
    keep = np.ones(subjects.site.size, dtype=bool)
    for place, one in enumerate(study.countries):
        if one.cap is None:
            continue
        own = country == place
        counted = np.sort(getattr(subjects, study.counts)[own])
        counted = counted[~np.isnan(counted)]
        full = counted[one.cap - 1] if 0 < one.cap <= counted.size else (-np.inf if one.cap == 0 else np.inf)
        keep &= ~own | (subjects.prescreened <= full)
    return _kept(subjects, keep)


def _kept(subjects: TrueSubjects, keep: NDArray[np.bool_]) -> TrueSubjects:
    return TrueSubjects(*(getattr(subjects, name)[keep] for name in TrueSubjects.__slots__))
