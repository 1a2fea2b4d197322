"""What the models make of a study, each asked once: the one place where they meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from twins.enrollment import detection, rates, survival
from twins.enrollment import funnel as screening
from twins.enrollment.ahead import Ahead
from twins.enrollment.drawing import Drawn, draw_course
from twins.enrollment.reading import Reading
from twins.enrollment.study import MONTH, OPEN, Floats

SEED = 20_260_101  # of draws behind a forecast: the same facts give the same numbers
PLAN_SD = 0.7  # assumed: sd of ln of a study's rates about its plan; a third of sites miss theirs (Tufts 2013)
EVENT_DRAWS = 256
EVENT_STEPS = 48  # of the time until the last day asked


@dataclass(frozen=True)
class Beliefs:
    """What is believed of one study as of its clock. Each part is worked out when it is first asked for."""

    reading: Reading

    @cached_property
    def posterior(self) -> rates.Posterior:
        """What is believed of the rates."""
        study = self.reading.study
        told = self.reporting
        complete = None if told.learned == 0 else partial(told.complete, study.as_of)
        return rates.learn(study, self._settings, complete, screening.lags(study, self.funnel))

    @property
    def _settings(self) -> rates.RateSettings:
        """The rate model's own settings, with what is planned of a site's rate as what is expected of it at first."""
        known = self.planned_rates[np.isfinite(self.planned_rates)]
        if not len(known):
            return rates.RateSettings()
        return rates.RateSettings(level=(float(np.median(known)) * MONTH, PLAN_SD))

    @cached_property
    def planned_rates(self) -> Floats:
        """Planned rate of each site while open [1/d], shape (s,); NaN where nothing is planned."""
        return np.array([site.per_month for site in self.reading.plan.sites]) / MONTH

    @cached_property
    def findings(self) -> detection.Findings:
        """What was found to have changed, and how the sites stand."""
        known = self.planned_rates
        typical = float(np.nanmean(known)) if np.isfinite(known).any() else np.nan
        expected = np.where(np.isnan(known), typical, known)
        told = np.isfinite(expected).all() and len(expected) > 0
        return detection.watch(self.reading.study, expected=expected if told else None)

    @cached_property
    def reporting(self) -> screening.Reporting:
        """How long it takes until a subject is reported."""
        return screening.learn_reporting(self.reading.study)

    @cached_property
    def funnel(self) -> screening.Funnel:
        """The screening funnel."""
        return screening.funnel(self.reading.study, self.reporting)

    @cached_property
    def unreported(self) -> screening.Nowcast:
        """What has happened and is not reported yet."""
        return screening.nowcast(self.reading.study, self.reporting)

    def outlook(self, days: Floats) -> rates.Outlook:
        """Say what is to be expected by some days to come, of the study and its countries."""
        now = self.unreported
        missing = rates.Unreported(now.total, now.total_variance)
        return rates.outlook(self.posterior, self.reading.study, days, missing, sites=False)

    def ahead(self, steps: Floats, draws: int, new_sites: int = 0, seed: int = SEED) -> Ahead:
        """Draw what enrollment may do over some steps."""
        return rates.draw(self.posterior, self.reading.study, seed, draws, steps, new_sites)

    @cached_property
    def drawn(self) -> Drawn:
        """The draws that its money rests on."""
        return draw_course(self.reading, self.ahead, self.screened)

    @property
    def screened(self) -> float:
        """How many are screened for one who reaches the counting milestone: 1 or more."""
        chance = 1.0
        for step in self.funnel.steps:
            if step.entrants.begins not in ("prescreened", "consented") and step.entrants.begins != self._milestone:
                chance *= float(step.chance.study.mean[0])
        return max(1.0 / max(chance, 0.02), 1.0)

    @property
    def _milestone(self) -> str:
        return self.reading.study.milestone

    def events(self, days: Floats) -> survival.Outlook | None:
        """Forecast the events of an event-driven trial; None where none are counted, or nobody is at risk."""
        study, plan = self.reading.study, self.reading.plan
        if plan.events is None or not len(study.counted):
            return None
        last = max(float(days[-1]), *(target.day for target in study.targets)) + 365.25
        steps = np.linspace(study.as_of, last, EVENT_STEPS + 1)
        ahead = self.ahead(steps, EVENT_DRAWS)
        left = max(plan.subjects - len(study.counted), 0)
        coming = survival.arrivals(steps, _together(self.reading, ahead), left, SEED) if left else None
        return survival.forecast_events(study, days, coming, draws=EVENT_DRAWS, seed=SEED)

    @cached_property
    def flight(self) -> screening.InFlight:
        """Who comes in the end of those in the funnel: no day in between is asked."""
        return screening.in_flight(self.reading.study, self.funnel, days=0)

    @cached_property
    def stop(self) -> screening.Stop:
        """When screening may stop."""
        study, plan = self.reading.study, self.reading.plan
        return screening.stop_screening(
            study, plan.subjects, self.flight, self.unreported, screening.arrivals(study, self.funnel)
        )  # fmt: skip

    @cached_property
    def shortfall(self) -> detection.Shortfall | None:
        """What is missing against the plan, by cause; None where the plan says no rates."""
        plan, study = self.reading.plan, self.reading.study
        planned = plan.expected(np.array([study.as_of]))
        if planned is None or not np.isfinite(self.planned_rates).any():
            return None
        # Plans say no screen failures: what fails as much as everywhere is part of their rates.
        failing = float(np.mean(~np.isnan(study.subjects.failed))) if len(study.subjects) else 0.0
        sites = detection.SitePlan(np.nan_to_num(self.planned_rates), np.full(len(plan.sites), failing))
        return detection.explain_shortfall(study, sites, float(planned[0]))


def _together(reading: Reading, ahead: Ahead) -> Floats:
    """Give the rate of the whole study in each draw and step [1/d], shape (d, m)."""
    start, end = ahead.steps[:-1], ahead.steps[1:]
    opened = np.clip((end - ahead.opens[:, :, None]) / (end - start), 0.0, 1.0)  # (d, s, m)
    each = ahead.site_rate[:, :, None] * opened
    of_country = np.zeros((len(each), len(reading.study.countries), len(start)))
    for place in range(len(reading.study.countries)):
        of_country[:, place] = each[:, reading.study.sites.country == place].sum(axis=1)
    total: Floats = (of_country * ahead.factor).sum(axis=1)
    return total


def open_sites(reading: Reading) -> int:
    """Count the sites that are open."""
    return int((reading.study.sites.status == OPEN).sum())
