"""A well-mixed room in closed form: what it comes to, how soon it recovers, how many people it bears.

dC/dt = G/V - (Q/V) e (C - Cs), so C(t) = Css + (C0 - Css) exp(-n e t) with Css = Cs + G / (Q e): C concentration
[1/m3], G source [1/h], V volume [m3], Q air supplied [m3/h], n = Q/V air changes [1/h], e their effectiveness.

Source
------
Whyte, Whyte, Eaton and Lenegan, European Journal of Parenteral and Pharmaceutical Sciences 22(4), 2017.
"""

from __future__ import annotations

import math

from msgspec import Struct

from schemas.errors import SettingsError


class Garment(Struct, frozen=True):
    """What a person sheds per minute: particles of 0.5 um and larger, of 5 um and larger, carriers of microbes."""

    half_um_per_minute: float
    five_um_per_minute: float
    carriers_per_minute: float


# Whyte et al., 55 people: means. One person shed 11,000 carriers a minute.
GARMENTS = {
    "cleanroom": Garment(1_020_000, 37_300, 177),
    "indoor": Garment(2_130_000, 332_000, 2_400),
}
SETTLING_METRES_PER_SECOND = 0.0046  # Whyte et al. 2017: mean of particles that carry microbes
PLATE_M2 = math.pi * 0.045**2  # of 90 mm
_LEAK = 0.827  # m3/s for 1 m2 and 1 Pa: Whyte et al. 2017 (orifice)


def steady_per_m3(
    source_per_hour: float, air_m3_per_hour: float, effectiveness: float = 1.0, supply: float = 0.0
) -> float:
    """Give the concentration that a room comes to [1/m3].

    Examples
    --------
    >>> round(steady_per_m3(3 * 1_020_000 * 60, 60 * 30))
    102000
    """
    if not (air_m3_per_hour > 0 and effectiveness > 0):
        raise SettingsError(f"expected air and effectiveness above 0, received {air_m3_per_hour} and {effectiveness}")
    return supply + source_per_hour / (air_m3_per_hour * effectiveness)


def concentration_per_m3(start: float, steady: float, rate_per_hour: float, hours: float) -> float:
    """Give the concentration after some hours [1/m3]; the rate is n e."""
    return steady + (start - steady) * math.exp(-rate_per_hour * hours)


def hours_until(start: float, steady: float, rate_per_hour: float, limit: float) -> float:
    """Give when a concentration crosses a limit, up or down [h]: 0 if it is on it, infinity if it never does.

    Examples
    --------
    >>> round(60 * hours_until(100.0, 0.0, 20.0, 1.0), 2)
    13.82
    """
    if start == limit:
        return 0.0
    if (start - limit) * (steady - limit) >= 0:
        return math.inf
    return math.log((start - steady) / (limit - steady)) / rate_per_hour


def recovery_hours(air_changes_per_hour: float, effectiveness: float = 1.0, ratio: float = 100.0) -> float:
    """Give how long an empty room takes to fall to a hundredth [h] (ISO 14644-3, 100:1)."""
    return math.log(ratio) / (air_changes_per_hour * effectiveness)


def people_most(
    limit: float, per_person_per_minute: float, air_m3_per_hour: float, effectiveness: float = 1.0, supply: float = 0.0
) -> float:
    """Give how many people keep a room at its limit; the whole number below is what it bears.

    Examples
    --------
    >>> round(people_most(2930, 37300, 1800), 2), round(people_most(10, 177, 1800), 2)
    (2.36, 1.69)
    """
    return max(0.0, (limit - supply) * air_m3_per_hour * effectiveness / (60 * per_person_per_minute))


def settle_plate_cfu(cfu_per_m3: float, hours: float = 4.0, plate_m2: float = PLATE_M2) -> float:
    """Give how many colonies a settle plate is expected to grow.

    Examples
    --------
    >>> round(settle_plate_cfu(10.0), 2)
    4.21
    """
    return cfu_per_m3 * SETTLING_METRES_PER_SECOND * plate_m2 * hours * 3600


def leak_m3_per_hour(gap_m2: float, difference_pa: float) -> float:
    """Give the air through a gap, such as around a door [m3/h]; against the pressure it is negative.

    Examples
    --------
    >>> round(leak_m3_per_hour(0.01, 10.0), 1)
    94.1
    """
    return math.copysign(_LEAK * gap_m2 * math.sqrt(abs(difference_pa)) * 3600, difference_pa)
