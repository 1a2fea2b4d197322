"""What a leg is: one stretch of a patient's journey between two scans, with what its duration may depend on."""

from __future__ import annotations

import math

import msgspec

from schemas.errors import UsageError


class LegKey(msgspec.Struct, frozen=True, order=True):
    """What a leg's duration may depend on; weekday 0 is Monday, of the leg's start."""

    step: str
    carrier: str
    lane: str
    weekday: int = 0


class Leg(msgspec.Struct, frozen=True):
    """One completed leg: an id that a correction repeats, its key, when it ended, and how long it took [h].

    `completed_hours` counts from any fixed origin that all legs of one learner share.
    """

    id: str
    key: LegKey
    completed_hours: float
    duration_hours: float

    def __post_init__(self) -> None:
        """Refuse what is no duration."""
        if not (math.isfinite(self.duration_hours) and self.duration_hours > 0.0):
            raise UsageError(
                f"expected a duration above 0 h, received {self.duration_hours}, in leg {self.id}; check its two scans"
            )
        if not math.isfinite(self.completed_hours):
            raise UsageError(
                f"expected a finite hour, received {self.completed_hours}, in leg {self.id}; check its scan"
            )
        if not 0 <= self.key.weekday <= 6:
            raise UsageError(f"expected a weekday 0 to 6, received {self.key.weekday}, in leg {self.id}; Monday is 0")
