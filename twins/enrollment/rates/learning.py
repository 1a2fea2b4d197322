"""What a study's past lets one believe of its rates: hyper-parameters and families of change by their weights.

Site i of country c brings subjects at rate g_i exp(u_c + x(t)) while it is open: g_i is gamma with mean 1 and shape a,
u_c normal with sd tau, x of one of the families. Given a, tau and the log-rates, g_i is integrated in closed form.
For each (a, tau) the log-likelihood of (x, u) is expanded once to second order at the mode under the mean of all
families; each family's evidence and posterior then are linear algebra of the size of the past's bins.

Source
------
Anisimov and Fedorov, Modelling, prediction and adaptive adjustment of recruitment in multicentre trials, Statistics in
Medicine 2007 (the likelihood given constant rates); Tierney and Kadane 1986 (Laplace). The families are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.enrollment.rates.expansion import Nodes, expand
from twins.enrollment.rates.families import Families, families
from twins.enrollment.rates.history import Complete, history
from twins.enrollment.rates.opening import Openings, learn_openings
from twins.enrollment.rates.settings import RateSettings
from twins.enrollment.rates.waiting import NO_LAGS
from twins.enrollment.study import MONTH, Floats, Ints, Study


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of a study's rates, in plain arrays.

    h hyper nodes, j families, p bins, s sites, c countries, q coefficients. `weight` (h, j); `shape`, `spread` (h,);
    `mean` and `root` (h, j, q), (h, j, q, q): theta given the node is mean + root^-T z. `path` (h, p) and `country`
    (h, c): the mode expanded at; `country_precision` (h, c), `country_slope` (h, c, p): u given x is normal about
    country - slope (x - path) / precision. `brought` (s,), `exposure` (s, p), `edges` (p + 1,): the past.
    """

    settings: RateSettings
    as_of: float
    names: tuple[str, ...]
    weight: Floats
    shape: Floats
    spread: Floats
    mean: Floats
    root: Floats
    path: Floats
    country: Floats
    country_precision: Floats
    country_slope: Floats
    brought: Ints
    exposure: Floats
    edges: Floats
    openings: Openings
    lags: Floats  # from a subject's first day to the one that counts, as values of equal weight [d]


def learn(study: Study, settings: RateSettings, complete: Complete | None = None, lags: Floats = NO_LAGS) -> Posterior:
    """Say what the past of a study lets one believe of its rates.

    A function of the study alone: facts in any order give the same belief.

    Parameters
    ----------
    complete : callable, optional
        Gives the share of the subjects of each bin that are known by now; all are without it.
    lags : array, shape (k,)
        How long it takes from a subject's first day at a site to the one that counts [d], as values of equal weight.
    """
    past = history(study, settings, complete, lags)
    lag = np.log(settings.level[0] / MONTH)
    those = families(settings, past.edges, np.array([study.as_of, study.as_of + 1.0]), study.as_of)
    cover = ((those.weight[:, None, None] * those.past) @ those.past.swapaxes(1, 2)).sum(axis=0)
    expanded = expand(study, past, _nodes(study, settings), cover, lag)
    turned = those.past.swapaxes(1, 2)
    precision = turned @ (expanded.curvature[:, None] @ those.past) + np.eye(those.past.shape[2])
    centre = expanded.x - lag
    pull = expanded.gradient + (expanded.curvature @ centre[..., None])[..., 0]
    bent = np.einsum("hpr,jr->hjp", expanded.curvature, those.past_mean)
    right = (turned @ (pull[:, None] - bent)[..., None])[..., 0]
    root = np.asarray(np.linalg.cholesky(precision), dtype=np.float64)
    mean = np.linalg.solve(precision, right[..., None])[..., 0]
    base = expanded.value - 0.5 * np.einsum("hp,hp->h", pull + expanded.gradient, centre)
    evidence = base[:, None] + 0.5 * np.einsum("hjq,hjq->hj", right, mean)
    evidence += np.einsum("hjp,jp->hj", pull[:, None] - 0.5 * bent, those.past_mean)
    evidence -= np.log(np.diagonal(root, axis1=2, axis2=3)).sum(axis=2)
    evidence += np.log(_believed(those, float(past.counts.sum()), settings))
    weight = np.exp(evidence - evidence.max())
    return Posterior(
        settings, study.as_of, those.names, weight / weight.sum(), expanded.shape, expanded.spread, mean, root,
        expanded.x, expanded.u, expanded.of_country, expanded.slope, study.brought_by_site(), past.exposure, past.edges,
        learn_openings(study, settings), lags,
    )  # fmt: skip


def _believed(those: Families, subjects: float, settings: RateSettings) -> Floats:
    """Give the families' prior weights: the fewer subjects there are, the more that rates stay."""
    shown = subjects**2 / (subjects**2 + settings.proof**2) + 1e-9
    held = np.where(np.array(those.names) == "constant", 1.0, shown)
    weight = those.weight * held
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def _nodes(study: Study, settings: RateSettings) -> Nodes:
    """Cross shapes and spreads; one country has no others to differ from."""
    spreads = settings.spreads if len(study.countries) > 1 else ((0.0, 1.0),)
    nodes = [(a, tau, w * v) for a, w in settings.shapes for tau, v in spreads]
    return Nodes(*(np.array(column) for column in zip(*nodes, strict=True)))
