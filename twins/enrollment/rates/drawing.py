"""Joint draws of rates and openings for what is simulated on top: courses, money, event times."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from twins.enrollment.ahead import Ahead
from twins.enrollment.rates.futures import latents, site_beliefs
from twins.enrollment.rates.history import working
from twins.enrollment.rates.learning import Posterior
from twins.enrollment.rates.opening import Openings, started, waiting
from twins.enrollment.rates.waiting import ripe_share
from twins.enrollment.study import OPEN, PAUSED, Floats, Ints, Study

BLOCK = 256  # draws of one key: a draw does not depend on how many are asked for
LATENT, SITES, OPENING, ADDED = range(4)  # purposes, each with keys of its own
SOONEST = 1.0  # a start-up's shortest rest [d]


def draw(posterior: Posterior, study: Study, seed: int, draws: int, steps: Floats, new_sites: int) -> Ahead:
    """Draw what may happen from now on.

    Parameters
    ----------
    posterior : Posterior
        What was learned of this very study.
    seed, draws : int
        The first draws of a seed are the same, however many are asked for.
    steps : array, shape (m + 1,)
        Edges of future steps [d], the first of them `study.as_of`.
    new_sites : int
        How many sites an action may add to a country.

    Raises
    ------
    ValueError
        If the steps do not begin at `as_of` or do not ascend.
    """
    steps = np.asarray(steps, dtype=np.float64)
    if len(steps) < 2 or steps[0] != study.as_of or np.any(np.diff(steps) <= 0.0):
        raise ValueError(
            f"expected ascending steps from {study.as_of:g} on, received {steps.tolist()}, for study {study.key}; "
            "begin them at `as_of`"
        )
    parts = [_block(posterior, study, seed, place, steps, new_sites) for place in range(-(-draws // BLOCK))]
    columns = (
        np.concatenate([part[place] for part in parts])[:draws] if parts else _none(study, steps, new_sites)[place]
        for place in range(5)
    )
    return Ahead(steps, *columns)


def _block(posterior: Posterior, study: Study, seed: int, block: int, steps: Floats, new: int) -> tuple[Floats, ...]:
    """Give the columns of `Ahead`, in its order, of one block."""
    sites, countries = len(study.sites), len(study.countries)

    def rng(purpose: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, purpose, block])))

    source = rng(LATENT)
    uniform = source.random((BLOCK, 2))
    # Walks are drawn step by step, so that the longer of two horizons begins as the shorter.
    normal = source.standard_normal((posterior.mean.shape[2] + countries + len(steps) - 1, BLOCK)).T
    drawn = latents(posterior, steps, uniform, normal)
    base = np.exp(drawn.country + drawn.level[:, None])
    shape, rate = site_beliefs(posterior, study, drawn)
    site_rate = rng(SITES).standard_gamma(shape) / rate * base[:, study.sites.country]
    factor = np.exp(drawn.ahead)[:, None, :] * working(study, steps, posterior.settings.holiday)
    if posterior.lags.max() > 0.0:
        factor = factor * ripe_share(study, posterior.lags, steps, site_rate)
    opens = _opens(posterior.openings, study, drawn.startup, rng(OPENING).random((BLOCK, sites)))
    source = rng(ADDED)
    a = posterior.shape[drawn.node][:, None, None]
    new_rate = source.standard_gamma(np.broadcast_to(a, (BLOCK, countries, new))) / a * base[:, :, None]
    mean, sd = posterior.openings.mean[drawn.startup], posterior.openings.sd[drawn.startup]
    chance = source.random((BLOCK, countries, new))
    delay = np.maximum(_start_up(chance, mean[:, None, None], sd[:, None, None]), SOONEST)
    return site_rate, factor, opens, new_rate, delay


def _opens(openings: Openings, study: Study, node: Ints, chance: Floats) -> Floats:
    """Draw when each site opens, shape (d, s): given that it has not by now."""
    out = np.full(chance.shape, np.inf)
    status = study.sites.status
    out[:, status == OPEN] = study.as_of
    paused = status == PAUSED
    out[:, paused] = study.as_of - openings.resume_days * np.log1p(-chance[:, paused])
    waits = waiting(status)
    mean, sd = openings.mean[node][:, None], openings.sd[node][:, None]
    begun = openings.begun[waits]
    now = started(study.as_of - begun, mean, sd)
    total = _start_up(np.minimum(now + chance[:, waits] * (1.0 - now), 1.0 - 1e-12), mean, sd)
    overdue = study.as_of - 0.1 * sd * np.log1p(-chance[:, waits])  # where the law has no tail left
    out[:, waits] = np.where(1.0 - now > 1e-9, np.maximum(begun + total, study.as_of), overdue)
    return out


def _start_up(chance: Floats, mean: Floats, sd: Floats) -> Floats:
    """Give quantiles of the start-up's gamma, by the cube root."""
    ninth = np.square(sd / mean) / 9.0
    return np.asarray(mean * np.maximum(1.0 - ninth + ndtri(chance) * np.sqrt(ninth), 0.0) ** 3, dtype=np.float64)


def _none(study: Study, steps: Floats, new: int) -> tuple[Floats, ...]:
    sites, countries = len(study.sites), len(study.countries)
    shapes = ((0, sites), (0, countries, len(steps) - 1), (0, sites), (0, countries, new), (0, countries, new))
    return tuple(np.zeros(shape) for shape in shapes)
