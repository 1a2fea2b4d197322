"""What a site says of one cleanroom: its grade, its air, its doors and neighbours, its rules."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.errors import SettingsError
from twins.supply.cleanroom.airflow import GARMENTS, recovery_hours
from twins.supply.cleanroom.limits import Grade, SiteLevel, check_levels, particle_limit

Way = Literal["both", "in", "out", "none"]
Positive = Annotated[float, Meta(gt=0)]
REST_SHARE = 0.02  # of the at-rest limit that equipment sheds: assumed


class Cascade(Struct, frozen=True, forbid_unknown_fields=True):
    """How far this room's pressure must be over a neighbour's, and how soon too little is an alarm."""

    against: str
    least_pa: float = 10.0  # EU GMP Annex 1 (2022), 4.14: a minimum of 10 Pa between rooms of different grades
    alarm_delay_seconds: float = 30.0  # assumed: longer than a person's passing; the site's own is asked for
    door_seconds: float = 60.0  # that an open door excuses: assumed, likewise
    doors: tuple[str, ...] = ()  # that excuse it


class Doorway(Struct, frozen=True, forbid_unknown_fields=True):
    """A door of the room: which ways people and material may take through it, seen from this room."""

    door: str
    people: Way = "both"
    material: Way = "both"


class Changeover(Struct, frozen=True, forbid_unknown_fields=True):
    """What it takes from the close of one product to the opening of another."""

    after: str
    before: str
    minutes: float


class Adjoining(Struct, frozen=True, forbid_unknown_fields=True):
    """A room that air or material of this one reaches; contamination may stay there `tail_minutes` after the end."""

    room: str
    tail_minutes: float = 0.0


class RoomConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cleanroom as a site configures it; limits come from its grade unless the site is stricter."""

    room: str
    grade: Grade
    volume_m3: Positive
    air_changes_per_hour: Positive
    effectiveness: Annotated[float, Meta(gt=0, le=2)] = 1.0
    garment: str = "cleanroom"
    rest_half_um_per_m3: float | None = None  # what the empty room comes to; None: 2 % of the limit at rest
    rest_five_um_per_m3: float | None = None
    recovery_minutes: float | None = None  # None: 100:1 in closed form
    stay_hours: Positive = 12.0  # a badge without a way out counts so long, then it is flagged: assumed, a long shift
    gown_minutes: Positive = 240.0  # most in one gown: assumed
    capacity_people: Annotated[int, Meta(ge=1)] = 8
    cascades: tuple[Cascade, ...] = ()
    doorways: tuple[Doorway, ...] = ()
    interlocks: tuple[tuple[str, str], ...] = ()  # pairs of doors of which never two are open
    changeovers: tuple[Changeover, ...] = ()
    changeover_minutes: float = 0.0  # between two patients where no pair is named
    adjoining: tuple[Adjoining, ...] = ()
    levels: tuple[SiteLevel, ...] = ()
    hold_on_plate: bool = True  # a plate above its action level holds the room from the read until it is released

    def recovery_us(self) -> int:
        """Give how long the empty room recovers [us]."""
        minutes = self.recovery_minutes
        if minutes is None:
            minutes = 60 * recovery_hours(self.air_changes_per_hour, self.effectiveness)
        return round(minutes * 60_000_000)

    def rest_per_m3(self, five: bool) -> float:
        """Give what the empty room comes to, of one size [1/m3]."""
        given = self.rest_five_um_per_m3 if five else self.rest_half_um_per_m3
        if given is not None:
            return given
        return REST_SHARE * (particle_limit(self.grade, "five_um" if five else "half_um", False) or 0.0)

    def changeover_us(self, after: str, before: str) -> int:
        """Give how long a changeover takes, by what was made and what comes [us]."""
        for pair in self.changeovers:
            if (pair.after, pair.before) == (after, before):
                return round(pair.minutes * 60_000_000)
        return round(self.changeover_minutes * 60_000_000)


def check_config(config: RoomConfig) -> None:
    """Refuse a room that cannot be.

    Raises
    ------
    SettingsError
        For an unknown garment, levels looser than Annex 1, or two entries for one neighbour or door.
    """
    if config.garment not in GARMENTS:
        raise SettingsError(
            f"expected a garment of {', '.join(GARMENTS)}, received {config.garment!r}, for {config.room}"
        )
    check_levels(config.grade, config.levels)
    for names in ([c.against for c in config.cascades], [d.door for d in config.doorways]):
        if len(set(names)) < len(names):
            raise SettingsError(f"expected each neighbour and door once, received {names}, for {config.room}")
