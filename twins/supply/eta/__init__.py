"""When cells will be where: durations of legs learned online, remaining times, and infusion dates as distributions."""

from twins.supply.eta.duration import LEVELS, Duration, Remaining, remaining
from twins.supply.eta.journey import Calendar, InfusionDate, Journey, Stage, infusion_date
from twins.supply.eta.kpis import Kpi, out_of_specification, vein_to_vein
from twins.supply.eta.leg import Leg, LegKey
from twins.supply.eta.legs import Legs

__all__ = [
    "LEVELS",
    "Calendar",
    "Duration",
    "InfusionDate",
    "Journey",
    "Kpi",
    "Leg",
    "LegKey",
    "Legs",
    "Remaining",
    "Stage",
    "infusion_date",
    "out_of_specification",
    "remaining",
    "vein_to_vein",
]
