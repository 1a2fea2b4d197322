"""One plate, live: fold a cycle of readings, and say what the next hours will bring."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.bioreactor.scatter import filter as scatter_filter
from twins.bioreactor.scatter.bands import Bands, BandState
from twins.bioreactor.scatter.filter import Cycle, ScatterSettings, ScatterState
from twins.bioreactor.scatter.forecast import growth_rate, outlook
from twins.bioreactor.scatter.peers import nobody, pooled

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlateSettings:
    """How a plate is followed.

    Parameters
    ----------
    vessel : ScatterSettings
    bands : Bands
    peer_spread : float
        Standard deviation of the yield between the plate's vessels, over the plate's yield. Assumed 0.3: strains of
        one species on one feed. 0 lets each vessel stand alone.
    growth_hours : tuple of float
        Instants ahead over which the growth rate is taken [h].
    """

    vessel: ScatterSettings = field(default_factory=ScatterSettings)
    bands: Bands = field(default_factory=Bands)
    peer_spread: float = 0.3
    growth_hours: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)

    def __post_init__(self) -> None:
        if not 0.0 <= self.peer_spread < np.inf:
            raise SettingsError(f"expected a peer spread of 0 or more, received {self.peer_spread}")
        if len(self.growth_hours) < 2 or list(self.growth_hours) != sorted(set(self.growth_hours)):
            raise SettingsError(f"expected two rising instants or more, received {self.growth_hours}")


@dataclass(frozen=True, slots=True, eq=False)
class PlateState:
    """What a plate of n vessels is believed to be."""

    vessels: ScatterState
    bands: BandState


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """The feed planned from now on, in the unit of the cycle's volumes; NaN beyond the plan.

    Parameters
    ----------
    to_leads : array, shape (leads, n)
        Up to each lead of the bands.
    to_growth : array, shape (instants, n)
        Up to each of `growth_hours`.
    """

    to_leads: Floats
    to_growth: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PlateForecast:
    """What a plate's n vessels will show. NaN for a vessel that was not read in this cycle, and beyond the plan.

    Parameters
    ----------
    scatter, lower, upper : array, shape (leads, n)
        Median and interval of the readings [unit of scatter].
    growth : array, shape (n,)
        Growth rate over the coming hours: slope of ln(scatter) plus dilution [1/h].
    """

    scatter: Floats
    lower: Floats
    upper: Floats
    growth: Floats


def start(settings: PlateSettings, count: int) -> PlateState:
    """Give the state of a plate of so many vessels that has shown nothing."""
    return PlateState(scatter_filter.start(count), settings.bands.begin(count))


def step(
    settings: PlateSettings, state: PlateState, instant: int, cycle: Cycle, planned: Planned
) -> tuple[PlateState, PlateForecast]:
    """Fold one cycle of a plate and forecast from it. The state is left as it was.

    Parameters
    ----------
    instant : int
        Of the cycle [us]: the plate's clock, by which past is past.
    cycle : Cycle
        Its readings; `instants` may differ from `instant` within the bands' tolerance.
    planned : Planned
        Feed from now on.

    Notes
    -----
    Errors are learned before anything new is said, and a vessel's reading of this cycle is known to its neighbours.
    """
    vessels = scatter_filter.step(settings.vessel, state.vessels, cycle)
    read = (vessels.seen == cycle.instants) & (state.vessels.seen != cycle.instants)
    count = len(read)
    peers = pooled(vessels, read, settings.peer_spread) if settings.peer_spread > 0.0 else nobody(count)
    readings = np.log(np.where(read, cycle.scatter, 1.0))
    learned = settings.bands.learn(state.bands, instant, np.where(read, readings, np.nan))

    left = np.where(read, cycle.volume - cycle.drawn, np.nan)
    hours = np.array(settings.bands.leads) / HOUR
    seen = outlook(settings.vessel, vessels, peers, hours, left, planned.to_leads)
    bands, lower, upper = settings.bands.say(learned, instant, seen)
    growth = growth_rate(vessels, peers, np.array(settings.growth_hours), left, planned.to_growth)
    return PlateState(vessels, bands), PlateForecast(np.exp(seen.centre), np.exp(lower), np.exp(upper), growth)
