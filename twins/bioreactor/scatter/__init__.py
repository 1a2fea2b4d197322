"""Forecast what a light scatter probe will read in fed-batch vessels that a planned feed limits."""

from twins.bioreactor.scatter.bands import Bands, BandState
from twins.bioreactor.scatter.filter import Cycle, ScatterSettings, ScatterState
from twins.bioreactor.scatter.forecast import Outlook, growth_rate, outlook
from twins.bioreactor.scatter.live import Planned, PlateForecast, PlateSettings, PlateState
from twins.bioreactor.scatter.peers import Peers, pooled

__all__ = [
    "BandState",
    "Bands",
    "Cycle",
    "Outlook",
    "Peers",
    "Planned",
    "PlateForecast",
    "PlateSettings",
    "PlateState",
    "ScatterSettings",
    "ScatterState",
    "growth_rate",
    "outlook",
    "pooled",
]
