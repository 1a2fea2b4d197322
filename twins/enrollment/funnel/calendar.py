"""How open a day is for enrollment in each country: weekends and holidays as a factor on exposure, 1 on the mean day.

The week's pattern and what a holiday leaves are learned from the study's own days, held towards a prior. Which day of
the week the origin was does not matter: phases are days since it modulo 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.study import Floats, Study

WEEK = 7
EVEN = 20.0  # assumed: subjects' worth of a week without a pattern, each day of the week
HOLIDAY, HOLIDAY_PRIOR = 0.3, 5.0  # assumed: what a holiday leaves of a day before any was seen, worth five subjects


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a day is worth: `week` (7,) by day since the origin modulo 7, mean 1; `holiday` multiplies it."""

    week: Floats
    holiday: float


def learn_calendar(study: Study) -> Calendar:
    """Learn the week's pattern, and what holidays leave, from the days at which subjects reached the milestone."""
    sites, spans = study.sites, study.spans
    first = int(np.floor(np.min(spans.start, initial=study.as_of)))
    days = max(int(np.ceil(study.as_of)) - first, 1)
    closed = holidays(study, first, days)
    day = np.arange(first, first + days)
    opens = np.clip(np.minimum(spans.end[:, None], day + 1) - np.maximum(spans.start[:, None], day), 0.0, 1.0)
    exposure = np.zeros((len(study.countries), days))
    np.add.at(exposure, sites.country[spans.site], opens)
    happened: Floats = study.counting_days
    place = np.floor(np.where(np.isnan(happened), first - 1.0, happened)).astype(np.int64) - first
    use = (place >= 0) & (place < days)
    came = np.zeros((len(study.countries), days))
    np.add.at(came, (sites.country[study.subjects.site[use]], place[use]), 1.0)
    rate = came.sum(axis=1, keepdims=True) / np.maximum(exposure.sum(axis=1, keepdims=True), 1e-9)
    expected, phase = rate * exposure, day % WEEK
    usual = np.bincount(phase, (came * ~closed).sum(axis=0), minlength=WEEK)
    held = np.bincount(phase, (expected * ~closed).sum(axis=0), minlength=WEEK)
    week = (usual + EVEN) / (held + EVEN)
    week /= week.mean()
    due = float((expected * week[phase])[closed].sum())
    return Calendar(week, (float(came[closed].sum()) + HOLIDAY_PRIOR * HOLIDAY) / (due + HOLIDAY_PRIOR))


def holidays(study: Study, first: int, days: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Say which days are holidays of each country, shape (c, days), from day `first` since the origin on."""
    found = np.zeros((len(study.countries), days), dtype=np.bool_)
    for row, country in zip(found, study.countries, strict=True):
        for start, end in country.holidays:
            row[max(int(np.floor(start)) - first, 0) : max(int(np.ceil(end)) - first, 0)] = True
    return found


def open_weights(study: Study, first: int, days: int, calendar: Calendar | None = None) -> Floats:
    """Give what each day is worth in each country: a factor on the exposure of its sites.

    Parameters
    ----------
    first, days : int
        The first day since the origin, and how many.
    calendar : Calendar, optional
        Learned or configured; learned from the study without.

    Returns
    -------
    array, shape (c, days)
        1 is the mean day that is no holiday.
    """
    calendar = learn_calendar(study) if calendar is None else calendar
    week = calendar.week[np.arange(first, first + days) % WEEK]
    return np.asarray(np.where(holidays(study, first, days), calendar.holiday, 1.0) * week)
