"""The steps of the funnel as what is watched: outcomes of screening, consents in time, and how fast screening decides.

A screening counts on the day it is decided, a consent when its time is up, so nobody is judged before the answer could
be there. All are judged as of the last day of which nearly all is reported (`settled`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twins.enrollment.detection.exposure import Exposure, reported_share
from twins.enrollment.detection.proportions import Trials, tally
from twins.enrollment.study import Floats, Study

FEW = 10  # assumed: with fewer outcomes in all, a step is not watched


_DAYS = ("prescreened", "consented", "screened", "failed", "enrolled", "randomised", "withdrawn")
SETTLED = 0.95  # share of a day's subjects that must be reported for it to be judged; assumed


def settled(study: Study) -> Study:
    """Give the study as of the last day of which nearly all is reported; of it, the subjects alone are to be used."""
    waits = int(np.argmax(reported_share(study) >= SETTLED))
    if waits == 0:
        return study
    day, old = study.as_of - waits, study.subjects
    known = {name: np.where(getattr(old, name) <= day, getattr(old, name), np.nan) for name in _DAYS}
    return replace(study, as_of=day, subjects=replace(old, **known))


def failures(study: Study, ages: Floats) -> Trials | None:
    """Screenings decided, a failure being the success that is counted."""
    subjects = study.subjects
    passed = study.counting_days
    decided = ~np.isnan(passed) | ~np.isnan(subjects.failed)
    if decided.sum() < FEW or np.isnan(subjects.failed).all():
        return None
    day = np.fmin(passed, subjects.failed)[decided]
    good = np.isnan(passed[decided]).astype(np.float64)
    return tally(study.sites.country[subjects.site[decided]], day, good, study.as_of, ages)


def consents(study: Study, ages: Floats, within: float) -> Trials | None:
    """Pre-screened subjects whose time to consent is up; a consent in time is a success."""
    subjects = study.subjects
    due = subjects.prescreened + within
    use = due <= study.as_of  # never true where there was no pre-screening
    if use.sum() < FEW:
        return None
    good = (subjects.consented[use] <= due[use]).astype(np.float64)
    return tally(study.sites.country[subjects.site[use]], due[use], good, study.as_of, ages)


def speed(study: Study, ages: Floats) -> Exposure | None:
    """Decisions of screening, against how many the hazard of all that were screened lets expect: a site is a country.

    The hazard by days in screening is the study's own (Nelson 1972, Technometrics 14:945, on whole days); a change
    multiplies it. A subject leaves undecided when withdrawn, or after `screening_days`.
    """
    subjects = study.subjects
    use = ~np.isnan(subjects.screened)
    entry = subjects.screened[use]
    decided = np.fmin(study.counting_days, subjects.failed)[use]
    end = np.fmin(subjects.withdrawn[use], study.as_of)
    leave = np.maximum(np.minimum(np.fmin(decided, end), entry + study.screening_days), entry)
    done = decided <= leave
    if done.sum() < FEW:
        return None
    bins = int(np.ceil(study.screening_days)) + 1
    stay = np.minimum((leave - entry).astype(np.int64), bins - 1)
    at_risk = len(stay) - np.concatenate(([0], np.bincount(stay, minlength=bins).cumsum()[:-1]))
    hazard = np.bincount(stay[done], minlength=bins) / np.maximum(at_risk, 1)
    passed = np.concatenate(([0.0], hazard.cumsum()))  # hazard before a whole day of stay
    cuts = np.floor(study.as_of - ages)  # whole days, as stays are
    began, left = np.floor(entry), np.floor(entry) + stay
    present, group = np.unique(study.sites.country[subjects.site[use]], return_inverse=True)
    shape = (len(present), len(ages))

    def since(day: Floats, weight: Floats) -> Floats:
        """Sum the weights of days at or after each cut, and all of them, by country: shape (g, a + 1)."""
        place = np.searchsorted(-cuts, -day, side="left")
        size = (shape[0], shape[1] + 1)
        return np.bincount(group * size[1] + place, weight, minlength=size[0] * size[1]).reshape(size).cumsum(axis=1)

    came, late = since(left, done.astype(np.float64)), since(began, passed[stay + 1])
    count, days = came[:, -1], late[:, -1]
    first, last = (np.searchsorted(-cuts, -each, side="left") for each in (left, began))
    many = last - first  # cuts that fall into a stay: what is left of its hazard then
    who = np.repeat(np.arange(len(stay)), many)
    cut = np.arange(len(who)) - np.repeat(many.cumsum() - many, many) + first[who]
    rest = passed[stay[who] + 1] - passed[(cuts[cut] - began[who]).astype(np.int64)]
    straddling = np.bincount(group[who] * shape[1] + cut, rest, minlength=shape[0] * shape[1]).reshape(shape)
    each, begun = np.arange(len(present)), np.full(len(present), np.inf)
    np.minimum.at(begun, group, entry)
    begun = study.as_of - begun
    since_cut = late[:, :-1] + straddling
    return Exposure(each, present, each, present, count, days, came[:, :-1], since_cut, begun, begun)
