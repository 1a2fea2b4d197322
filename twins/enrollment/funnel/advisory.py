"""The advisory lane of the funnel: predictors that learn online, shown beside the model and never in its place.

It needs river (extra `online-ml`), which loads only when asked. It reads a study and changes nothing: no forecast, no
posterior and no alert rests on what it says. It says which version of what spoke, and from which days it has learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from schemas.errors import MissingExtraError
from twins.enrollment.funnel.steps import FELL, PASSED, WAITS, Entrants, entrants
from twins.enrollment.study import OPEN, Floats, Ints, Study, by_bin

if TYPE_CHECKING:
    from twins.enrollment.funnel.learned import Counts, Failures, Kept

VERSION = 1  # of inputs and learners: raise it when the same facts would teach something else
MOST = 20_000  # of examples, the latest: what one saying may cost
WINDOW = 28  # days of a site's performance
LEAST = 100  # assumed: examples before a saying counts as more than a guess
OF_SUBJECT = ("site failed", "country failed", "months open", "in screening", "days before")
OF_SITE = ("rate so far", "last window", "months open", "rate of country")


@dataclass(frozen=True, slots=True)
class Predictor:
    """Who speaks, from what it learned, and how good it was on what it had not seen.

    `first`, `last`: days of the first and last outcome learned from, NaN without any. `gain`: part of the plain mean's
    squared error that it saved. `useful`: with enough examples, a gain, and no drift standing.
    """

    model: str
    library: str
    first: float
    last: float
    examples: int
    gain: float
    drifting: bool
    drifts: int
    useful: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """What the lane says, for people to look at: of subjects in screening, and of sites that are open.

    `subjects` (n,) index the study's, `fails` (n,) is the chance of each to fail screening. `sites` (m,) index the
    study's, `brings` (m,) is what each is expected to bring in the next 28 days.
    """

    subjects: Ints
    fails: Floats
    of_failures: Predictor
    sites: Ints
    brings: Floats
    of_sites: Predictor
    lane: str = "advisory"


def advise(study: Study) -> Advice:
    """Learn from a study's outcomes one by one, and say what to make of those that are still out.

    Raises
    ------
    MissingExtraError
        If river is not installed.
    """
    try:
        from twins.enrollment.funnel.learned import RIVER, Counts, Failures
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("river", "narwhals"):
            raise
        raise MissingExtraError("river", "online-ml") from None
    screen = next((step for step in entrants(study) if step.begins == "screened"), None)
    failures, counts = Failures(OF_SUBJECT), Counts(OF_SITE)
    subjects, fails, window = _subjects(study, screen, failures)
    sites, brings, span = _sites(study, counts)
    return Advice(
        subjects, fails, _predictor("failures", failures.kept, window, RIVER),
        sites, brings, _predictor("sites", counts.kept, span, RIVER),
    )  # fmt: skip


def _predictor(name: str, kept: Kept, window: tuple[float, float], river: str) -> Predictor:
    drifting, drifts = kept.drifts
    useful = kept.examples >= LEAST and kept.gain > 0.0 and not drifting
    return Predictor(f"{name}@{VERSION}", f"river {river}", *window, kept.examples, kept.gain, drifting, drifts, useful)


def _subjects(study: Study, screen: Entrants | None, learner: Failures) -> tuple[Ints, Floats, tuple[float, float]]:
    """Go through the days of screening: an input stands when screening begins, its outcome teaches when it ends."""
    if screen is None or len(screen.of) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0), (np.nan, np.nan)
    s, country = study.subjects, study.sites.country
    began = s.screened[screen.of]
    late = (screen.outcome == WAITS) & (screen.after > screen.limit)
    ended = began + np.minimum(screen.after, np.where(late, screen.limit, np.inf))
    outcome = np.where(late, FELL, screen.outcome)
    keep = np.argsort(began, kind="stable")[-MOST:]
    events = sorted([(began[i], 1, i) for i in keep] + [(ended[i], 0, i) for i in keep if outcome[i] != WAITS])
    before = began - np.fmin(np.fmin(s.prescreened[screen.of], s.consented[screen.of]), began)
    months = np.maximum(began - np.nan_to_num(study.sites.opened)[screen.site], 0.0) / 30.0
    site_told, country_told = np.zeros((len(country), 2)), np.zeros((len(study.countries), 2))
    busy, inputs = np.zeros(len(country)), np.zeros((len(began), len(OF_SUBJECT)))
    for _, begins, i in events:
        site = screen.site[i]
        if begins:
            inputs[i] = (_share(site_told[site]), _share(country_told[country[site]]), months[i], busy[site], before[i])
            busy[site] += 1.0
            continue
        failed = outcome[i] != PASSED
        learner.learn(inputs[i].tolist(), bool(failed))
        busy[site] -= 1.0
        site_told[site, int(failed)] += 1.0
        country_told[country[site], int(failed)] += 1.0
    waits = keep[outcome[keep] == WAITS]
    told = ended[keep][outcome[keep] != WAITS]
    window = (float(told.min()), float(told.max())) if len(told) else (np.nan, np.nan)
    return screen.of[waits], np.array([learner.say(inputs[i].tolist()) for i in waits]), window


def _share(told: Floats) -> float:
    return float((told[1] + 1.0) / (told.sum() + 2.0))


def _sites(study: Study, learner: Counts) -> tuple[Ints, Floats, tuple[float, float]]:
    """Go through whole windows that end now, oldest first; a site teaches in those in which it was open throughout."""
    began = float(np.min(study.spans.start, initial=study.as_of))
    windows = min(int((study.as_of - began) // WINDOW), MOST // max(len(study.sites), 1))
    edges = study.as_of - WINDOW * np.arange(windows, -1, -1.0)
    came, opened = by_bin(study, edges) if windows else (np.zeros((len(study.sites), 0)),) * 2
    first = np.nan
    for place in range(1, windows):
        rows = np.flatnonzero(opened[:, place] >= WINDOW - 1e-6)
        for site, x in zip(rows.tolist(), _inputs(study, came, opened, place, rows), strict=True):
            learner.learn(x, int(came[site, place]))
            first = edges[place + 1] if np.isnan(first) else first
    sites = np.flatnonzero(study.sites.status == OPEN)
    if windows == 0:
        return sites, np.zeros(len(sites)), (np.nan, np.nan)
    brings = np.array([learner.say(x) for x in _inputs(study, came, opened, windows, sites)])
    return sites, brings, (float(first), study.as_of if learner.kept.examples else np.nan)


def _inputs(study: Study, came: Floats, opened: Floats, place: int, rows: Ints) -> Sequence[list[float]]:
    """Give the inputs of sites as of the beginning of a window: rates are per window, held towards the country's."""
    country = study.sites.country
    count, days = came[:, :place].sum(axis=1), opened[:, :place].sum(axis=1) / WINDOW
    for_country = (np.bincount(country, part, minlength=len(study.countries)) for part in (count, days))
    usual = (next(for_country) + 0.5) / (next(for_country) + 1.0)
    rate = (count + usual[country]) / (days + 1.0)
    columns = np.stack([np.sqrt(rate), np.sqrt(came[:, place - 1]), days, np.sqrt(usual[country])], axis=1)
    return [row.tolist() for row in columns[rows]]
