"""What queueing theory says in closed form: the truths that the simulator is held against, and first answers.

Rates are per day, times in days. Source: Gross, Shortle, Thompson, Harris, Fundamentals of queueing theory, 4th edition
(2008), chapters 2 to 5; Reiser, Lavenberg, Mean-value analysis of closed multichain queuing networks, JACM 27 (1980).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from schemas.errors import SettingsError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Queue:
    """One station in the long run: mean wait [d], mean number waiting, utilisation, chance to wait."""

    wait: float
    waiting: float
    utilisation: float
    p_wait: float


@dataclass(frozen=True, slots=True)
class Surge:
    """A surge or a loss of capacity as a fluid: most backlog, days until it is gone, longest wait [d]."""

    backlog: float
    drained_days: float
    wait_max: float


def erlang_c(servers: int, offered: float) -> float:
    """Give the chance to wait of M/M/c, by the recursion of Erlang B: no factorial overflows.

    Examples
    --------
    >>> round(erlang_c(2, 1.8), 9)
    0.852631579
    """
    _stable(offered, servers)
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1.0 - offered / servers * (1.0 - blocked))


def mmc(rate: float, mean: float, servers: int = 1) -> Queue:
    """Give M/M/c: Poisson arrivals, exponential service of a mean, so many servers.

    Examples
    --------
    >>> round(mmc(1.8, 1.0, 2).wait, 6), round(mmc(0.9, 1.0).waiting, 6)
    (4.263158, 8.1)
    """
    chance = erlang_c(servers, rate * mean)
    wait = chance * mean / (servers - rate * mean)
    return Queue(wait, rate * wait, rate * mean / servers, chance)


def mg1(rate: float, mean: float, second_moment: float) -> Queue:
    """Give M/G/1 by Pollaczek and Khinchine, from the first two moments of the service.

    Examples
    --------
    >>> round(mg1(0.8, 1.0, 1.0).wait, 9)  # deterministic
    2.0
    """
    _stable(rate * mean, 1)
    wait = rate * second_moment / (2.0 * (1.0 - rate * mean))
    return Queue(wait, rate * wait, rate * mean, rate * mean)


def priority_waits(
    rates: Sequence[float], means: Sequence[float], second_moments: Sequence[float]
) -> tuple[float, ...]:
    """Give the mean waits of M/G/1 with non-preemptive priorities, the first class served first (Cobham 1954).

    Examples
    --------
    >>> [round(wait, 6) for wait in priority_waits((0.3, 0.5), (1.0, 1.0), (2.0, 2.0))]
    [1.142857, 5.714286]
    """
    loads = np.cumsum([rate * mean for rate, mean in zip(rates, means, strict=True)])
    _stable(float(loads[-1]), 1)
    residual = sum(rate * second for rate, second in zip(rates, second_moments, strict=True)) / 2.0
    before = np.concatenate([[0.0], loads[:-1]])
    return tuple(float(residual / ((1.0 - low) * (1.0 - high))) for low, high in zip(before, loads, strict=True))


def traffic(arrivals: Sequence[float], routing: Sequence[Sequence[float]]) -> Floats:
    """Give each station's rate, rework included: rate = arrivals + routing' rate (row: from, column: to).

    Examples
    --------
    >>> traffic((1.0, 0.0), ((0.0, 1.0), (0.2, 0.0))).round(6).tolist()
    [1.25, 1.25]
    """
    matrix = np.array(routing, dtype=np.float64)
    return np.asarray(np.linalg.solve(np.eye(len(matrix)) - matrix.T, np.array(arrivals, dtype=np.float64)))


def jackson(
    arrivals: Sequence[float], routing: Sequence[Sequence[float]], means: Sequence[float], servers: Sequence[int]
) -> tuple[tuple[Queue, ...], float]:
    """Give an open Jackson network: each station as M/M/c, and the mean time from arrival to leaving [d]."""
    rates = traffic(arrivals, routing)
    queues = tuple(
        mmc(float(rate), mean, count) for rate, mean, count in zip(rates, means, servers, strict=True)
    )  # fmt: skip
    inside = sum(one.waiting + rate * mean for one, rate, mean in zip(queues, rates, means, strict=True))
    return queues, float(inside / sum(arrivals))


def closed_network(demands: Sequence[float], customers: int, think: float = 0.0) -> tuple[float, tuple[float, ...]]:
    """Give throughput and mean numbers at single-server stations of a closed network, by mean value analysis.

    Examples
    --------
    >>> round(closed_network((2.0, 1.0, 0.5), 1)[0], 6)
    0.285714
    """
    numbers = np.zeros(len(demands))
    throughput = 0.0
    for n in range(1, customers + 1):
        times = np.array(demands) * (1.0 + numbers)
        throughput = n / (think + float(times.sum()))
        numbers = throughput * times
    return throughput, tuple(numbers.tolist())


def harmonic(n: int) -> float:
    """Give H_n: the mean time until the last of n parallel release tests of mean 1 (exponential) is done.

    Examples
    --------
    >>> harmonic(2)
    1.5
    """
    return math.fsum(1.0 / k for k in range(1, n + 1))


def line_days(days: Sequence[float], jobs: int) -> tuple[float, int]:
    """Give when the last job leaves a deterministic line of single stations, and the place of its bottleneck.

    Examples
    --------
    >>> line_days((2.0, 5.0, 3.0), 100)
    (505.0, 1)
    """
    slowest = max(days)
    return math.fsum(days) + (jobs - 1) * slowest, list(days).index(slowest)


def fluid_surge(capacity: float, demand: float, surge: float, days: float) -> Surge:
    """Give a surge of demand for so many days, then back to `demand`, as a fluid. Of a loss: `demand` is the surge.

    Examples
    --------
    >>> surge = fluid_surge(2.4, 2.0, 3.0, 30.0)
    >>> round(surge.backlog, 6), round(surge.drained_days, 6), round(surge.wait_max, 6)
    (18.0, 45.0, 7.5)
    """
    _stable(demand, capacity)
    backlog = max(surge - capacity, 0.0) * days
    return Surge(backlog, backlog / (capacity - demand), backlog / capacity)


def remake(failure: float) -> tuple[float, float]:
    """Give the chance of success and the mean runs where one re-make is allowed.

    Examples
    --------
    >>> [round(one, 4) for one in remake(0.07)]
    [0.9951, 1.07]
    """
    return 1.0 - failure**2, 1.0 + failure


def present(rates: Sequence[tuple[float, float]], mean: float, servers: int, room: int = 400) -> tuple[float, ...]:
    """Give the mean number in M/M/c, empty at first, after each of some stretches (days, rate): a surge and after.

    Solved exactly by the forward equations of a chain cut off at `room`; valid while so many are never near.
    """
    state = np.zeros(room + 1)
    state[0] = 1.0
    found = []
    for days, rate in rates:
        up = np.append(np.full(room, rate), 0.0)
        down = np.minimum(np.arange(room + 1), servers) / mean
        generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1) - np.diag(up + down)
        state = state @ expm(generator * days)
        found.append(float(state @ np.arange(room + 1)))
    return tuple(found)


def _stable(load: float, servers: float) -> None:
    if not 0.0 <= load < servers:
        raise SettingsError(
            f"expected a load below {servers:g}, received {load:g}, in the rates; the queue would grow for ever"
        )
