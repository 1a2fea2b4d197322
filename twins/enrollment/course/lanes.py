"""The sites of one country in one block of draws, and what they bring step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.course.poisson import invert
from twins.enrollment.course.uniforms import uniforms
from twins.enrollment.study import Floats

Counts = NDArray[np.int32]
_TOGETHER = 16  # sites whose exposure is worked out at once: what fits a processor's cache


class Boost(NamedTuple):
    """A site that is `factor` times as fast from a day on."""

    place: int
    factor: float
    day: float


@dataclass(frozen=True, slots=True)
class Lanes:
    """Sites of a country in d draws: rates and days of shape (d, s), what their caps still allow (s,).

    `names` tell the sites apart, whichever others there are. `factor` (d, m) multiplies all rates. The country may
    bring `cap` more subjects, and still more from each day in `raised` on.
    """

    names: tuple[str, ...]
    rate: Floats
    opens: Floats
    closes: Floats
    left: Floats
    factor: Floats
    cap: float
    boosts: tuple[Boost, ...] = ()
    raised: tuple[tuple[float, float], ...] = ()  # (day, by how much)

    def also(self, names: tuple[str, ...], rate: Floats, opens: Floats) -> Lanes:
        """Add sites that are never closed and have no cap of their own."""
        return replace(
            self,
            names=(*self.names, *names),
            rate=np.concatenate([self.rate, rate], axis=1),
            opens=np.concatenate([self.opens, opens], axis=1),
            closes=np.concatenate([self.closes, np.full_like(rate, np.inf)], axis=1),
            left=np.concatenate([self.left, np.full(len(names), np.inf)]),
        )

    def open_days(self, start: float, until: Floats) -> Floats:
        """Give the days that the sites are open from `start` until a day of each draw, together, shape (d,)."""
        if not len(self.names):
            return np.zeros(len(until))
        end = np.minimum(self.closes, until[:, None])
        found: Floats = np.maximum(end - np.maximum(self.opens, start), 0.0).sum(axis=1)
        return found


def exposure(lanes: Lanes, edges: Floats, places: NDArray[np.int64]) -> Floats:
    """Give how long each site is open in each step, longer by what boosts it [d], shape (d, places, m)."""
    opens, closes = lanes.opens[:, places, None], lanes.closes[:, places, None]
    end = np.minimum(edges, closes)
    reached = np.maximum(end - opens, 0.0)
    for boost in lanes.boosts:
        for k in np.flatnonzero(places == boost.place):
            since = np.maximum(opens[:, k], boost.day)
            reached[:, k] += (boost.factor - 1.0) * np.maximum(end[:, k] - since, 0.0)
    found: Floats = np.diff(reached, axis=2)
    return found


def expected(lanes: Lanes, edges: Floats, places: NDArray[np.int64]) -> Floats:
    """Give the subjects to be expected of some sites together in each step, shape (d, m)."""
    boosted = {boost.place for boost in lanes.boosts}
    steady = (lanes.opens[:, places] <= edges[0]).all(axis=0) & (lanes.closes[:, places] >= edges[-1]).all(axis=0)
    steady &= np.array([place not in boosted for place in places], dtype=np.bool_)
    found: Floats = lanes.rate[:, places[steady]].sum(axis=1)[:, None] * np.diff(edges)
    others = places[~steady]
    for first in range(0, len(others), _TOGETHER):
        some = others[first : first + _TOGETHER]
        found += np.einsum("ds,dsm->dm", lanes.rate[:, some], exposure(lanes, edges, some))
    return found * lanes.factor


def brought(lanes: Lanes, country: str, edges: Floats, seed: int, block: int) -> Counts:
    """Draw how many subjects a country brings by the end of each step, shape (d, m).

    In each step the count is the quantile of the Poisson law at a uniform of its own, the same in every scenario: more
    sites, faster ones, earlier ones or a higher cap never lower it in any draw.
    """
    draws, steps = len(lanes.rate), len(edges) - 1
    free = np.flatnonzero(np.isinf(lanes.left))
    u = uniforms(seed, f"country {country}", block, steps, draws)
    each = invert(u, expected(lanes, edges, free))
    for place in np.flatnonzero(~np.isinf(lanes.left)):
        u = uniforms(seed, f"site {country} {lanes.names[place]}", block, steps, draws)
        alone = np.cumsum(invert(u, expected(lanes, edges, np.array([place]))), axis=1)
        each += np.diff(np.minimum(alone, lanes.left[place]), axis=1, prepend=0.0)
    return _capped(each, lanes, edges)


def _capped(each: Floats, lanes: Lanes, edges: Floats) -> Counts:
    """Stop at the cap. A cap that is raised allows more from the first step that begins on the day or later."""
    if not lanes.raised or np.isinf(lanes.cap):
        return np.minimum(np.cumsum(each, axis=1), lanes.cap).astype(np.int32)
    caps = np.full(each.shape[1], lanes.cap)
    for day, by in lanes.raised:
        caps += by * (edges[:-1] >= day)
    found, reached = np.empty_like(each), np.zeros(len(each))
    for step in range(each.shape[1]):
        reached = np.minimum(reached + each[:, step], caps[step])
        found[:, step] = reached
    return found.astype(np.int32)
