"""EU GMP Annex 1 (2022): limits of particles and growth by grade, and a site's own action and alert levels within them.

Source
------
EU GMP Annex 1 (2022): table 1 (classification), table 5 (monitoring of particles), table 6 (monitoring of growth).
The tables are used, not C = 10^N (0.1/D)^2.08 of ISO 14644-1, which gives 3,517 and 29.25 where Annex 1 prints 3,520
and 29; and not the text of 2008, whose limits at 5 um differ. "Not specified" and "not predetermined" are None.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.errors import SettingsError

Grade = Literal["A", "B", "C", "D"]
Size = Literal["half_um", "five_um"]
Purpose = Literal["classification", "monitoring"]
Level = Literal["within", "alert", "action"]
ALERT_SHARE = 0.5  # of the action level: assumed; Annex 1, 9.10 leaves alert levels to the site's own data
LEAST_LITRES = 2.0  # ISO 14644-1:2015, A.4.4: at least 2 L and a minute at each place

# By grade: at 0.5 um at rest, in operation; at 5 um at rest, in operation [1/m3].
_CLASSIFIED: dict[str, tuple[float | None, ...]] = {
    "A": (3_520, 3_520, None, None),
    "B": (3_520, 352_000, None, 2_930),
    "C": (352_000, 3_520_000, 2_930, 29_300),
    "D": (3_520_000, None, 29_300, None),
}
_MONITORED = _CLASSIFIED | {"A": (3_520, 3_520, 29, 29), "B": (3_520, 352_000, 29, 2_930)}
# Air [CFU/m3], settle plate of 90 mm [CFU in at most 4 h], contact plate of 55 mm, glove print.
# Grade A: no growth, so 0 is the most that passes.
_VIABLE: dict[str, dict[str, float]] = {
    "A": {"air": 0, "settle": 0, "contact": 0, "glove": 0},
    "B": {"air": 10, "settle": 5, "contact": 5, "glove": 5},
    "C": {"air": 100, "settle": 50, "contact": 25},
    "D": {"air": 200, "settle": 100, "contact": 50},
}


class SiteLevel(Struct, frozen=True, forbid_unknown_fields=True):
    """A site's own levels for one thing: `what` is half_um, five_um (in operation), air, settle, contact or glove."""

    what: str
    action: float
    alert: float


class Verdict(Struct, frozen=True):
    """A value beside its levels. `enough` is False where the sample is too small to show that a limit is kept."""

    value: float
    level: Level
    action: float | None
    alert: float | None
    enough: bool = True


def particle_limit(grade: Grade, size: Size, in_operation: bool, purpose: Purpose = "monitoring") -> float | None:
    """Give the most particles per m3 of a size and larger; None where Annex 1 states no limit.

    Examples
    --------
    >>> particle_limit("B", "five_um", True), particle_limit("A", "five_um", True, "classification")
    (2930, None)
    """
    table = _MONITORED if purpose == "monitoring" else _CLASSIFIED
    return table[grade][(0 if size == "half_um" else 2) + in_operation]


def viable_limit(grade: Grade, kind: str) -> float | None:
    """Give the most colonies that pass: per m3 of air, or per plate; None for gloves in C and D.

    Examples
    --------
    >>> viable_limit("B", "settle"), viable_limit("A", "air"), viable_limit("C", "glove")
    (5, 0, None)
    """
    return _VIABLE[grade].get(kind)


def minimum_sample_litres(limit_per_m3: float) -> float:
    """Give the sample in which a room at its limit shows 20 particles, and no less than 2 L [L].

    Source
    ------
    ISO 14644-1:2015, A.4.4, equation A.2.

    Examples
    --------
    >>> round(minimum_sample_litres(29), 1), round(minimum_sample_litres(3520), 1), minimum_sample_litres(352000)
    (689.7, 5.7, 2.0)
    """
    if not limit_per_m3 > 0:
        raise SettingsError(f"expected a limit above 0 per m3, received {limit_per_m3}, for a minimum sample")
    return max(20_000.0 / limit_per_m3, LEAST_LITRES)


def check_levels(grade: Grade, levels: tuple[SiteLevel, ...]) -> None:
    """Refuse a site's levels that are looser than Annex 1, or an alert level above the action level.

    Raises
    ------
    SettingsError
        Which level, what it was and what is expected.
    """
    for level in levels:
        if level.what not in ("half_um", "five_um", "air", "settle", "contact", "glove"):
            raise SettingsError(f"expected half_um, five_um, air, settle, contact or glove, received {level.what!r}")
        most = _limit(grade, level.what, True)
        if most is not None and level.action > most:
            raise SettingsError(
                f"expected an action level of at most {most}, received {level.action}, for {level.what} in grade "
                f"{grade}; a site may be stricter than Annex 1, never looser"
            )
        if not 0 <= level.alert <= level.action:
            raise SettingsError(
                f"expected an alert level from 0 to {level.action}, received {level.alert}, for {level.what}"
            )


def levels_of(
    grade: Grade, what: str, in_operation: bool, site: tuple[SiteLevel, ...] = ()
) -> tuple[float | None, float | None]:
    """Give the action and the alert level of monitoring: the site's, else Annex 1's and half of it."""
    action = _limit(grade, what, in_operation)
    alert = None if action is None else action * ALERT_SHARE
    for level in site:
        if level.what == what:
            action = level.action if action is None else min(action, level.action)
            alert = min(level.alert, action)
    return action, alert


def judge_particles(
    grade: Grade, size: Size, in_operation: bool, count: int, sample_m3: float, site: tuple[SiteLevel, ...] = ()
) -> Verdict:
    """Judge a count in a sampled volume [m3] by the levels of monitoring.

    Examples
    --------
    >>> judge_particles("A", "five_um", True, 1, 0.0283).level  # one particle in a cubic foot is 35 per m3
    'action'
    """
    action, alert = levels_of(grade, size, in_operation, site)
    enough = action is None or action == 0 or sample_m3 * 1000 >= minimum_sample_litres(action)
    return _verdict(count / sample_m3, action, alert, enough)


def judge_plate(grade: Grade, kind: str, cfu: int, air_m3: float = 0.0, site: tuple[SiteLevel, ...] = ()) -> Verdict:
    """Judge a plate by what grew on it. A settle plate is not scaled to 4 h: its limit holds for a shorter time too."""
    action, alert = levels_of(grade, kind, True, site)
    return _verdict(cfu / air_m3 if kind == "air" else float(cfu), action, alert, True)


def _limit(grade: Grade, what: str, in_operation: bool) -> float | None:
    if what in ("half_um", "five_um"):
        return _MONITORED[grade][(0 if what == "half_um" else 2) + in_operation]
    return viable_limit(grade, what)


def _verdict(value: float, action: float | None, alert: float | None, enough: bool) -> Verdict:
    level: Level = "within"
    if action is not None and value > action:
        level = "action"
    elif alert is not None and value > alert:
        level = "alert"
    return Verdict(value, level, None if action is None else float(action), alert, enough)
