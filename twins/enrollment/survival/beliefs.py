"""What the data leave open about a law: draws of its parameters, and of which law it is.

Nothing is plugged in. Exponential and piecewise laws have a conjugate gamma; a Weibull is a gamma given its shape, and
the shape is integrated on a grid; log-logistic and log-normal are integrated on a grid laid by Laplace's method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twins.enrollment.study import Floats
from twins.enrollment.survival.fitting import climb, fit, pieces, weights
from twins.enrollment.survival.laws import Law, Piecewise, log_likelihood
from twins.enrollment.survival.noise import strata

SHAPE_SD: Final = 0.75  # of ln shape a priori; assumed: 95 % of trials' hazards have a shape between 0.23 and 4.3
PIECE_EVENTS: Final = 1.0  # what the pooled rate weighs in each piece; assumed: a piece nobody reached is within x 3
GRID: Final = 129  # points for one shape
SIDE: Final = 25  # points on each side of a grid for two parameters
REACH: Final = 5.0  # standard deviations of Laplace's normal that this grid spans on either side


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known beforehand: as much as `events` seen in `days` of follow-up of all subjects together.

    The default is Jeffreys' for a rate. At design stage, with no data, `days` must be above 0.
    """

    events: float = 0.5
    days: float = 0.0


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Draws of a law: for each draw which law (an index into `laws`), and that law's parameters.

    `draws`: how many. `where`: for each law the draws that are of it. `theta`: for each law (p, its draws).
    """

    laws: tuple[Law, ...]
    where: tuple[NDArray[np.int64], ...]
    theta: tuple[Floats, ...]

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return sum(map(len, self.where))

    def left(self, age: Floats, hazard: Floats) -> Floats:
        """Give how much longer it takes from an age on, when so much cumulative hazard is still to be spent.

        Parameters
        ----------
        age : array, shape (n,)
            Time under observation so far [d]; 0 for who is still to come.
        hazard : array, shape (n, draws)
            Unit exponentials.

        Returns
        -------
        array, shape (n, draws)
            [d], inf for never. This is conditional survival: S(age + left) / S(age) is uniform.
        """
        fresh, start = not age.any(), age[:, None]
        out = hazard if len(self.laws) == 1 else np.empty_like(hazard)
        for which, columns, theta in zip(self.laws, self.where, self.theta, strict=True):
            if not len(columns):
                continue
            spent = hazard if len(self.laws) == 1 else hazard[:, columns]
            if fresh or which.name == "exponential":
                part = which.inverse(spent, theta)
            else:
                part = np.maximum(which.inverse(spent + which.cumulative(start, theta), theta) - start, 0.0)
            if len(self.laws) == 1:
                return part
            out[:, columns] = part
        return out

    def survival(self, days: Floats) -> Floats:
        """Give S(t) for each draw.

        Parameters
        ----------
        days : array, shape (t,)
            [d]

        Returns
        -------
        array, shape (draws, t)
        """
        out = np.empty((self.draws, len(days)))
        for which, columns, theta in zip(self.laws, self.where, self.theta, strict=True):
            out[columns] = np.exp(-which.cumulative(days, theta[..., None]))
        return out


def fixed(which: Law, theta: Floats, draws: int) -> Beliefs:
    """Believe one law with one parameter set (p,): what a design assumes, not what data say."""
    return Beliefs((which,), (np.arange(draws),), (np.repeat(np.asarray(theta, dtype=float)[:, None], draws, axis=1),))


def learn(
    laws: Sequence[Law],
    days: Floats,
    events: Floats | NDArray[np.bool_],
    draws: int,
    seed: int,
    purpose: int,
    prior: Prior | None = None,
) -> Beliefs:
    """Learn a law of the time to an event, or to drop-out, pooled over all subjects.

    Parameters
    ----------
    laws : sequence of Law
        One, or several that are weighed by exp(-BIC / 2) of their fits.
    days, events : array, shape (n,)
        Time under observation [d] and whether it ended in what the law is of.
    draws, seed, purpose : int
        How many draws, and the key of their random numbers.
    prior : Prior, optional
        What is known beforehand.

    Raises
    ------
    ValueError
        If there are neither data nor a prior, or several laws and fewer than two events.
    """
    prior = known_beforehand(days, prior)
    events = events.astype(np.float64)
    return draw_each(laws, _share(laws, days, events, draws, seed, purpose), days, events, prior, seed, purpose)


def known_beforehand(days: Floats, prior: Prior | None) -> Prior:
    """Give the prior, Jeffreys' if there is none; without data it must say something."""
    prior = prior or Prior()
    if days.sum() + prior.days <= 0.0:
        raise ValueError(
            f"expected days of follow-up, received {len(days)} subjects with none; wait, or give a prior with days > 0"
        )
    return prior


def draw_each(
    laws: Sequence[Law], where: tuple[NDArray[np.int64], ...], days: Floats, events: Floats, prior: Prior, seed: int,
    purpose: int,
) -> Beliefs:  # fmt: skip
    """Draw the parameters of each law, for the draws that are of it; parameters as in `learn`."""
    parts = []
    for k, (which, columns) in enumerate(zip(laws, where, strict=True)):
        grid = [strata(seed, purpose, 8 * k + i, len(columns)) for i in range(2)]
        parts.append(_draw(which, days, events, prior, grid, (seed, purpose, 8 * k + 2)))
    return Beliefs(tuple(laws), where, tuple(parts))


def _share(
    laws: Sequence[Law], days: Floats, events: Floats, draws: int, seed: int, purpose: int
) -> tuple[NDArray[np.int64], ...]:
    """Deal the draws to the laws by their weights."""
    if len(laws) == 1:
        return (np.arange(draws),)
    if events.sum() < 2:
        raise ValueError(f"expected two events to weigh {len(laws)} laws, received {events.sum():.0f}; give one law")
    edges = np.cumsum(weights([fit(which, days, events) for which in laws]))
    place = np.minimum(np.searchsorted(edges, strata(seed, purpose, 1000, draws)), len(laws) - 1)
    return tuple(np.flatnonzero(place == k) for k in range(len(laws)))


def _draw(
    which: Law, days: Floats, events: Floats, prior: Prior, uniform: list[Floats], key: tuple[int, int, int]
) -> Floats:
    """Draw parameters, shape (p, draws)."""
    if which.name == "exponential":
        rate = special.gammaincinv(events.sum() + prior.events, uniform[0]) / (days.sum() + prior.days)
        return np.asarray(np.log(rate)[None])
    if isinstance(which, Piecewise):
        return _piecewise(which, days, events, prior, uniform[0], key)
    if which.name == "weibull":
        return _weibull(days, events, prior, uniform)
    return _gridded(which, days, events, prior, uniform, key)


def _piecewise(
    which: Piecewise, days: Floats, events: Floats, prior: Prior, uniform: Floats, key: tuple[int, int, int]
) -> Floats:
    """Draw the rate of each piece: a gamma around a pooled rate, which is drawn from the gamma of all follow-up."""
    counts, exposure = pieces(which.cuts, which.ends, days, events)
    pooled = special.gammaincinv(events.sum() + prior.events, uniform) / (days.sum() + prior.days)
    out = np.empty((which.size, len(uniform)))
    for j in range(which.size):
        level = special.gammaincinv(
            counts[j] + PIECE_EVENTS, strata(key[0], key[1], 2000 + 50 * key[2] + j, len(uniform))
        )
        out[j] = np.log(np.maximum(level, 1e-300) / (exposure[j] + PIECE_EVENTS / pooled))
    return out


def _weibull(days: Floats, events: Floats, prior: Prior, uniform: list[Floats]) -> Floats:
    """Draw (ln scale, -ln shape): the shape by its marginal on a grid, then the cumulative hazard at a middle time.

    Given the shape k, H(t) = r (t / middle)^k, and r is Gamma(d + prior events, sum of (t / middle)^k + prior).
    """
    middle = middle_of(days, events, prior)
    ratio = np.log(days / middle)
    died, shape_of_gamma = float(events.sum()), float(events.sum()) + prior.events
    ended = float((ratio * events).sum())

    def at(log_shape: Floats) -> tuple[Floats, Floats]:
        spent = np.log(np.exp(np.exp(log_shape)[:, None] * ratio).sum(axis=1) + prior.days / middle)
        weight = died * log_shape + (np.exp(log_shape) - 1.0) * ended - shape_of_gamma * spent
        return weight - 0.5 * (log_shape / SHAPE_SD) ** 2, spent

    coarse = np.linspace(-4.0, 4.0, 41) * SHAPE_SD
    height, _ = at(coarse)
    worth = np.flatnonzero(height > height.max() - 14.0)  # the rest holds less than a millionth
    low, high = coarse[max(worth[0] - 1, 0)], coarse[min(worth[-1] + 1, len(coarse) - 1)]
    fine = np.linspace(low, high, GRID)
    height, spent = at(fine)
    density = np.exp(height - height.max())
    below = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    log_shape = np.interp(uniform[0] * below[-1], below, fine)
    log_level = np.log(special.gammaincinv(shape_of_gamma, uniform[1])) - np.interp(log_shape, fine, spent)
    return np.stack([np.log(middle) - log_level * np.exp(-log_shape), -log_shape])


def _gridded(
    which: Law, days: Floats, events: Floats, prior: Prior, uniform: list[Floats], key: tuple[int, int, int]
) -> Floats:
    """Draw two parameters from their posterior on a grid along the axes of its curvature, smoothed within cells."""
    middle = np.array([middle_of(days, events, prior)])

    def height(theta: Floats) -> Floats:
        level = which.cumulative(middle, theta[..., None])[..., 0]
        known = prior.events * np.log(level) - prior.days / middle[0] * level
        return np.asarray(log_likelihood(which, days, events, theta) + known - 0.5 * (theta[1] / SHAPE_SD) ** 2)

    top, curvature = climb(height, np.array([np.log(middle[0]), 0.0]))
    values, vectors = np.linalg.eigh(-curvature)
    axes = vectors / np.sqrt(np.maximum(values, 1e-12))
    ticks = np.linspace(-REACH, REACH, SIDE)
    cells = np.stack(np.meshgrid(ticks, ticks, indexing="ij")).reshape(2, -1)
    values = height(top[:, None] + axes @ cells)
    mass = np.cumsum(np.exp(values - values.max()))
    at = np.minimum(np.searchsorted(mass, uniform[0] * mass[-1]), len(mass) - 1)
    inside = np.stack([uniform[1], strata(*key, len(uniform[1]))]) - 0.5
    return np.asarray(top[:, None] + axes @ (cells[:, at] + inside * (ticks[1] - ticks[0])))


def middle_of(days: Floats, events: Floats, prior: Prior) -> float:
    """Give the time about which a law is best known: the geometric mean of the times of events."""
    if events.any():
        return float(np.exp((np.log(days) * events).sum() / events.sum()))
    return float(days.mean()) if len(days) else prior.days / prior.events
