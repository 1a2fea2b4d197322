"""Carry beliefs along the planned feed: what the probe will read, how surely, and how fast the culture will grow.

A forecast counts on the planned feed and on no sampling. Element by element over the vessels, given their peers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.scatter.clock import diluted, gained
from twins.bioreactor.scatter.filter import SCATTER_SMALLEST, ScatterSettings, ScatterState
from twins.bioreactor.scatter.peers import Peers, drawn_to

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What n vessels will read at k leads: ln of scatter and its standard deviation, both (k, n); NaN where unknown."""

    centre: Floats
    spread: Floats


def outlook(
    settings: ScatterSettings, state: ScatterState, peers: Peers, hours: Floats, volume: Floats, planned: Floats
) -> Outlook:
    """Forecast readings.

    Parameters
    ----------
    settings : ScatterSettings
    state : ScatterState
        Of n vessels.
    peers : Peers
        `peers.nobody` for vessels that stand alone.
    hours : array, shape (k,)
        How far ahead, above 0 [h].
    volume : array, shape (n,)
        Liquid now, after the samples drawn so far that are known.
    planned : array, shape (k, n)
        Feed planned from now to each lead, in the unit of `volume`; NaN beyond the plan.

    Notes
    -----
    The spread sums what is not known of level and yield, their random walks, the rest of a sampling's shift, and the
    noise of the reading forecast. It is the model's own; how far it can be trusted is for `Bands` to find out.
    """
    ahead = hours[:, None]
    rise = gained(state.share, volume, planned)
    yields, variance = drawn_to(state, peers)
    # A yield drawn to the peers' is less tied to this vessel's level, in the same proportion.
    shared = np.where(state.p11 > 0.0, variance / np.where(state.p11 > 0.0, state.p11, 1.0), 1.0)
    mean = np.maximum(state.level + yields * rise, SCATTER_SMALLEST)
    square = mean * mean
    total = state.p00 + rise * (2.0 * shared * state.p01 + rise * variance)
    total = total + settings.level_wander**2 * ahead * square
    total = total + (settings.yield_wander * yields * rise) ** 2 * ahead / 3.0
    total = total + (state.noise - state.shift * np.expm1(-ahead / settings.settling_hours)) * square
    return Outlook(np.log(mean), np.sqrt(np.maximum(total, 0.0)) / mean)


def growth_rate(state: ScatterState, peers: Peers, hours: Floats, volume: Floats, planned: Floats) -> Floats:
    """Forecast the growth rate that will show: slope of ln(scatter) plus dilution, shape (n,) [1/h].

    Parameters
    ----------
    hours : array, shape (k,)
        Two instants ahead or more over which the slope is taken, rising, 0 for now [h].
    volume, planned
        As for `outlook`; the dilution is that of the feed up to the last of `hours`.

    Notes
    -----
    The slope is that of least squares over `hours`. Of the probe's reading, offset included: it is what the same sum
    over coming readings will give, and below the growth rate of the cells.
    """
    yields, _ = drawn_to(state, peers)
    ln = np.log(np.maximum(state.level + yields * gained(state.share, volume, planned), SCATTER_SMALLEST))
    lever = hours - float(np.mean(hours))
    slope = np.zeros_like(state.level)
    for place, arm in enumerate(lever.tolist()):
        slope = slope + arm * ln[place]
    return slope / float(np.sum(lever * lever)) + diluted(volume, planned[-1]) / float(hours[-1] - hours[0])
