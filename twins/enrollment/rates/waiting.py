"""How long a site that opens is silent: nobody can have reached the counting milestone before screening took its time.

Who counts today came to the site as long ago as the funnel takes. So a site that has been open for `a` days has brought
as many as one seen at once would in the mean of (a - D)+ days over the delay D; after it closes or pauses, those in
screening still come. D stands as a few values of equal weight, `NO_LAGS` where nothing but the milestone is told.
"""

from __future__ import annotations

import numpy as np

from twins.enrollment.study import OPEN, Floats, Ints, Spans, Study

NO_LAGS = np.zeros(1)  # [d]


def delayed(spans: Spans, lags: Floats, as_of: float) -> Spans:
    """Move each span by each lag, none beyond now: of each site and lag a span of its own."""
    start, end = (np.minimum(days + lags[:, None], as_of).reshape(-1) for days in (spans.start, spans.end))
    return Spans(np.tile(spans.site, len(lags)), start, end)


def young(study: Study, lags: Floats) -> Ints:
    """Give the spans of open sites that began so lately that a subject of their first day may not count yet."""
    spans = study.spans
    late = spans.start + lags.max() > study.as_of
    return np.flatnonzero(late & (spans.end >= study.as_of) & (study.sites.status[spans.site] == OPEN))


def ripening(starts: Floats, lags: Floats, edges: Floats) -> Floats:
    """Give how many days of each step to come bring subjects, of sites open since their starts (k,): shape (k, f)."""
    first = np.maximum(starts[:, None, None] + lags[:, None], edges[:-1])
    found: Floats = np.clip(edges[1:] - first, 0.0, None).mean(axis=1)
    return found


def ripe_share(study: Study, lags: Floats, edges: Floats, rate: Floats) -> Floats:
    """Give what share of the rates (d, s) of its open sites each country has in steps to come, shape (d, c, f)."""
    countries = len(study.countries)
    out = np.ones((len(rate), countries, len(edges) - 1))
    those = young(study, lags)
    site, is_open = study.spans.site[those], study.sites.status == OPEN
    missing = 1.0 - ripening(study.spans.start[those], lags, edges) / np.diff(edges)
    for place in np.unique(study.sites.country[site]):
        whole = rate[:, is_open & (study.sites.country == place)].sum(axis=1)
        here = study.sites.country[site] == place
        out[:, place] -= rate[:, site[here]] @ missing[here] / np.maximum(whole, 1e-300)[:, None]
    return out
