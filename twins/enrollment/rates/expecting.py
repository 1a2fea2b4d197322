"""Means and variances of what is to come, draw by draw: by country, by site, for the study, caps honoured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from twins.enrollment.rates.futures import Latents, latents, site_beliefs, table
from twins.enrollment.rates.history import working
from twins.enrollment.rates.learning import Posterior
from twins.enrollment.rates.opening import going, opened_by, waiting
from twins.enrollment.rates.waiting import ripening, young
from twins.enrollment.study import OPEN, PAUSED, Floats, Ints, Study

GOLDEN = 0.6180339887498949
FAR = 12.0  # standard deviations beyond which a cap does not bind


@dataclass(frozen=True, slots=True)
class Expected:
    """Counts between `as_of` and the ends of steps, given each draw: `mean`, `variance` (c, d, f), by country.

    Country caps are honoured, as are those of sites. `site_mean`, `site_variance` (s, f) are over all draws, uncapped.
    `free_mean`, `free_variance` (c, f) are over all draws without the countries' caps.
    """

    edges: Floats
    mean: Floats
    variance: Floats
    free_mean: Floats
    free_variance: Floats
    site_mean: Floats
    site_variance: Floats


def expect(posterior: Posterior, study: Study, edges: Floats) -> Expected:
    """Say what each draw lets one expect by the ends of steps (edges in days, from `as_of` on)."""
    settings = posterior.settings
    columns = posterior.mean.shape[2] + len(study.countries) + len(edges) - 1
    even = (np.arange(settings.draws) + 0.5) / settings.draws
    uniform = np.column_stack([even, np.mod(even * settings.draws * GOLDEN, 1.0)])
    drawn = latents(posterior, edges, uniform, table(settings.draws, columns))
    share = working(study, edges, settings.holiday)
    return _Sum(posterior, study, edges, drawn, share, np.exp(drawn.ahead)).expected()


@dataclass(frozen=True, slots=True)
class _Opening:
    """Days open by the ends of steps: `step` in each, `once` the mean of their sum, `twice` that of its square."""

    step: Floats
    once: Floats
    twice: Floats


def _opening(chance: Floats, width: Floats) -> _Opening:
    """Integrate the probability to be open (..., f + 1) over steps."""
    step = 0.5 * (chance[..., 1:] + chance[..., :-1]) * width
    once = np.cumsum(step, axis=-1)
    return _Opening(step, once, 2.0 * np.cumsum((once - 0.5 * step) * width, axis=-1))


@dataclass(frozen=True, slots=True)
class _Sum:
    posterior: Posterior
    study: Study
    edges: Floats
    drawn: Latents
    share: Floats  # (c, f) what holidays leave
    growth: Floats  # (d, f) of the study's rate against today

    def expected(self) -> Expected:
        width = np.diff(self.edges)
        status, country = self.study.sites.status, self.study.sites.country
        openings, as_of = self.posterior.openings, self.study.as_of
        shape, rate = site_beliefs(self.posterior, self.study, self.drawn)
        base = np.exp(self.drawn.country + self.drawn.level[:, None])  # (d, c)
        mean_rate = shape / rate * base[:, country]  # (d, s)
        square = np.square(mean_rate)
        sure = square / shape
        now = self._open_now(width)
        shifted = np.maximum(self.edges - self.posterior.lags.mean(), as_of)
        late = _opening(opened_by(openings, shifted, as_of), width)  # (q, w, f)
        waits = np.flatnonzero(waiting(status))
        grown = self._grown(width)
        mean, variance = self._by_country(base, mean_rate, square, sure, now, late, waits, grown)
        once, twice = now.once.copy(), now.twice.copy()
        once[waits] = np.tensordot(openings.weight, late.once, 1)
        twice[waits] = np.tensordot(openings.weight, late.twice, 1)
        both = square + sure
        first, second = np.empty_like(once), np.empty_like(once)
        for factor in {id(one): one for one in grown}.values():  # countries that share their holidays share it
            here = np.flatnonzero(np.array([one is factor for one in grown])[country])
            first[here] = mean_rate.T[here] @ factor
            second[here] = both.T[here] @ np.square(factor)
        first *= once / len(base)
        second *= twice / len(base)
        return self._capped(mean, variance, first, first + np.maximum(second - np.square(first), 0.0))

    def _open_now(self, width: Floats) -> _Opening:
        """Give the days to come of sites that are open or paused, (s, f): of the young at first fewer than they are."""
        lags, as_of = self.posterior.lags, self.study.as_of
        now = _opening(going(self.posterior.openings, self.edges, as_of), width)
        those = young(self.study, lags)
        if len(those):
            site = self.study.spans.site[those]
            now.step[site] = ripening(self.study.spans.start[those], lags, self.edges)
            now.once[site] = np.cumsum(now.step[site], axis=1)
            now.twice[site] = np.square(now.once[site])
        return now

    def _grown(self, width: Floats) -> list[Floats]:
        """Give the mean factor since now by draw and end of step, of each country: one array where they are alike."""
        known: dict[bytes, Floats] = {}
        out = []
        for share in self.share:
            key = share.tobytes()
            if key not in known:
                known[key] = np.cumsum(self.growth * (share * width), axis=1) / np.cumsum(width)
            out.append(known[key])
        return out

    def _by_country(
        self, base: Floats, rate: Floats, square: Floats, sure: Floats, now: _Opening, late: _Opening,
        waits: Ints, grown: list[Floats],
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """Sum over the sites of each country: mean and variance of its counts given each draw, (c, d, f)."""
        status, country = self.study.sites.status, self.study.sites.country
        d, c, f = len(base), base.shape[1], len(self.edges) - 1
        fixed, resumes = np.isin(status, (OPEN, PAUSED)), np.any(status == PAUSED)
        member = (country[waits] == np.arange(c)[:, None]).astype(np.float64)
        step, twice, once = (  # of sites that wait, summed by country: (c, q, f)
            np.ascontiguousarray((member @ part).swapaxes(0, 1))
            for part in (late.step, late.twice, np.square(late.once))
        )
        shaped, node = 1.0 + 1.0 / self.posterior.shape[self.drawn.node][:, None], self.drawn.startup
        by_site, sure_by_site = np.ascontiguousarray(rate.T), np.ascontiguousarray(sure.T)
        sums, plain = np.triu(np.ones((f, f))), bool(np.all(self.share == 1.0))
        known = {id(one): np.square(one) for one in grown}
        mean, variance = np.empty((c, d, f)), np.empty((c, d, f))
        for place in range(c):  # small arrays, so that they stay in the cache
            here = np.flatnonzero(fixed & (country == place))
            came, ran = by_site[here].T @ now.step[here], sure_by_site[here].T @ now.twice[here]
            if resumes:
                ran += square[:, here] @ np.maximum(now.twice[here] - np.square(now.once[here]), 0.0)
            if member[place].any():
                own = base[:, place, None]
                came += step[place][node] * own
                ran += (twice[place][node] * shaped - once[place][node]) * np.square(own)
            came *= self.growth if plain else self.growth * self.share[place]
            np.matmul(came, sums, out=mean[place])
            np.multiply(ran, known[id(grown[place])], out=variance[place])
            variance[place] += mean[place]
        return mean, variance

    def _capped(self, mean: Floats, variance: Floats, site_mean: Floats, site_variance: Floats) -> Expected:
        sites, country = self.study.sites, self.study.sites.country
        brought = self.posterior.brought
        if np.isfinite(sites.cap).any():
            less, narrower = least(site_mean, site_variance, np.maximum(sites.cap - brought, 0.0)[:, None])
            member = np.zeros((len(self.study.countries), len(sites)))
            member[country, np.arange(len(sites))] = 1.0
            kept = (member @ less) / np.maximum(member @ site_mean, 1e-12)
            left = (member @ narrower) / np.maximum(member @ site_variance, 1e-12)
            mean, variance = mean * kept[:, None], variance * left[:, None]
        draws = mean.shape[1]
        free_mean = mean.mean(axis=1)
        free_variance = variance.mean(axis=1) + np.einsum("cdf,cdf->cf", mean, mean) / draws - np.square(free_mean)
        caps = np.array([one.cap for one in self.study.countries])
        room = np.maximum(caps - np.bincount(country, weights=brought, minlength=len(caps)), 0.0)
        for place in np.flatnonzero(np.isfinite(caps)):  # small arrays, so that they stay in the cache
            mean[place], variance[place] = least(mean[place], variance[place], room[place])
        return Expected(self.edges, mean, variance, free_mean, free_variance, site_mean, site_variance)


def least(mean: Floats, variance: Floats, room: ArrayLike) -> tuple[Floats, Floats]:
    """Give mean and variance of min(N, room), N a count with these moments, taken as normal.

    Off by some 0.2 subjects at a mean of 30; exact where the room is 0 or far.
    """
    sd = np.sqrt(np.maximum(variance, 1e-12))
    room = np.minimum(room, mean + FAR * sd)  # inf is far
    z = (room - mean) / sd
    tail, density = ndtr(-z), np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    over = sd * (density - z * tail)  # mean of what does not fit
    over_square = variance * ((1.0 + z * z) * tail - z * density)
    less = np.clip(mean - over, 0.0, room)
    # min(N, room) = N - W with W = (N - room)+, and Cov(N, W) = E[W^2] - E[N - room] E[W].
    narrower = variance - np.square(over) - over_square + 2.0 * (mean - room) * over
    return less, np.where(room > 0.0, np.clip(narrower, 0.0, variance), 0.0)
