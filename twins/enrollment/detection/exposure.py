"""What came of each site, and how long it could bring, in all and since each day at which a change is sought.

A day counts in full while a site is open and below its cap, as much later as screening takes: a site that opened today
brings nobody yet, and one that paused still decides. A holiday of its country is no day at all: neither its
hours nor its subjects count, so nothing has to be known of how much it takes. A recent day counts by the share of its
subjects that are reported by now, learned from the study's own delays: without it every last fortnight looks like a
fall.

Source
------
Share reported so far, from delays that are cut off by today: the product-limit estimate in reversed time, Kalbfleisch
and Lawless 1991, Statistica Sinica 1:19, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.study import Floats, Ints, Study

FEW_DELAYS = 20  # assumed: with fewer subjects their delays are not learned, and all are held to be reported
LAST_LAG = 120  # a delay beyond this many days is not waited for [d]; assumed, a bound on what is computed


@dataclass(frozen=True, slots=True)
class Exposure:
    """Counts and open days of sites that were open, sorted by country.

    `site` (s,) and `country` (s,) index the study's; `starts` (g,) is where each country's sites begin, `present` (g,)
    which country that is. `count` and `days` (s,) are in all; `late_count` and `late_days` (s, a) since each of the
    ages; `begun` (g,) is how long ago the country's first site opened, `site_begun` (s,) how long ago each did [d].
    """

    site: Ints
    country: Ints
    starts: Ints
    present: Ints
    count: Floats
    days: Floats
    late_count: Floats
    late_days: Floats
    begun: Floats
    site_begun: Floats


def expose(study: Study, ages: Floats) -> Exposure:
    """Count by site, in all and after each `as_of - age`; ages ascend [d]."""
    day = study.counting_days
    came = ~np.isnan(day)
    site, day = study.subjects.site[came], day[came]
    first, weight = _weights(study)
    worked = weight[study.sites.country[site], np.clip((day - first).astype(np.int64), 0, weight.shape[1] - 1)] > 0
    lag = _screening(study)  # who counts today was screened then
    end = np.minimum(np.minimum(study.spans.end + lag, study.as_of), _full(study, site, day)[study.spans.site])
    start = np.minimum(study.spans.start + lag, end)
    began = np.full(len(study.sites), np.inf)
    np.minimum.at(began, study.spans.site, start)
    worked &= day >= began[site]
    clock = _Clock(first, weight)
    cut = np.concatenate(([-np.inf], study.as_of - ages))
    of = study.sites.country[study.spans.site]
    spent = clock.at(of, np.maximum(end[:, None], cut)) - clock.at(of, np.maximum(start[:, None], cut))
    days = np.zeros((len(study.sites), len(cut)))
    np.add.at(days, study.spans.site, spent)
    place = np.searchsorted(ages, study.as_of - day[worked], side="left")  # ages below this one do not reach back
    flat = np.bincount(site[worked] * (len(ages) + 1) + place, minlength=len(study.sites) * (len(ages) + 1))
    since = flat.reshape(len(study.sites), len(ages) + 1).cumsum(axis=1).astype(np.float64)
    keep = np.flatnonzero(days[:, 0] > 0)
    keep = keep[np.argsort(study.sites.country[keep], kind="stable")]
    country = study.sites.country[keep]
    present, starts = np.unique(country, return_index=True)
    opened = np.full(len(study.sites), np.inf)
    np.minimum.at(opened, study.spans.site, study.spans.start)
    begun = study.as_of - np.minimum.reduceat(opened[keep], starts) if len(keep) else np.zeros(0)
    return Exposure(
        keep,
        country,
        starts,
        present,
        since[keep, -1],
        days[keep, 0],
        since[keep, :-1],
        days[keep, 1:],
        begun,
        study.as_of - opened[keep],
    )


def reported_share(study: Study) -> Floats:
    """Share of a day's subjects that are known after 0, 1, 2 ... whole days, shape (`LAST_LAG` + 1,)."""
    day, delay = study.counting_days, study.subjects.reported
    use = ~np.isnan(day) & ~np.isnan(delay)
    if use.sum() < FEW_DELAYS:
        return np.ones(LAST_LAG + 1)
    lag = np.clip(np.ceil(delay[use]), 0, LAST_LAG).astype(np.int64)
    seen = np.clip(np.floor(study.as_of - day[use]), lag, LAST_LAG).astype(np.int64)  # the longest it could have been
    exact = np.bincount(lag, minlength=LAST_LAG + 1)
    # At risk at a lag: those whose delay is no longer, and who could have shown one as long.
    at_risk = exact.cumsum() - np.bincount(np.minimum(seen + 1, LAST_LAG + 1), minlength=LAST_LAG + 2)[:-1].cumsum()
    kept = 1.0 - exact / np.maximum(at_risk, 1)
    kept[0] = 1.0
    share = np.ones(LAST_LAG + 1)
    share[:-1] = kept[:0:-1].cumprod()[::-1]
    return share


def _screening(study: Study) -> float:
    """Mean days from screening to the counting milestone, 0 where no screening is told."""
    took = study.counting_days - study.subjects.screened
    took = took[~np.isnan(took)]
    return float(took.mean()) if len(took) else 0.0


def _full(study: Study, site: Ints, day: Floats) -> Floats:
    """The day at which each site reached its cap, inf where it did not, shape (s,)."""
    full = np.full(len(study.sites), np.inf)
    counts = np.bincount(site, minlength=len(study.sites))
    for each in np.flatnonzero(counts >= study.sites.cap):
        cap = int(study.sites.cap[each])
        full[each] = np.sort(day[site == each])[cap - 1] if cap > 0 else -np.inf
    return full


def _weights(study: Study) -> tuple[float, Floats]:
    """The first whole day, and what each day from it counts in each country, shape (c, days)."""
    first = float(np.floor(study.spans.start.min())) if len(study.spans.start) else np.floor(study.as_of)
    many = max(int(np.ceil(study.as_of - first)), 1)
    age = study.as_of - (first + np.arange(many) + 0.5)
    share = np.interp(age, np.arange(LAST_LAG + 1.0), reported_share(study))
    weight = np.repeat(share[None, :], len(study.countries), axis=0)
    for row, country in zip(weight, study.countries, strict=True):
        for begin, end in country.holidays:
            row[max(int(np.floor(begin - first)), 0) : max(int(np.ceil(end - first)), 0)] = 0.0
    return first, weight


class _Clock:
    """Days that count, up to an instant, by country."""

    def __init__(self, first: float, weight: Floats) -> None:
        self._first, self._weight = first, weight
        self._sum = np.concatenate((np.zeros((len(weight), 1)), weight.cumsum(axis=1)), axis=1)

    def at(self, country: Ints, day: Floats) -> Floats:
        """Sum the days before `day` (k, a) in the country of each row."""
        place = np.clip(day - self._first, 0.0, self._weight.shape[1])
        whole = np.minimum(place.astype(np.int64), self._weight.shape[1] - 1)
        row = country[:, None]
        result: Floats = self._sum[row, whole] + (place - whole) * self._weight[row, whole]
        return result
