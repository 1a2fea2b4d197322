"""The bottleneck by active periods: who has been without a free unit for longest, and when that passes to another.

A resource is active while none of its units is free; where it has one unit that is Roser's busy (or down) machine.

Source: Roser, Nakano, Tanaka, Shifting bottleneck detection, Winter Simulation Conference 2002.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def shares(resource: Ints, period: Floats, resources: int, begin: float, end: float) -> tuple[Floats, Floats]:
    """Give the shares of time in which each resource is the sole bottleneck, and one of two between which it shifts.

    Parameters
    ----------
    resource, period : arrays, shapes (periods,) and (periods, 2)
        Whose active periods they are, and their begin and end.
    begin, end : float
        The time looked at. A period that reaches over an edge counts whole where lengths are compared.

    Returns
    -------
    tuple of array, shape (resources,)
        Sole shares, which sum to 1 at most, and shifting ones.

    Examples
    --------
    >>> periods = np.array([[0.0, 6.0], [4.0, 12.0]])
    >>> [one.tolist() for one in shares(np.array([0, 1]), periods, 2, 0.0, 12.0)]
    [[0.3333333333333333, 0.5], [0.16666666666666666, 0.16666666666666666]]
    """
    sole, shifting = np.zeros(resources), np.zeros(resources)
    chain = _momentary(period)
    before = begin
    for place, one in enumerate(chain):
        low, high = max(float(period[one, 0]), begin), min(float(period[one, 1]), end)
        shift = high
        if place + 1 < len(chain):
            following = chain[place + 1]
            shift = min(high, max(float(period[following, 0]), low))
            overlap = max(0.0, min(high, end) - max(shift, begin, before))
            shifting[resource[one]] += overlap
            if resource[following] != resource[one]:
                shifting[resource[following]] += overlap
        sole[resource[one]] += max(0.0, shift - max(low, before))
        before = max(before, high)
    span = max(end - begin, 1e-300)
    return sole / span, shifting / span


def _momentary(period: Floats) -> list[int]:
    """Give the periods that are at some time the longest of those then active, in order of time."""
    length = period[:, 1] - period[:, 0]
    order = np.lexsort((-length, period[:, 0])).tolist()
    heap: list[tuple[float, float, int]] = []  # longest first; of equal ones the one that began first
    chain: list[int] = []
    ends: list[tuple[float, int]] = []
    for place in order:
        now = float(period[place, 0])
        while ends and ends[0][0] < now:
            when = heappop(ends)[0]
            _top(heap, period, when, chain)
        heappush(heap, (-float(length[place]), now, place))
        heappush(ends, (float(period[place, 1]), place))
        _top(heap, period, now, chain)
    while ends:
        _top(heap, period, heappop(ends)[0], chain)
    return chain


def _top(heap: list[tuple[float, float, int]], period: Floats, now: float, chain: list[int]) -> None:
    """Drop what has ended by now; the longest that goes on is the bottleneck from now on."""
    while heap and period[heap[0][2], 1] <= now:
        heappop(heap)
    if heap and (not chain or chain[-1] != heap[0][2]):
        chain.append(heap[0][2])
