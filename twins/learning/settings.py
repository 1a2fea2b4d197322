"""The section `learning` of a configuration: what is learned beside the qualified lane, and how much of it is kept."""

from __future__ import annotations

import hashlib
import math
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError

MOST_LEADS = 4
MOST_WAITING = 64  # forecasts of one unit that wait for their outcome
LATE_HOURS = 1.0  # an outcome that comes later than this after its instant is not learned from

Lead = Annotated[float, Meta(gt=0, le=240)]


class LearningSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Learn the error of the model's forecast of cells across the units of a block.

    Parameters
    ----------
    leads_hours : tuple of float
        How far ahead the forecasts look that are corrected, rising, at most four [h].
    every_minutes : float
        Between two forecasts of a unit that are learned from: a unit gives so many examples a lead, and no more.
    coverage : float
        Share of outcomes that the interval is to hold.
    odd : float
        Share of what is seen that is to lie within the limit of oddness.
    seed : int
        Of the forest.
    """

    leads_hours: tuple[Lead, ...] = (1.0, 3.0, 6.0)
    every_minutes: Annotated[float, Meta(ge=5, le=1440)] = 60.0
    coverage: Annotated[float, Meta(ge=0.5, le=0.99)] = 0.9
    odd: Annotated[float, Meta(ge=0.9, le=0.999)] = 0.99
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 1

    @property
    def waiting(self) -> int:
        """Give how many forecasts of one unit are kept until their outcome is known."""
        return math.ceil((self.leads_hours[-1] + LATE_HOURS) * 60.0 / self.every_minutes) + 1

    @property
    def name(self) -> str:
        """Name what is learned, its version, and a hash of these settings."""
        return f"residual@{VERSION}+{hashlib.sha256(msgspec.json.encode(self, order='sorted')).hexdigest()[:10]}"


VERSION = 1  # of what is computed: raise it when the same events would teach something else


def check_section(section: LearningSection) -> None:
    """Check what the types do not say.

    Raises
    ------
    SettingsError
        If the leads do not rise, are too many, or too many forecasts would wait.
    """
    leads = section.leads_hours
    if not leads or len(leads) > MOST_LEADS or list(leads) != sorted(set(leads)):
        raise SettingsError(
            f"expected 1 to {MOST_LEADS} rising leads, received {leads}, in learning.leads_hours; see docs/learning.md"
        )
    if section.waiting > MOST_WAITING:
        raise SettingsError(
            f"expected at most {MOST_WAITING} forecasts of a unit that wait, received {section.waiting}, in learning; "
            "raise every_minutes or leave out the longest lead"
        )
