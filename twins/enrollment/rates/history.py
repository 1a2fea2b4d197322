"""What a study's past says, by site and bin: subjects who came, and days on which they could have come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twins.enrollment.rates.settings import RateSettings
from twins.enrollment.rates.waiting import NO_LAGS, delayed
from twins.enrollment.study import Floats, Spans, Study, by_bin

WEEK = 7.0
Complete = Callable[[Floats], Floats]  # of edges (b + 1,): share of each bin's subjects that is known by now, (b,)


@dataclass(frozen=True, slots=True)
class History:
    """`edges` (p + 1,) of equal bins [d]; `counts` and `exposure` (s, p): subjects, days open (holidays count less)."""

    edges: Floats
    counts: Floats
    exposure: Floats


def history(study: Study, settings: RateSettings, complete: Complete | None = None, lags: Floats = NO_LAGS) -> History:
    """Cut the past into at most `settings.bins` equal bins of a week or more, up to `as_of`.

    Days whose subjects are known in part only count in part; days on which nobody could have come yet, not.
    """
    first = float(study.spans.start.min(initial=study.as_of))
    span = study.as_of - first
    bins = int(np.clip(span // WEEK, 1, settings.bins))
    edges = np.linspace(study.as_of - max(span, 1.0), study.as_of, bins + 1)
    if lags.max() > 0.0:
        study = replace(study, spans=delayed(study.spans, lags, study.as_of))
    counts, open_days = by_bin(replace(study, spans=_until_full(study)), edges)
    open_days = open_days / len(lags)
    share = working(study, edges, settings.holiday)
    if not np.all(share == 1.0):
        open_days = open_days * share[study.sites.country]
    if complete is not None:
        open_days = open_days * complete(edges)
    return History(edges, counts, np.where(counts > 0.0, np.maximum(open_days, 0.5), open_days))


def working(study: Study, edges: Floats, left: float) -> Floats:
    """Give the mean of what holidays leave of a rate, by country and bin, shape (c, b)."""
    share = np.ones((len(study.countries), len(edges) - 1))
    for place, country in enumerate(study.countries):
        for start, end in country.holidays:
            inside = np.clip(np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1]), 0.0, None)
            share[place] -= (1.0 - left) * inside / np.maximum(np.diff(edges), 1e-9)
    return np.maximum(share, left)


def _until_full(study: Study) -> Spans:
    """End the spans of sites that are full, or whose country is, at the last subject: they were not silent since."""
    brought = study.brought_by_site()
    country = study.sites.country
    caps = np.array([one.cap for one in study.countries])
    of_country = study.brought_by_country()
    full = (brought >= study.sites.cap) | (of_country >= caps)[country]
    if not full.any():
        return study.spans
    days = study.counting_days
    reached = ~np.isnan(days)
    last = np.full(len(study.sites), -np.inf)
    np.maximum.at(last, study.subjects.site[reached], days[reached])
    of_all = np.full(len(caps), -np.inf)
    np.maximum.at(of_all, country, last)
    stop = np.where(brought >= study.sites.cap, last, of_all[country])
    until = np.where(full, stop, np.inf)[study.spans.site]
    return Spans(study.spans.site, study.spans.start, np.clip(until, study.spans.start, study.spans.end))
