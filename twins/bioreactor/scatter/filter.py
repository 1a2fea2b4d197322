"""A Kalman filter of light scatter along the feed's clock: its level, and how much it rises per share of feed.

    level' = level + yield dS + w1,     yield' = yield + w2,     reading = level + v

S is the share of the liquid that came in as feed (`clock`). The yield is in scatter per unit of S: probe gain, yield on
substrate and feed strength in one number, learned per vessel as the run goes; the probe's offset is in the level. The
standard deviation of a reading is learned too. A sampling shifts optics and culture by a share that nobody knows
beforehand: the filter lets go of the level and the yield by as much as the share of liquid drawn.

Element by element over the vessels: a vessel does not depend on its neighbours.

Source
------
Local level with a regression effect that wanders: Durbin and Koopman 2012, Time Series Analysis by State Space Methods,
chapters 3 and 4. Bounded influence of a reading: Huber 1981, Robust Statistics. Variance of white noise by second
differences: Gasser, Sroka and Jennen-Steinmetz 1986, Biometrika 73:625.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError, ShapeError
from schemas.instants import HOUR
from twins.bioreactor.scatter.clock import gained

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEVER = -1
SCATTER_SMALLEST = 1e-6  # assumed: a probe that reads less is dark
SECOND_DIFFERENCE = 6.0  # variance of y0 - 2 y1 + y2 over that of y, white noise: 1 + 4 + 1


@dataclass(frozen=True, slots=True)
class ScatterSettings:
    """How vessels are filtered. All numbers are relative, so the unit of scatter and volume does not matter.

    Parameters
    ----------
    feed_growth : float
        Growth rate that the planned feed is made for [1/h]. It only sets the yield that is believed at the start.
    noise : float
        Standard deviation of a reading at the start, over the reading.
        Assumed 0.02: optical density and scatter in microplates repeat to 1 to 3 %.
    noise_hours : float
        Memory of the learned noise [h]. Assumed 2: twenty cycles of 0.1 h know a variance to about 30 %.
    level_wander : float
        Random walk of the level, over the level, per square root of an hour. Assumed 0.015: of the order of the
        noise, so that what the feed does not explain is followed within hours. Of 0.001 to 0.02 the best for half of
        the published yeast plate, by little.
    yield_wander : float
        Random walk of the yield, over the yield, per square root of an hour. Assumed 0.1: metabolism may change the
        yield by half within a day. Of 0.02 to 0.2 the best for the same half, by little.
    sampling_shift : float
        Standard deviation of the shift of a reading, over the reading, per share of the liquid drawn. Assumed 0.3:
        the optical path changes by less than the liquid's height does. The same half shows a tenth for three tenths.
    settling_hours : float
        How long such a shift takes to show [h]. Assumed 0.5: sampling, its pause of shaking and the next cycles.
    gate : float
        Innovations beyond so many standard deviations count as if they stood there. Assumed 4.
    """

    feed_growth: float = 0.1
    noise: float = 0.02
    noise_hours: float = 2.0
    level_wander: float = 0.015
    yield_wander: float = 0.1
    sampling_shift: float = 0.3
    settling_hours: float = 0.5
    gate: float = 4.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 < value < np.inf:
                raise SettingsError(f"expected {field.name} above 0, received {value}")


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """What one cycle of readings brings to n vessels; every array has shape (n,).

    Parameters
    ----------
    instants : array of int64
        When each was read [us].
    scatter : array
        The reading, in any unit; NaN, or not above `SCATTER_SMALLEST`, is a missing one.
    volume : array
        Liquid at the reading, before a sample that is drawn in this cycle.
    added : array
        Liquid fed since the vessel's last reading, in the unit of `volume`.
    drawn : array
        Liquid sampled in this cycle, in the unit of `volume`; 0 for none. The reading of this very cycle may already
        show it: the logs of pipetting robots give a cycle, not an order.
    share_rate : array
        Planned rise of the share of feed [1/h]; only the first reading of a vessel looks at it.
    there : array of bool
        Which vessels were read.
    """

    instants: Ints
    scatter: Floats
    volume: Floats
    added: Floats
    drawn: Floats
    share_rate: Floats
    there: Bools


@dataclass(frozen=True, slots=True, eq=False)
class ScatterState:
    """What n vessels are believed to be; every array has shape (n,), NaN before a vessel's first reading.

    Parameters
    ----------
    seen : array of int64
        Newest reading's instant [us], `NEVER` where there was none.
    share : array
        Share of the liquid that came in as feed since the first reading.
    level : array
        Scatter without noise [unit of scatter].
    yields : array
        Rise of scatter per share of feed [unit of scatter].
    p00, p01, p11 : array
        Covariance of level and yield.
    noise : array
        Variance of a reading, over the reading squared.
    shift : array
        Variance of the shift by samplings that has yet to show, over the level squared.
    before, before_that : array
        The last reading and the one before, for the noise; NaN where they do not count.
    """

    seen: Ints
    share: Floats
    level: Floats
    yields: Floats
    p00: Floats
    p01: Floats
    p11: Floats
    noise: Floats
    shift: Floats
    before: Floats
    before_that: Floats


def start(count: int) -> ScatterState:
    """Give the state of so many vessels that have read nothing."""
    return ScatterState(np.full(count, NEVER, np.int64), *(np.full(count, np.nan) for _ in range(10)))


def step(settings: ScatterSettings, state: ScatterState, cycle: Cycle) -> ScatterState:
    """Fold one cycle of readings. The state is left as it was.

    Raises
    ------
    ShapeError
        If an array does not have one element a vessel.

    Notes
    -----
    A vessel without a reading, or whose reading is not later than the last, keeps its state; what was fed meanwhile
    belongs to `added` of its next one.
    """
    for field in fields(cycle):
        array = getattr(cycle, field.name)
        if array.shape != state.seen.shape:
            raise ShapeError(f"expected {field.name} of shape {state.seen.shape}, received {array.shape}")
    readable = np.isfinite(cycle.scatter) & (cycle.scatter > SCATTER_SMALLEST)
    take = cycle.there & readable & (cycle.instants > state.seen)
    first = take & (state.seen == NEVER)
    clean = _clean(cycle, take)
    begun = _begin(settings, clean)
    moved = _move(settings, state, clean)
    return ScatterState(
        *(
            np.where(first, getattr(begun, name), np.where(take, getattr(moved, name), getattr(state, name)))
            for name in (field.name for field in fields(state))
        )
    )


def _clean(cycle: Cycle, take: Bools) -> Cycle:
    """Put numbers that compute where there is nothing to compute; the result there is not used."""
    return replace(
        cycle,
        scatter=np.where(take, cycle.scatter, 1.0),
        volume=np.where(take, cycle.volume, 1.0),
        added=np.where(take, cycle.added, 0.0),
        drawn=np.where(take, cycle.drawn, 0.0),
        share_rate=np.where(take, cycle.share_rate, 1.0),
    )


def _begin(settings: ScatterSettings, cycle: Cycle) -> ScatterState:
    """Believe the first reading, and of the yield only what the plan says.

    If all that is read were biomass growing as the feed is planned for, the yield would be feed_growth reading /
    share_rate. The biomass' part of a reading is unknown: uniform on 0 to 1, hence mean 1/2 and variance 1/12 of that.
    """
    y, zero = cycle.scatter, np.zeros_like(cycle.scatter)
    whole = settings.feed_growth * y / np.maximum(cycle.share_rate, 1e-9)
    noise = np.full_like(y, settings.noise**2)
    none = np.full_like(y, np.nan)
    return ScatterState(
        cycle.instants, zero, y, whole / 2.0, noise * y * y, zero, whole * whole / 12.0, noise, zero, y, none
    )


def _move(settings: ScatterSettings, state: ScatterState, cycle: Cycle) -> ScatterState:
    hours = (cycle.instants - state.seen) / HOUR
    rise = gained(state.share, cycle.volume - cycle.added, cycle.added)
    drawn = cycle.drawn > 0.0
    part = np.where(drawn, np.minimum(cycle.drawn / cycle.volume, 1.0), 0.0)

    level = state.level + state.yields * rise
    square = level * level
    pending = state.shift + (settings.sampling_shift * part) ** 2
    shown = pending * -np.expm1(-hours / settings.settling_hours)
    p00 = state.p00 + rise * (2.0 * state.p01 + rise * state.p11)
    p00 = p00 + (settings.level_wander**2 * hours + shown) * square
    p01 = state.p01 + rise * state.p11
    p11 = state.p11 + (settings.yield_wander**2 * hours + part * part) * state.yields**2

    settled = (pending < (0.1 * settings.noise) ** 2) & ~np.isnan(state.before_that)
    bend = (cycle.scatter - 2.0 * state.before + state.before_that) ** 2 / SECOND_DIFFERENCE / square
    # one bent triple counts as nine times the variance at most: an outlier does not make a noisy probe
    told = np.minimum(bend, 9.0 * state.noise) - state.noise
    noise = np.where(settled, state.noise - np.expm1(-hours / settings.noise_hours) * told, state.noise)

    innovation = cycle.scatter - level
    total = p00 + noise * square
    total = np.maximum(total, (innovation / settings.gate) ** 2)  # the rest is taken for noise of this reading
    k0, k1 = p00 / total, p01 / total
    return ScatterState(
        seen=cycle.instants,
        share=state.share + rise,
        level=np.maximum(level + k0 * innovation, SCATTER_SMALLEST),
        yields=np.maximum(state.yields + k1 * innovation, 0.0),  # feed does not make biomass disappear
        p00=p00 - k0 * p00,
        p01=p01 - k0 * p01,
        p11=p11 - k1 * p01,
        noise=noise,
        shift=pending - shown,
        before=cycle.scatter,
        before_that=state.before,
    )
