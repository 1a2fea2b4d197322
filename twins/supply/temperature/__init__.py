"""What a box's signals say of what is inside: temperature, hold time left, excursions, mean kinetic value, dose."""

from twins.supply.temperature.dose import Dose, DoseState
from twins.supply.temperature.excursions import Excursion, Excursions, ExcursionState, Limit, LimitState
from twins.supply.temperature.folding import FILL, TEMPERATURE, TILT, Folded, Refused, Together, fold, start
from twins.supply.temperature.hold import Hold, HoldState
from twins.supply.temperature.hold_left import HoldLeft
from twins.supply.temperature.mkt import WINDOWS, Mkt, Refusal, Storage, mean_kinetic, mkt, sliding
from twins.supply.temperature.payload import Estimate, Filtered, Logger, Payload, PayloadState
from twins.supply.temperature.shipper import Box, Shipper, learned, new_box
from twins.supply.temperature.warming import WarmRule, WarmWarning, judge

__all__ = [
    "FILL",
    "TEMPERATURE",
    "TILT",
    "WINDOWS",
    "Box",
    "Dose",
    "DoseState",
    "Estimate",
    "Excursion",
    "ExcursionState",
    "Excursions",
    "Filtered",
    "Folded",
    "Hold",
    "HoldLeft",
    "HoldState",
    "Limit",
    "LimitState",
    "Logger",
    "Mkt",
    "Payload",
    "PayloadState",
    "Refusal",
    "Refused",
    "Shipper",
    "Storage",
    "Together",
    "WarmRule",
    "WarmWarning",
    "fold",
    "judge",
    "learned",
    "mean_kinetic",
    "mkt",
    "new_box",
    "sliding",
    "start",
]
