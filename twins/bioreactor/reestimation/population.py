"""Draws of what is not known, and what each weighs: importance sampling with a mixture that learns from its draws.

A draw is a cell (no change, or a change within some hours), the hour within it, and a vector: logarithms of parameters
over their medians and, where there was a change, of its factor. Proposals hold one Student distribution a cell; a tenth
of all draws comes from the prior, so that no weight can be large without bound.

Source
------
Weights by the mixture of all proposals so far: Owen and Zhou 2000, J. Am. Stat. Assoc. 95:135; adaptive multiple
importance sampling: Cornuet, Marin, Mira and Robert 2012, Scand. J. Stat. 39:798. Defensive part: Hesterberg 1995,
Technometrics 37:185. Tempered weights to learn from while few draws count: Koblents and Miguez 2015, Stat. Comput.
25:407. Effective sample size: Kong, Liu and Wong 1994, J. Am. Stat. Assoc. 89:278.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFENSIVE = 0.1  # of draws come from the prior
TAIL = 5  # degrees of freedom of the others
WIDER = 1.2  # of standard deviations, by which a first proposal is wider than what it was made from
TEMPERED_SHARE = 0.3  # of draws that have to count for what is learned of them
FLOOR = 0.02  # of draws that learned proposals leave to cells by their prior
BISECTIONS = 40


@dataclass(frozen=True, slots=True)
class Target:
    """What is believed before any data: `cells` (c,) sums to 1, the first without a change; vectors are normal about 0
    with `sds` (d,), held between `low` and `high`; the last row is the factor's, which the first cell has not."""

    cells: Floats
    sds: Floats
    low: Floats
    high: Floats

    def ln_prior(self, cell: Ints, x: Floats) -> Floats:
        """Give the logarithm of the density of vectors, shape (d, n), in their cells."""
        terms = -0.5 * np.square(x / self.sds[:, None]) - np.log(self.sds[:, None]) - 0.5 * math.log(2.0 * math.pi)
        terms[-1] = np.where(cell > 0, terms[-1], 0.0)
        inside = ((x >= self.low[:, None]) & (x <= self.high[:, None])).all(axis=0)
        found: Floats = np.where(inside, _sum(terms), -np.inf)
        return found


@dataclass(frozen=True, slots=True)
class Proposal:
    """Where draws come from: of each cell its share (c,), mean (c, d) and covariance (c, d, d)."""

    share: Floats
    mean: Floats
    covariance: Floats

    def ln_density(self, target: Target, cell: Ints, x: Floats) -> Floats:
        """Give the logarithm of the density of vectors, shape (d, n), in their cells, without that of the hour."""
        own = np.full(len(cell), -np.inf)
        for one in np.unique(cell).tolist():
            where = cell == one
            d = len(x) - (one == 0)
            own[where] = _ln_student(x[:d, where], self.mean[one, :d], self.covariance[one, :d, :d])
        share = np.log(self.share[cell]) + math.log1p(-DEFENSIVE) + own
        prior = np.log(target.cells[cell]) + math.log(DEFENSIVE) + target.ln_prior(cell, x)
        both: Floats = np.logaddexp(share, prior)
        return both


def draw(target: Target, proposal: Proposal, seed: int, iteration: int, n: int) -> tuple[Ints, Floats, Floats]:
    """Draw cells (n,), places within them from 0 to 1 (n,), and vectors (d, n); each by its own key.

    Examples
    --------
    >>> one = np.ones(1)
    >>> target = Target(one, one, -9 * one, 9 * one)
    >>> first = draw(target, Proposal(one, 0 * one[None], one[None, None]), 7, 0, 2)[2]
    >>> again = draw(target, Proposal(one, 0 * one[None], one[None, None]), 7, 0, 3)[2]
    >>> bool((first == again[:, :2]).all())
    True
    """
    d = len(target.sds)
    factors = np.stack([factor(one) for one in proposal.covariance])
    cell, place, x = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros((d, n))
    for k in range(n):
        rng = np.random.Generator(np.random.PCG64([seed, iteration, k]))
        which, prior, place[k] = rng.random(3)
        normal, tail = rng.standard_normal(d), float(np.square(rng.standard_normal(TAIL)).sum())
        shares = target.cells if prior < DEFENSIVE else proposal.share
        cell[k] = min(int(np.searchsorted(np.cumsum(shares), which * shares.sum(), side="right")), len(shares) - 1)
        if prior < DEFENSIVE:
            x[:, k] = target.sds * normal
        else:
            x[:, k] = proposal.mean[cell[k]] + (factors[cell[k]] * normal).sum(axis=1) * math.sqrt(TAIL / tail)
    x[-1] = np.where(cell > 0, x[-1], 0.0)
    return cell, place, x


def ln_weights(target: Target, proposals: list[Proposal], cell: Ints, x: Floats, likelihood: Floats) -> Floats:
    """Weigh draws of several proposals of as many draws each: logarithms, shape (n,), the largest 0."""
    densities = np.stack([one.ln_density(target, cell, x) for one in proposals])
    mixed = np.logaddexp.reduce(densities, axis=0) - math.log(len(proposals))
    prior = np.log(target.cells[cell]) + target.ln_prior(cell, x)
    ln = np.where(np.isfinite(prior) & np.isfinite(likelihood), prior + likelihood - mixed, -np.inf)
    most = float(ln.max())
    return ln - most if math.isfinite(most) else np.full(len(ln), -np.inf)


def normalised(ln: Floats) -> Floats:
    """Give weights that sum to 1; all 0 where none counts.

    Examples
    --------
    >>> normalised(np.array([0.0, -np.inf, 0.0])).tolist()
    [0.5, 0.0, 0.5]
    """
    w = np.exp(ln)
    total = float(w.sum())
    return w / total if total > 0.0 else np.zeros_like(w)


def effective(weights: Floats) -> float:
    """Give how many equal draws weighted ones are worth: 1 over the sum of squares."""
    squares = float(np.square(weights).sum())
    return 1.0 / squares if squares > 0.0 else 0.0


def learn(target: Target, before: Proposal, cell: Ints, x: Floats, ln: Floats) -> Proposal:
    """Make the next proposal from all draws so far, by weights that are tempered until enough draws count."""
    w = normalised(ln * _temper(ln))
    share = FLOOR * target.cells + (1.0 - FLOOR) * np.bincount(cell, w, len(target.cells))
    mean, covariance = before.mean.copy(), before.covariance.copy()
    for one in range(len(share)):
        where = cell == one
        d = len(x) - (one == 0)
        own = w[where]
        if effective(own / max(float(own.sum()), 1e-300)) < 4.0 * (d + 1):
            continue  # too few to learn a covariance from: it stays
        own = own / own.sum()
        centre = (x[:d, where] * own).sum(axis=1)
        away = x[:d, where] - centre[:, None]
        mean[one, :d] = centre
        covariance[one, :d, :d] = (away[:, None] * away[None] * own).sum(axis=2) + np.diag(1e-6 * target.sds[:d] ** 2)
    return Proposal(share, mean, covariance)


def _temper(ln: Floats) -> float:
    """Give the exponent, 0 to 1, at which a stated share of draws counts; 1 where it does already."""
    counting = int(np.isfinite(ln).sum())
    enough = TEMPERED_SHARE * counting
    if effective(normalised(ln)) >= enough:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        with np.errstate(invalid="ignore"):
            good = effective(normalised(middle * ln)) >= enough
        low, high = (middle, high) if good else (low, middle)
    return low if low > 0.0 else 1e-12  # 0 times minus infinity is none


def factor(matrix: Floats) -> Floats:
    """Factor a symmetric positive definite matrix as L L', by its diagonal where rounding made it none."""
    found = np.zeros_like(matrix)
    for j in range(len(matrix)):
        column = matrix[j:, j] - (found[j:, :j] * found[j, :j]).sum(axis=1)
        pivot = max(float(column[0]), 1e-12 * float(matrix[j, j]), 1e-300)
        found[j:, j] = column / math.sqrt(pivot)
        found[j, j] = math.sqrt(pivot)
    return found


def _ln_student(x: Floats, mean: Floats, covariance: Floats) -> Floats:
    """Give the logarithm of Student densities at x, shape (d, n); `covariance` is the scale matrix."""
    d, lower = len(mean), factor(covariance)
    left = x - mean[:, None]
    z = np.zeros_like(left)
    for j in range(d):
        z[j] = (left[j] - _sum(lower[j, :j, None] * z[:j])) / lower[j, j]
    constant = math.lgamma(0.5 * (TAIL + d)) - math.lgamma(0.5 * TAIL) - 0.5 * d * math.log(TAIL * math.pi)
    constant -= float(np.log(np.diag(lower)).sum())
    found: Floats = constant - 0.5 * (TAIL + d) * np.log1p(_sum(np.square(z)) / TAIL)
    return found


def _sum(terms: Floats) -> Floats:
    """Add rows one after the other: a draw's bits do not depend on its neighbours."""
    total = np.zeros(terms.shape[1:])
    for term in terms:
        total = total + term
    return total
