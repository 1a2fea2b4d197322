"""A cleanroom: Annex 1 limits, its air as filtered, plates read late, pressures, people, patients' units, the suite."""

from twins.supply.cleanroom.config import Adjoining, Cascade, Changeover, Doorway, RoomConfig, check_config
from twins.supply.cleanroom.limits import (
    SiteLevel,
    judge_particles,
    judge_plate,
    minimum_sample_litres,
    particle_limit,
    viable_limit,
)
from twins.supply.cleanroom.outlook import SizeOutlook, look_ahead, people_by_limit
from twins.supply.cleanroom.reading import RoomReading
from twins.supply.cleanroom.record import KEEP_DAYS, RoomRecord
from twins.supply.cleanroom.viable import Exposure, PlateResult, Presence, Window, exposed_units, growth, recurring
from twins.supply.cleanroom.violations import Violation

__all__ = [
    "KEEP_DAYS", "Adjoining", "Cascade", "Changeover", "Doorway", "Exposure", "PlateResult", "Presence", "RoomConfig",
    "RoomReading", "RoomRecord", "SiteLevel", "SizeOutlook", "Violation", "Window", "check_config",
    "exposed_units", "growth", "judge_particles", "judge_plate", "look_ahead", "minimum_sample_litres",
    "particle_limit", "people_by_limit", "recurring", "viable_limit",
]  # fmt: skip
