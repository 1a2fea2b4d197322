"""When to warn that a box will be warm: by P(warm on arrival) or by hours to the limit, each with hysteresis.

Two questions are asked at each look. Has it been likely for some hours that the limit is crossed before the box
arrives? Is the limit near? A warning begins where one of them passes its upper mark, and ends where both have passed
back beyond their lower marks, so that a probability that trembles about a mark warns once.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR
from twins.supply.temperature.hold_left import HoldLeft

Floats = NDArray[np.float64]


class WarmRule(msgspec.Struct, frozen=True):
    """The marks. The defaults were chosen on seeds 1 to 5 of `supply_warm_box`; others are reported.

    Parameters
    ----------
    warm_on, warm_off : float
        P(warm on arrival) at which a warning begins, and below which it may end.
    warm_hours : float
        It must have stood at the upper mark for so long: a box on its side is mostly set right before [h].
    near_hours : float
        A limit that lies within so many hours is near [h].
    near_on, near_off : float
        P(limit is near) at which a warning begins, and below which it may end. Asked only where the box may still be
        on its way then: P(transit left > hold left) above `near_warm`.
    near_warm : float
        See above: a box at the door with hours in hand needs no warning.
    """

    warm_on: float = 0.9
    warm_off: float = 0.5
    warm_hours: float = 8.0
    near_hours: float = 13.0
    near_on: float = 0.45
    near_off: float = 0.2
    near_warm: float = 0.05

    def __post_init__(self) -> None:
        for off, on in ((self.warm_off, self.warm_on), (self.near_off, self.near_on)):
            if not 0 <= off <= on <= 1:
                raise SettingsError(f"expected marks 0 <= off <= on <= 1, received off {off}, on {on}")
        for hours in (self.near_hours, self.warm_hours):
            if not 0 <= hours < math.inf:
                raise SettingsError(f"expected hours of 0 or more in a rule of warnings, received {hours}")
        if not 0 <= self.near_warm <= 1:
            raise SettingsError(f"expected near_warm between 0 and 1, received {self.near_warm}")


class WarmWarning(msgspec.Struct, frozen=True):
    """Whether a box is warned of.

    Parameters
    ----------
    standing : bool
        Now.
    since : int
        When the newest warning began [us]; -1 before any.
    likely_since : int
        Since when P(warm on arrival) stands at its upper mark [us]; -1 where it does not.
    reason : str
        `warm_on_arrival`, `limit_near`, or empty.
    warm, near : float
        P(warm on arrival) and P(limit is near) at the newest look; the latter is 0 where it is not asked.
    """

    standing: bool = False
    since: int = -1
    likely_since: int = -1
    reason: Literal["", "warm_on_arrival", "limit_near"] = ""
    warm: float = 0.0
    near: float = 0.0


def judge(
    rule: WarmRule,
    state: WarmWarning,
    left: HoldLeft,
    transit_hours: Floats,
    instant: int,
    weights: Floats | None = None,
) -> WarmWarning:
    """Look at a box once.

    Parameters
    ----------
    rule : WarmRule
        The marks.
    state : WarmWarning
        From the look before.
    left : HoldLeft
        At `instant`.
    transit_hours, weights : arrays, shape (n,)
        As `HoldLeft.warm_on_arrival` takes them.
    instant : int
        Of this look [us].
    """
    warm = left.warm_on_arrival(transit_hours, weights)
    near = float(left.crossed_by(np.array([rule.near_hours]))[0])
    near = near if warm >= rule.near_warm else 0.0
    likely = (instant if state.likely_since < 0 else state.likely_since) if warm >= rule.warm_on else -1
    now = msgspec.structs.replace(state, likely_since=likely, warm=warm, near=near)
    if state.standing:
        over = warm < rule.warm_off and near < rule.near_off
        return msgspec.structs.replace(now, standing=False, reason="") if over else now
    if near >= rule.near_on:
        return msgspec.structs.replace(now, standing=True, since=instant, reason="limit_near")
    if likely >= 0 and instant - likely >= rule.warm_hours * HOUR:
        return msgspec.structs.replace(now, standing=True, since=instant, reason="warm_on_arrival")
    return now
