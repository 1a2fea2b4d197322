"""The log-likelihood of a study's log-rates, sites integrated, to second order about its mode.

x (h, p) are log-rates by bin, u (h, c) effects of countries, for each of h nodes of hyper-parameters at once. Given
them, sites are negative binomial; every curvature is a matrix product over sites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from twins.enrollment.rates.history import History
from twins.enrollment.study import Floats, Ints, Study

STEPS = 5  # of Newton's method; the log-likelihood is concave: at most 1e-11 of a mean is left
STRIDE = 2.0  # the longest step of a log-rate
FAR = 7.0  # below the best in ln weight: left out


@dataclass(frozen=True, slots=True)
class Nodes:
    """Shapes between sites, sd of ln rate between countries, and prior weights, each (h,)."""

    shape: Floats
    spread: Floats
    prior: Floats


@dataclass(frozen=True, slots=True)
class Expansion:
    """The log-likelihood about (x, u), of the nodes that matter: its value with their prior, and curvatures.

    `gradient` (h, p) and `curvature` (h, p, p) are those of x with u integrated. u given x is normal with precision
    `of_country` (h, c) about u - slope (x' - x) / of_country, `slope` (h, c, p). Constants are left out.
    """

    shape: Floats
    spread: Floats
    x: Floats
    u: Floats
    value: Floats
    gradient: Floats
    curvature: Floats
    of_country: Floats
    slope: Floats


def expand(study: Study, past: History, nodes: Nodes, cover: Floats, level: float) -> Expansion:
    """Walk by Newton to the mode of x about `level` with covariance `cover` (p, p), the mean of all families'."""
    of = _Likelihood.of(study, past, nodes)
    bins = len(of.by_bin)
    start = np.log((of.by_bin.sum() + 1.0) / (past.exposure.sum() + np.exp(-level)))
    x, u = np.full((len(nodes.shape), bins), start), np.zeros((len(nodes.shape), len(of.by_country)))
    at = of.about(x, u)
    for _ in range(STEPS - 1):
        right = np.einsum("hpr,hr->hp", at.curvature, x - level) + at.gradient
        target = level + np.linalg.solve(np.eye(bins) + cover @ at.curvature, (right @ cover)[..., None])[..., 0]
        move = np.clip(target - x, -STRIDE, STRIDE)
        turn = (at.of_u - np.einsum("hcp,hp->hc", at.slope, move)) / at.of_country * of.free
        x, u = x + move, u + np.clip(turn, -STRIDE, STRIDE)
        at = of.about(x, u)
    value = of.value(x, u, at) + np.log(nodes.prior)
    _, size = np.linalg.slogdet(np.eye(bins) + cover @ at.curvature)
    near = value - 0.5 * size - 0.5 * np.einsum("hp,hp->h", x - level, at.gradient)
    kept = near > near.max() - FAR
    best = u + at.of_u / at.of_country
    parts = (nodes.shape, nodes.spread, x, best, value, at.gradient, at.curvature, at.of_country, at.slope)
    return Expansion(*(part[kept] for part in parts))


@dataclass(frozen=True, slots=True)
class _Slopes:
    gradient: Floats  # of x with u at its best
    curvature: Floats
    of_u: Floats  # gradient of u
    of_country: Floats
    slope: Floats
    seen: Floats  # (h, s) what was expected of a site of multiplier 1


@dataclass(frozen=True, slots=True)
class _Likelihood:
    """What does not change along the walk. `free` (h, 1): 1 where countries differ; `ridge` their prior's precision."""

    past: History
    country: Ints
    shape: Floats  # (h, 1)
    free: Floats
    ridge: Floats
    k: Floats  # (s,)
    by_bin: Floats
    by_country: Floats
    member: Floats  # (s, c)
    squares: Floats  # (s, p * p) exposure times exposure
    along: Floats  # (s, c * p) exposure in the place of a site's country

    @classmethod
    def of(cls, study: Study, past: History, nodes: Nodes) -> _Likelihood:
        sites, bins = past.exposure.shape
        member = np.zeros((sites, len(study.countries)))
        member[np.arange(sites), study.sites.country] = 1.0
        k = past.counts.sum(axis=1)
        free = nodes.spread[:, None] > 0.0
        exposure = past.exposure
        return cls(
            past, study.sites.country, nodes.shape[:, None], free.astype(np.float64),
            1.0 / np.square(np.where(free, nodes.spread[:, None], 1.0)), k, past.counts.sum(axis=0), member.T @ k,
            member, (exposure[:, :, None] * exposure[:, None, :]).reshape(sites, bins * bins),
            (member[:, :, None] * exposure[:, None, :]).reshape(sites, len(study.countries) * bins),
        )  # fmt: skip

    def about(self, x: Floats, u: Floats) -> _Slopes:
        """Give gradients and (negative) curvatures; u is eliminated from those of x."""
        shape, bins, countries = self.shape, x.shape[1], u.shape[1]
        m, boost = np.exp(x), np.exp(u)[:, self.country]
        seen = (m @ self.past.exposure.T) * boost
        per = (shape + self.k) / (shape + seen)  # mean of a site's multiplier
        pull = per * boost
        flow = (pull @ self.past.exposure) * m
        curvature = ((pull * boost / (shape + seen)) @ self.squares).reshape(-1, bins, bins)
        curvature *= -m[:, :, None] * m[:, None, :]
        curvature[:, np.arange(bins), np.arange(bins)] += flow
        left = pull * shape / (shape + seen)
        slope = (left @ self.along).reshape(-1, countries, bins) * m[:, None, :] * self.free[:, :, None]
        of_country = ((left * seen / boost) @ self.member) * self.free + self.ridge
        of_u = (self.by_country - (per * seen) @ self.member - self.ridge * u) * self.free
        scaled = slope / of_country[:, :, None]
        gradient = self.by_bin - flow - np.einsum("hcp,hc->hp", scaled, of_u)
        return _Slopes(gradient, curvature - slope.swapaxes(1, 2) @ scaled, of_u, of_country, slope, seen)

    def value(self, x: Floats, u: Floats, at: _Slopes) -> Floats:
        """Give the log-likelihood of x (h,), sites and countries integrated."""
        a, k = self.shape, self.k
        sites = gammaln(a + k) - gammaln(a) + a * np.log(a) - (a + k) * np.log(a + at.seen)
        value = sites.sum(axis=1) + x @ self.by_bin + u @ self.by_country
        value -= 0.5 * (self.ridge * np.square(u) * self.free).sum(axis=1)
        value += 0.5 * (np.square(at.of_u) / at.of_country).sum(axis=1)
        value -= 0.5 * (np.log(at.of_country / self.ridge) * self.free).sum(axis=1)
        return np.asarray(value, dtype=np.float64)
