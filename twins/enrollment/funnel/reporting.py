"""How long it takes until a subject's enrolment is known, learned from those that are: the slow ones are still missing.

Delays are counted in calendar days, since data are entered in batches, and some days of the week see none. A study of
yet unknown subjects is truncated on the right: only delays that ended by now are seen. Looked at backwards in time,
from the longest delay to the shortest, that is the ordinary estimate of a hazard.

Source
------
Lawless 1994, Canad. J. Statist. 22:15, section 3 (reverse-time hazards under right truncation, and their variance);
Kalbfleisch and Lawless 1991, Statist. Sinica 1:19. The pattern over the week multiplies the forward hazard of a day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import Floats, Ints, Study

LONGEST = 120  # days; a longer delay counts as so long
WEEK = 7
FLOOR = 0.05  # assumed: what is known of a day is never held to be less, so that one subject never counts as a crowd
DOUBT = 0.1  # assumed: subjects added to each risk set, so that a single slow one does not empty the days before it
WEEKLY_FROM = 40  # assumed: subjects all of whose delays would be known by now, before a weekly pattern is learned
WEEKLY_PRIOR = 2.0  # assumed: reports worth of a week without a pattern, each day of the week
KIN = 20.0  # assumed: subjects at risk as which the whole study counts in each of its countries
LOAD_DELAY, LOAD_SHARE, LOAD_LEAST = 14, 0.2, 10  # assumed: one day that brings so much so late is a load of old data


@dataclass(frozen=True, slots=True)
class Reporting:
    """How likely what happened is known after so many days.

    `by` (7, k): chance that it is known by the end of the j-th calendar day after, for each day of the week on which it
    happened (days since the study's origin modulo 7); 1 in the last column. `countries` (c, 7, k): the same of each
    country. `spread` (7,): share of what happens on each. `doubt` (k,): standard deviation of the logarithm of `by`.
    `learned`: reports that it was learned from; with none, all is known at once.
    """

    by: Floats
    countries: Floats
    spread: Floats
    doubt: Floats
    learned: int

    @property
    def longest(self) -> int:
        """Days after which all is known."""
        return int(self.by.shape[1])

    def seen(self, age: Floats) -> Floats:
        """Give the share of a day's outcomes that have come and are known, so many days after the day began."""
        known = np.concatenate([[0.0], self.spread @ self.by])
        return np.asarray(np.minimum(np.interp(age, np.arange(self.longest + 1), known), 1.0))

    def complete(self, as_of: float, edges: Floats, country: int | None = None) -> Floats:
        """Give what share of what happened in each bin is known by now: multiply exposure by it.

        Parameters
        ----------
        as_of : float
            Now [d].
        edges : array, shape (b + 1,)
            Ascending [d]. Of a bin that ends after now, the part before counts; one that begins then has 1.
        country : int, optional
            Index of a country; of the whole study without.

        Returns
        -------
        array, shape (b,)
            From 0.05 to 1.
        """
        first = int(np.floor(edges[0]))
        days = np.arange(first, max(int(np.ceil(min(edges[-1], as_of))), first + 1))
        known = self.complete_days(as_of, days, country)
        within = np.minimum(np.arange(first, first + len(days) + 1, dtype=np.float64), as_of)
        total = np.concatenate([[0.0], np.cumsum(known * np.diff(within))])
        ends = np.clip(edges, within[0], max(as_of, within[0]))
        length = np.diff(ends)
        share = np.diff(np.interp(ends, within, total)) / np.where(length > 0.0, length, 1.0)
        return np.asarray(np.where(length > 0.0, share, 1.0))

    def complete_days(self, as_of: float, days: Ints, country: int | None = None) -> Floats:
        """Give the same of whole days since the origin, shape (n,); of today, of what has happened until now."""
        by = self.by if country is None else self.countries[country]
        age = np.clip(as_of - days, 0.0, self.longest)
        low = np.maximum(age.astype(np.int64), 1)
        week = days % WEEK
        before, after = by[week, low - 1], by[week, np.minimum(low, self.longest - 1)]
        return np.asarray(np.maximum(before + (after - before) * np.maximum(age - low, 0.0), FLOOR))


def at_once(countries: int) -> Reporting:
    """Give what holds where all is known at once."""
    even = np.full(WEEK, 1.0 / WEEK)
    return Reporting(np.ones((WEEK, 1)), np.ones((countries, WEEK, 1)), even, np.zeros(1), 0)


def learn_reporting(study: Study, *, weekly: bool = True) -> Reporting:
    """Learn how long reports take from those that came.

    Parameters
    ----------
    study : Study
        With `reported` of its subjects; where none has it, all counts as known at once.
    weekly : bool
        Whether to look for a pattern over the week.
    """
    s = study.subjects
    happened: Floats = study.counting_days
    told = ~np.isnan(happened) & ~np.isnan(s.reported)
    day = np.floor(happened[told]).astype(np.int64)
    known = np.floor(happened[told] + np.maximum(s.reported[told], 0.0)).astype(np.int64)
    today = int(np.floor(study.as_of))
    use = (known < today) & (day >= _since(day, known))
    day, known, country = day[use], known[use], study.sites.country[s.site[told][use]]
    if len(day) == 0 or not np.any(known > day):
        return at_once(len(study.countries))
    delay = np.minimum(known - day, LONGEST)
    limit = np.minimum(today - 1 - day, LONGEST)  # the longest delay that could have been seen
    size, groups = int(delay.max()) + 1, len(study.countries) + 1
    came, risk = _risk_sets(delay, limit, country, size, groups)
    hazard = came[-1] / (risk[-1] + DOUBT)
    hazards = np.concatenate([(came[:-1] + KIN * hazard) / (risk[:-1] + KIN), hazard[None]])
    by = _backwards(hazards)
    spread = np.bincount(day % WEEK, minlength=WEEK).astype(np.float64) + 1.0
    spread /= spread.sum()
    factor = _week(day, delay, limit, size) if weekly else None
    tilted = np.repeat(by[:, None, :], WEEK, axis=1) if factor is None else _tilt(by, factor, spread)
    step = hazard / ((1.0 - np.minimum(hazard, 0.999)) * (risk[-1] + DOUBT))
    later = np.concatenate([np.cumsum(step[:0:-1])[::-1], [0.0]])
    return Reporting(tilted[-1], tilted[:-1], spread, np.sqrt(later), len(day))


def _since(day: Ints, known: Ints) -> int:
    """Give the day from which reports tell of their delay: that of the last load of old data, if there was one."""
    late = known[known - day > LOAD_DELAY]
    if len(late) == 0:
        return -(2**31)
    when, count = np.unique(late, return_counts=True)
    loads = when[count >= max(LOAD_LEAST, LOAD_SHARE * len(day))]
    return int(loads.max()) if len(loads) else -(2**31)


def _risk_sets(delay: Ints, limit: Ints, country: Ints, size: int, groups: int) -> tuple[Floats, Floats]:
    """Count what came at each delay, and what was no later and could have been seen: of each country, and of all."""
    came, past = np.zeros((groups, size)), np.zeros((groups, size + 1))
    np.add.at(came, (country, delay), 1.0)
    np.add.at(past, (country, np.minimum(limit, size - 1) + 1), 1.0)
    came[-1], past[-1] = came[:-1].sum(axis=0), past[:-1].sum(axis=0)
    return came, came.cumsum(axis=1) - past.cumsum(axis=1)[:, :size]


def _backwards(hazard: Floats) -> Floats:
    """Give the chance of a delay no longer than each, from hazards in reverse time, (..., k)."""
    left = 1.0 - hazard[..., :0:-1]
    by = np.cumprod(left, axis=-1)[..., ::-1]
    return np.concatenate([by, np.ones((*hazard.shape[:-1], 1))], axis=-1)


def _week(day: Ints, delay: Ints, limit: Ints, size: int) -> Floats | None:
    """Learn by how much each day of the week multiplies the hazard to be reported, shape (7,); None: too few to say.

    Of subjects alone who are so long ago that nearly any delay of theirs would be known.
    """
    cut = int(np.quantile(delay, 0.95)) + 1
    old = limit >= cut
    if int(old.sum()) < WEEKLY_FROM or cut < 2:
        return None
    cut = min(cut, size)
    came = np.zeros((WEEK, cut + 1))
    np.add.at(came, (day[old] % WEEK, np.minimum(delay[old], cut)), 1.0)
    risk = came[:, ::-1].cumsum(axis=1)[:, ::-1][:, :cut]
    came = came[:, :cut]
    on = (np.arange(WEEK)[:, None] + np.arange(cut)) % WEEK  # day of the week of the report
    factor = np.ones(WEEK)
    for _ in range(6):
        hazard = came.sum(axis=0) / np.maximum((risk * factor[on]).sum(axis=0), 1e-9)
        expected = np.bincount(on.ravel(), (risk * hazard).ravel(), minlength=WEEK).astype(np.float64)
        seen = np.bincount(on.ravel(), came.ravel(), minlength=WEEK).astype(np.float64)
        factor = (seen + WEEKLY_PRIOR) / (expected + WEEKLY_PRIOR)
    return factor if _uneven(seen, expected, factor) else None


def _uneven(seen: Floats, expected: Floats, factor: Floats) -> bool:
    """Whether reports differ over the week by more than chance: chi-squared with 6 degrees, 1 %: 16.81."""
    even = expected * seen.sum() / max(float(expected.sum()), 1e-9)
    return bool(((seen - even) ** 2 / np.maximum(even, 1.0)).sum() > 16.81) and bool(np.all(np.isfinite(factor)))


def _tilt(by: Floats, factor: Floats, spread: Floats) -> Floats:
    """Spread delays over the week so that on the average of its days they stay what they were, (..., 7, k)."""
    chance = np.diff(by, axis=-1, prepend=0.0)
    left = np.ones((*by.shape[:-1], WEEK))
    out = np.ones((*by.shape[:-1], WEEK, by.shape[-1]))
    phase: NDArray[np.int64] = np.arange(WEEK)
    for delay in range(by.shape[-1] - 1):
        pull = factor[(phase + delay) % WEEK]
        some = left * pull
        hazard = chance[..., delay] / np.maximum(some @ spread, 1e-12)
        left = left * (1.0 - np.minimum(hazard[..., None] * pull, 1.0))
        out[..., delay] = 1.0 - left
    return out
