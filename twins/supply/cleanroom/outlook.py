"""What comes of a room's air if nothing changes, and if everybody leaves; how many people its grade bears."""

from __future__ import annotations

from msgspec import Struct

from twins.supply.cleanroom import room
from twins.supply.cleanroom.airflow import GARMENTS, people_most
from twins.supply.cleanroom.config import RoomConfig
from twins.supply.cleanroom.limits import Size, levels_of, viable_limit
from twins.supply.cleanroom.reading import State, airs_of

SIZES: tuple[Size, Size] = ("half_um", "five_um")


class SizeOutlook(Struct, frozen=True):
    """One size: when the air is above the action level with 5, 50 and 95 %, and when below the one at rest with 95 %.

    Hours from the state's time; infinity where it does not come about within the day.
    """

    size: Size
    breach_hours: tuple[float, float, float] | None  # None: the grade has no limit in operation
    recovered_hours: float | None  # after everybody left now; None: no limit at rest


def look_ahead(state: State, config: RoomConfig) -> tuple[SizeOutlook, ...]:
    """Look ahead from a state, for both sizes."""
    found = []
    for size, air, belief in zip(SIZES, airs_of(config), (state.half, state.five), strict=True):
        belief = room.predict(belief, air, max(belief.hours, state.at / 3.6e9))
        working, _ = levels_of(config.grade, size, True, config.levels)
        resting, _ = levels_of(config.grade, size, False, config.levels)
        breach = None
        if working is not None:
            early, middle, late = (room.hours_until_above(belief, air, working, p) for p in (0.05, 0.5, 0.95))
            breach = early, middle, late
        empty = room.people(belief, 0)
        found.append(
            SizeOutlook(size, breach, None if resting is None else room.hours_until_below(empty, air, resting))
        )
    return tuple(found)


def people_by_limit(config: RoomConfig) -> dict[str, float]:
    """Give how many people keep the room at each limit in operation: half_um, five_um and air (colonies).

    Examples
    --------
    >>> room = RoomConfig(room="B1", grade="B", volume_m3=60, air_changes_per_hour=30)
    >>> {what: round(people, 2) for what, people in people_by_limit(room).items()}
    {'half_um': 10.35, 'five_um': 2.36, 'air': 1.69}
    """
    worn, air = GARMENTS[config.garment], config.volume_m3 * config.air_changes_per_hour
    rates = {"half_um": worn.half_um_per_minute, "five_um": worn.five_um_per_minute, "air": worn.carriers_per_minute}
    limits = {
        "half_um": levels_of(config.grade, "half_um", True, config.levels)[0],
        "five_um": levels_of(config.grade, "five_um", True, config.levels)[0],
        "air": viable_limit(config.grade, "air"),
    }
    return {
        what: people_most(limit, rates[what], air, config.effectiveness)
        for what, limit in limits.items()
        if limit is not None
    }
