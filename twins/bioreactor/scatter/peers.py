"""What the vessels of one plate know of each other's yield, at one instant and not of the future.

Vessels of one plate get the same feed and are read by the same optics, so their yields are alike, and each knows its
own badly at the start. The plate's is the weighted median, which a few vessels that misbehave do not move; a vessel's
own belief is drawn to it by as much as it is unsure (empirical Bayes).

Source
------
Morris 1983, Parametric empirical Bayes inference, J. Am. Stat. Assoc. 78:47, with the spread between vessels given
instead of estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.scatter.filter import ScatterState

Floats = NDArray[np.float64]
FEWEST = 4  # assumed: of fewer, a median is hardly better than one of them


@dataclass(frozen=True, slots=True, eq=False)
class Peers:
    """The plate's yield for n vessels: mean and variance of what a vessel's may be; infinite variance says nothing.

    Parameters
    ----------
    yields, variance : array, shape (n,)
        In the units of `ScatterState.yields`, and squared.
    """

    yields: Floats
    variance: Floats


def nobody(count: int) -> Peers:
    """Give the peers of vessels that stand alone."""
    return Peers(np.zeros(count), np.full(count, np.inf))


def pooled(state: ScatterState, newest: NDArray[np.bool_], spread: float) -> Peers:
    """Pool the yields of one plate.

    Parameters
    ----------
    state : ScatterState
        Of the plate's n vessels, folded up to one instant. This is the one place where vessels are read together.
    newest : array of bool, shape (n,)
        Which vessels were read in this cycle; others say nothing.
    spread : float
        Standard deviation of the yield between vessels, over the plate's yield.
    """
    count = len(state.seen)
    told = np.flatnonzero(newest & np.isfinite(state.yields) & np.isfinite(state.p11))
    if len(told) < FEWEST:
        return nobody(count)
    yields, unsure = state.yields[told], state.p11[told]
    between = (spread * float(np.median(yields))) ** 2
    if not between > 0.0:
        return nobody(count)
    order = np.lexsort((unsure, yields))
    heap = np.cumsum(1.0 / (unsure[order] + between))
    middle = float(yields[order][int(np.searchsorted(heap, heap[-1] / 2.0))])
    return Peers(np.full(count, middle), np.full(count, between))


def drawn_to(state: ScatterState, peers: Peers) -> tuple[Floats, Floats]:
    """Give each vessel's yield and its variance, drawn to those of its peers; shapes (n,)."""
    alone = ~np.isfinite(peers.variance)
    between = np.where(alone, 1.0, peers.variance)
    trust = np.where(alone, 1.0, between / (state.p11 + between))
    return trust * state.yields + (1.0 - trust) * peers.yields, trust * state.p11
