"""Laws of the time to an event: cumulative hazard, its inverse and the log hazard, for one parameter set or many.

Parameters stand on the first axis of `theta` and broadcast against times. They are those of R's survreg and eventPred:
exponential (ln rate); Weibull (ln scale, -ln shape); log-logistic (median of ln t, -ln shape); log-normal (mean of
ln t, ln sd of ln t); piecewise exponential (ln rate of each piece).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from scipy import special

from twins.enrollment.study import Floats

LawName = Literal["exponential", "weibull", "log_logistic", "log_normal", "piecewise"]


class Law(Protocol):
    """A law of times [d]."""

    @property
    def name(self) -> LawName:
        """Its name."""

    @property
    def size(self) -> int:
        """How many parameters it has."""

    def log_hazard(self, days: Floats, theta: Floats) -> Floats:
        """Give ln h(t)."""

    def cumulative(self, days: Floats, theta: Floats) -> Floats:
        """Give H(t) = -ln S(t)."""

    def inverse(self, hazard: Floats, theta: Floats) -> Floats:
        """Give the t at which H(t) is so much; inf where it never is [d]."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """A constant hazard."""

    name: LawName = "exponential"
    size: int = 1

    def log_hazard(self, days: Floats, theta: Floats) -> Floats:
        return np.asarray(theta[0] + 0.0 * days)

    def cumulative(self, days: Floats, theta: Floats) -> Floats:
        return np.asarray(np.exp(theta[0]) * days)

    def inverse(self, hazard: Floats, theta: Floats) -> Floats:
        return np.asarray(hazard * np.exp(-theta[0]))


@dataclass(frozen=True, slots=True)
class Weibull:
    """A hazard that falls or rises as a power of time."""

    name: LawName = "weibull"
    size: int = 2

    def log_hazard(self, days: Floats, theta: Floats) -> Floats:
        shape = np.exp(-theta[1])
        return np.asarray(-theta[1] - theta[0] * shape + (shape - 1.0) * np.log(days))

    def cumulative(self, days: Floats, theta: Floats) -> Floats:
        return np.asarray(_power(days, np.exp(-theta[1])) * np.exp(-theta[0] * np.exp(-theta[1])))

    def inverse(self, hazard: Floats, theta: Floats) -> Floats:
        return np.asarray(_power(hazard, np.exp(theta[1])) * np.exp(theta[0]))


@dataclass(frozen=True, slots=True)
class LogLogistic:
    """A hazard that falls, or rises and then falls: the odds of an event grow as a power of time."""

    name: LawName = "log_logistic"
    size: int = 2

    def log_hazard(self, days: Floats, theta: Floats) -> Floats:
        z = (np.log(days) - theta[0]) * np.exp(-theta[1])
        return np.asarray(-theta[1] - np.log(days) - np.logaddexp(0.0, -z))

    def cumulative(self, days: Floats, theta: Floats) -> Floats:
        return np.asarray(np.logaddexp(0.0, (_log(days) - theta[0]) * np.exp(-theta[1])))

    def inverse(self, hazard: Floats, theta: Floats) -> Floats:
        return np.asarray(np.exp(theta[0] + np.exp(theta[1]) * (hazard + _log(-np.expm1(-hazard)))))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A hazard that rises and then falls: ln t is normal."""

    name: LawName = "log_normal"
    size: int = 2

    def log_hazard(self, days: Floats, theta: Floats) -> Floats:
        z = (np.log(days) - theta[0]) * np.exp(-theta[1])
        density = -0.5 * z * z - 0.5 * np.log(2.0 * np.pi) - theta[1] - np.log(days)
        return np.asarray(density - special.log_ndtr(-z))

    def cumulative(self, days: Floats, theta: Floats) -> Floats:
        return np.asarray(-special.log_ndtr((theta[0] - _log(days)) * np.exp(-theta[1])))

    def inverse(self, hazard: Floats, theta: Floats) -> Floats:
        return np.asarray(np.exp(theta[0] - np.exp(theta[1]) * special.ndtri_exp(-hazard)))


@dataclass(frozen=True, slots=True)
class Piecewise:
    """A hazard that is constant between cuts, the last piece for ever.

    `cuts` are where pieces begin, the first 0 [d]. A rate of zero (ln rate -inf) is a piece in which nothing happens.
    """

    cuts: tuple[float, ...]
    name: LawName = "piecewise"

    def __post_init__(self) -> None:
        if not self.cuts or self.cuts[0] != 0.0 or any(b <= a for a, b in zip(self.cuts, self.cuts[1:], strict=False)):
            raise ValueError(f"expected cuts that begin with 0 and ascend, received {self.cuts}; check the law's cuts")

    @property
    def size(self) -> int:
        return len(self.cuts)

    @property
    def ends(self) -> tuple[float, ...]:
        """Where pieces end [d]."""
        return (*self.cuts[1:], np.inf)

    def log_hazard(self, days: Floats, theta: Floats) -> Floats:
        """Times before 0 are as 0; a time on a cut belongs to the piece that ends there (a death ends a follow-up)."""
        out = np.zeros(np.broadcast_shapes(days.shape, theta[0].shape))
        for start, rate in zip(self.cuts, theta, strict=True):
            out = np.where((days > start) | (start == 0.0), rate, out)
        return out

    def cumulative(self, days: Floats, theta: Floats) -> Floats:
        spans = (np.clip(days - start, 0.0, end - start) for start, end in zip(self.cuts, self.ends, strict=True))
        return np.asarray(sum(np.exp(rate) * span for rate, span in zip(theta, spans, strict=True)))

    def inverse(self, hazard: Floats, theta: Floats) -> Floats:
        rates = np.exp(theta)
        day, left = np.zeros(np.broadcast_shapes(hazard.shape, rates[0].shape)), hazard
        for start, end, rate in zip(self.cuts, self.ends, rates, strict=True):
            whole = rate * (end - start) if np.isfinite(end) else np.where(rate > 0, np.inf, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                inside = np.where(rate > 0, np.minimum(left, whole) / rate, 0.0)
            more = left > whole
            day = day + np.where(more, end - start, np.where(left > 0, inside, 0.0))
            left = np.where(more, left - whole, 0.0)
        return day


NAMED: Final[dict[LawName, Law]] = {
    "exponential": Exponential(), "weibull": Weibull(), "log_logistic": LogLogistic(), "log_normal": LogNormal(),
}  # fmt: skip


def law(name: LawName, cuts: tuple[float, ...] = (0.0,)) -> Law:
    """Give a law by its name; `cuts` count for the piecewise one alone.

    Examples
    --------
    >>> import numpy as np
    >>> weibull = law("weibull")
    >>> theta = np.array([np.log(400.0), -np.log(1.5)])
    >>> round(float(weibull.inverse(weibull.cumulative(np.array(100.0), theta), theta)), 9)
    100.0
    """
    if name == "piecewise":
        return Piecewise(cuts)
    if name not in NAMED:
        raise ValueError(f"expected a law among {', '.join(NAMED)}, piecewise, received {name}; check the law's name")
    return NAMED[name]


def log_likelihood(which: Law, days: Floats, events: Floats, theta: Floats) -> Floats:
    """Give the log likelihood of times that ended in an event (1) or were cut off before one (0).

    Parameters
    ----------
    days, events : array, shape (n,)
        Time under observation, above 0 [d]; 1 or 0.
    theta : array, shape (p, ...)
        Parameter sets.

    Returns
    -------
    array, shape (...)
    """
    wide = theta[..., None]
    died = days[events > 0]
    return np.asarray(which.log_hazard(died, wide).sum(axis=-1) - which.cumulative(days, wide).sum(axis=-1))


def _power(base: Floats, exponent: Floats) -> Floats:
    return np.exp(_log(base) * exponent)


def _log(value: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(value))
