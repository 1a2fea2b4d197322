"""Draws of what is uncertain about a study's rates, and the counts that each draw lets one expect, by country.

Given a draw (hyper-parameters, family, log-rates, country effects, start-up's law) sites are gamma and counts negative
binomial: their moments are summed in closed form, never simulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twins.enrollment.rates.families import families
from twins.enrollment.rates.learning import Posterior
from twins.enrollment.study import MONTH, Floats, Ints, Study

SEED = 20061129  # of the table of normals behind every outlook


@dataclass(frozen=True, slots=True)
class Latents:
    """`node`, `startup` (d,): hyper node and start-up node of each draw. `level` (d,): ln rate today [1/d].

    `past` (d, p) and `ahead` (d, f): ln rate by bin, less `level`. `country` (d, c): country effects on ln rate.
    """

    node: Ints
    startup: Ints
    level: Floats
    past: Floats
    ahead: Floats
    country: Floats


@lru_cache(maxsize=8)
def table(draws: int, columns: int) -> Floats:
    """Give fixed normals in pairs of opposite sign, each column with variance 1, shape (draws, columns)."""
    normals = np.random.Generator(np.random.Philox(key=SEED)).standard_normal((draws // 2, columns))
    normals /= np.sqrt(np.mean(np.square(normals), axis=0))
    out = np.repeat(normals, 2, axis=0)
    out[1::2] *= -1.0
    out.flags.writeable = False
    return out


def latents(posterior: Posterior, edges: Floats, uniform: Floats, normal: Floats) -> Latents:
    """Turn uniforms (d, 2) and normals (d, q + c + f) into draws of what the posterior leaves open."""
    those = families(posterior.settings, posterior.edges, edges, posterior.as_of)
    q, countries = posterior.mean.shape[2], posterior.country.shape[1]
    family_count = len(those.weight)
    flat = posterior.weight.reshape(-1)
    place = np.minimum(np.searchsorted(np.cumsum(flat), uniform[:, 0] * flat.sum(), side="right"), len(flat) - 1)
    node, family = place // family_count, place % family_count
    root = posterior.root[node, family].swapaxes(1, 2)
    theta = posterior.mean[node, family] + np.linalg.solve(root, normal[:, :q, None])[..., 0]
    level = posterior.settings.level[1] * theta[:, 0]
    past = np.einsum("dpq,dq->dp", those.past[family], theta) - level[:, None] + those.past_mean[family]
    ahead = np.einsum("dfq,dq->df", those.ahead[family], theta) - level[:, None] + those.ahead_mean[family]
    centre = 0.5 * (edges[1:] + edges[:-1]) - posterior.as_of
    gaps = np.sqrt(np.diff(centre, prepend=0.0) / MONTH)
    ahead += those.walk[family][:, None] * np.cumsum(gaps * normal[:, q + countries :], axis=1)
    level = level + np.log(posterior.settings.level[0] / MONTH)
    away = past + level[:, None] - posterior.path[node]
    precision = posterior.country_precision[node]
    mean = posterior.country[node] - np.einsum("dcp,dp->dc", posterior.country_slope[node], away) / precision
    free = posterior.spread[node, None] > 0.0
    country = np.where(free, mean + normal[:, q : q + countries] / np.sqrt(precision), 0.0)
    weight = posterior.openings.weight
    startup = np.minimum(np.searchsorted(np.cumsum(weight), uniform[:, 1], side="right"), len(weight) - 1)
    return Latents(node, startup, level, past, ahead, country)


def site_beliefs(posterior: Posterior, study: Study, drawn: Latents) -> tuple[Floats, Floats]:
    """Give shape and rate of each site's gamma multiplier given each draw, each (d, s)."""
    a = posterior.shape[drawn.node][:, None]
    seen = np.exp(drawn.past + drawn.level[:, None]) @ posterior.exposure.T
    return a + posterior.brought, a + seen * np.exp(drawn.country)[:, study.sites.country]
