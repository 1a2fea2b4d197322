"""A dry shipper: what its model promises, what is known of one box, and what is learned of it over its trips.

A box is full at fill 1. It loses `1 / hold_hours` an hour while it stands (static), and more on its side. When the
liquid has gone, the payload warms towards the surroundings with one time constant.

Source
------
Same-model spread of hold times 30 to 40 %, on its side up to 60 % of the hold time within hours: Cryoport 2018;
FisherBioServices and CCD. Warm-up by one time constant: Newton's law of cooling.
"""

from __future__ import annotations

import math

import msgspec

from schemas.errors import SettingsError

_SPREAD = 0.15  # standard deviation over mean: 35 % lie between the 12 % and the 88 % box (assumed for "30 to 40 %")
_TRIP_SPREAD = 0.03  # what a box changes between two trips: ageing, its probe, its packing (assumed)


class Shipper(msgspec.Struct, frozen=True):
    """What is known of a model of box.

    Parameters
    ----------
    hold_hours : float
        From full to dry, standing [h].
    limit_celsius : float
        What the product must not pass, such as -150 [degC].
    warming_hours : float
        Time constant of the payload after the liquid has gone [h].
    warming_spread : float
        Its standard deviation over its mean.
    cold_celsius, ambient_celsius : float
        Payload while there is liquid, and what it warms towards [degC].
    spread : float
        Standard deviation of static rates between boxes of the model, over their mean.
    tip_loss : float
        Share of the hold time that a box loses on its side, at most.
    tip_hours : float
        In how long it loses that [h].
    fill_error : float
        Standard deviation of a fill signal, as a share of a full box.
    relative_error : float
        And as a share of what it reads; both add in variance.
    tilt_gap_hours : float
        A tilt signal silent for longer is lost: then a box may be on its side unseen [h].
    """

    hold_hours: float
    limit_celsius: float = -150.0
    warming_hours: float = 24.0
    warming_spread: float = 0.1
    cold_celsius: float = -190.0
    ambient_celsius: float = 20.0
    spread: float = _SPREAD
    tip_loss: float = 0.6
    tip_hours: float = 6.0
    fill_error: float = 0.03
    relative_error: float = 0.0
    tilt_gap_hours: float = 6.0

    def __post_init__(self) -> None:
        for name in ("hold_hours", "warming_hours", "tip_hours", "tilt_gap_hours", "spread"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"expected a shipper's {name} above 0, received {getattr(self, name)}")
        for name in ("warming_spread", "fill_error", "relative_error"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"expected a shipper's {name} of 0 to below 1, received {getattr(self, name)}")
        if self.fill_error == self.relative_error == 0:
            raise SettingsError("expected a fill signal's error above 0, received none; state the sensor's")
        if not 0 < self.tip_loss <= 1:
            raise SettingsError(f"expected a tip's loss above 0, at most 1, received {self.tip_loss}")
        if not -273.15 < self.cold_celsius < self.limit_celsius < self.ambient_celsius < 200:
            raise SettingsError(
                f"expected -273.15 < cold < limit < ambient degC, received "
                f"{self.cold_celsius}, {self.limit_celsius}, {self.ambient_celsius}"
            )

    @property
    def grace_hours(self) -> float:
        """From dry to the product's limit [h].

        Examples
        --------
        >>> round(Shipper(hold_hours=240.0).grace_hours, 3)
        5.071
        """
        return self.hours_to_limit(self.cold_celsius)

    def hours_to_limit(self, celsius: float) -> float:
        """Give the time from a temperature to the limit once there is no liquid [h]; negative beyond the limit."""
        least = 1e-6 * (self.ambient_celsius - self.cold_celsius)
        left = max(self.ambient_celsius - celsius, least)
        return self.warming_hours * math.log(left / (self.ambient_celsius - self.limit_celsius))

    def celsius_after(self, dry_hours: float) -> float:
        """Give the payload so long after the liquid has gone [degC]."""
        rest = math.exp(-max(0.0, dry_hours) / self.warming_hours)
        return self.ambient_celsius - (self.ambient_celsius - self.cold_celsius) * rest


class Box(msgspec.Struct, frozen=True):
    """What is known of one box before a trip.

    Parameters
    ----------
    rate : float
        Share of a full box that it loses an hour, standing.
    rate_sd : float
        Its standard deviation.
    trips : int
        Those that taught something.
    faults : int
        Trips on which it lost more than its rate and its tips explain: re-qualify it.
    """

    rate: float
    rate_sd: float
    trips: int = 0
    faults: int = 0


def new_box(shipper: Shipper) -> Box:
    """Give a box of which only the model is known."""
    rate = 1.0 / shipper.hold_hours
    return Box(rate, shipper.spread * rate)


def learned(box: Box, rate: float, rate_sd: float, faulty: bool) -> Box:
    """Give the box before its next trip, from what a trip ended with.

    A trip's posterior is the next one's prior, with what a box changes between trips added. A faulty trip teaches
    nothing about the rate and is counted.

    Parameters
    ----------
    box : Box
        Before the trip.
    rate, rate_sd : float
        `HoldState.rate` and its standard deviation at the trip's end; they began at the box's own.
    faulty : bool
        `HoldState.openings` above 0.
    """
    if faulty:
        return msgspec.structs.replace(box, faults=box.faults + 1)
    sd = min(max(rate_sd, 0.0), box.rate_sd)
    return msgspec.structs.replace(
        box, rate=max(rate, 0.1 * box.rate), rate_sd=math.hypot(sd, _TRIP_SPREAD * rate), trips=box.trips + 1
    )
