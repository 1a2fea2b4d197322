"""How much to feed so that one state stays above a floor: the least constant rate from now on, or one bolus.

A floor is kept where the state's lower quantile, by the twin's own filter, is not below it at any of the points that
are looked at. What is advised was itself carried through the filter and kept the floor there; that nothing smaller
would do rests on more feed never leaving less of the state, which holds where the feed holds more than the floor.

Nothing is fed on its own account: advice is for a person (the advisory lane).

Source
------
Root bracketing by false position with the kept end halved (the Illinois method): Dowell and Jarratt 1971, BIT 11:168.
Each round keeps a bracket whose upper end was seen to keep the floor, so that it may end at any round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from schemas.errors import SettingsError
from twins.bioreactor.estimation.exchange import add_bolus
from twins.bioreactor.estimation.joint import Joint, JointFilter, own_step
from twins.bioreactor.models.coordinates import state_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_HOURS = 0.5  # assumed: twice a forecast's step, short against the hours in which a culture uses up its substrate
SLOWEST_STEP = 1 / 30  # hours; an explicit model that needs shorter ones would not stay stable in such steps
POINTS = 12  # that are looked at over the horizon
ROUNDS = 4  # of the search for a rate, and for a bolus
EMPTY = -0.8  # margins below say little of how much is lacking
NARROWEST = 0.02  # share of the bracket that a round leaves at least on either side
SPARE = 0.02  # of the floor: what the search aims above it, so as to end above it
BETWEEN = 0.02  # of the floor: kept at the points, because it may be lower between them

NOT_NEEDED, FEED, RATE_ONLY, BOLUS_ONLY, IMPOSSIBLE = range(5)
VERDICTS = ("no feed needed", "feed", "feed at a rate only", "feed a bolus only", "no admissible feed")


@dataclass(frozen=True, slots=True)
class Floor:
    """What is to be kept: the state in row `row` of the filter above `value`, in its unit, with this probability."""

    row: int
    value: float
    probability: float


@dataclass(frozen=True, slots=True)
class Pump:
    """What can be fed: a rate, a volume in all, a vessel that may not be overfilled; and what the feed holds.

    `composition` (s,) is of the filter's states, in their units.
    """

    most_litres_per_hour: float
    most_litres: float
    vessel_litres: float
    composition: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """What is advised to n units, each of shape (n,); NaN where there is none.

    `crosses_hours` is when the floor is crossed where nothing is fed, `latest_hours` when the bolus is due at the
    latest, both from now; `verdict` a place in `VERDICTS`.
    """

    rate_litres_per_hour: Floats
    bolus_litres: Floats
    latest_hours: Floats
    crosses_hours: Floats
    verdict: Ints


def check_advice(filter_: JointFilter, floor: Floor, pump: Pump) -> None:
    """Check that advice can be given.

    Raises
    ------
    SettingsError
        If the model has no feed of that state, is too fast for the coarse steps and not stiff, or the feed holds no
        more of the state than the floor.
    """
    model, state = filter_.design.model, filter_.states[floor.row]
    inputs = {one.name for one in model.inputs}
    if state.role != "concentration" or not {"feed_rate", f"feed_{state.name}"} <= inputs:
        raise SettingsError(f"expected a state that {model.name} can be fed, received {state.name}, in advice.state")
    if own_step(model) < SLOWEST_STEP:
        raise SettingsError(
            f"expected a model whose own step is {SLOWEST_STEP * 60:g} min or more, or that is stiff, received "
            f"{own_step(model) * 60:.3g} min of {model.name}, in advice"
        )
    if not pump.composition[floor.row] > floor.value > 0.0:
        raise SettingsError(
            f"expected a floor above 0 and a feed that holds more than it, received a floor of {floor.value:g} and "
            f"{pump.composition[floor.row]:g} {state.unit} in the feed; see process.feed"
        )


def advise(filter_: JointFilter, joint: Joint, u: Floats, hours: Floats, floor: Floor, pump: Pump) -> Advice:
    """Say what keeps n units above their floor.

    Parameters
    ----------
    joint : Joint
        The belief now; it is left as it is.
    u : array, shape (inputs, n)
        Inputs while nothing is fed.
    hours : array, shape (n,)
        How far ahead, above 0 [h].

    Notes
    -----
    Costs at most 3 + 2 `ROUNDS` carries at `STEP_HOURS`, half a forecast's each, and only of the units that need
    them; where no feed is needed, one.
    """
    search = _Search(filter_, u, hours, floor, pump)
    n = len(hours)
    rate, bolus = np.full(n, np.nan), np.full(n, np.nan)
    crosses, last, kept = search.unfed(joint)
    need = np.nonzero(~np.isnan(crosses))[0]
    if len(need):
        some, start = search.part(need), last[need]
        now, then = joint.part(need), kept.part(need)
        room = np.minimum(pump.most_litres, pump.vessel_litres - now.volume)
        top = np.minimum(pump.most_litres_per_hour, room / hours[need])
        gain = search.gain(now.volume + top * hours[need]) * hours[need]
        rate[need] = least(lambda q, tried: some.part(q).fed(now.part(q), tried), top, gain)
        room = np.minimum(pump.most_litres, pump.vessel_litres - then.volume)
        bolus[need] = least(
            lambda q, tried: some.part(q).after(then.part(q), start[q], tried), room, search.gain(then.volume + room)
        )
    latest = np.where(np.isnan(bolus), np.nan, search.each * last)
    fed, given = ~np.isnan(rate), ~np.isnan(bolus)
    verdict = np.where(fed, np.where(given, FEED, RATE_ONLY), np.where(given, BOLUS_ONLY, IMPOSSIBLE))
    return Advice(rate, bolus, latest, crosses, np.where(np.isnan(crosses), NOT_NEEDED, verdict))


def least(margin: Callable[[Ints, Floats], Floats], top: Floats, gain: Floats, rounds: int = ROUNDS) -> Floats:
    """Give the least amount at which a rising margin is not below 0, at most `top`; NaN where there is none.

    Parameters
    ----------
    margin : callable
        Of places (k,) among the units and an amount each, gives (k,) margins, below 0 at no amount at all; what is
        aimed at is `SPARE`.
    top : array, shape (n,)
        The largest amounts.
    gain : array, shape (n,)
        What an amount adds to the margin where nothing limits: tells how far below no amount would be, where margins
        end at -1 because a culture takes up no more than there is.

    Notes
    -----
    What is given kept its margin when it was tried. It is above the least by what `rounds` rounds leave.

    Examples
    --------
    >>> found = least(lambda q, amount: amount - np.array([0.3, 2.0])[q], np.array([1.0, 1.0]), np.ones(2))
    >>> bool(0.3 <= found[0] < 0.34), bool(np.isnan(found[1]))
    (True, True)
    """
    found = np.full(len(top), np.nan)
    some = np.nonzero(top > 0.0)[0]
    if not len(some):
        return found
    high = top[some]
    above = margin(some, high)
    keeps = above >= 0.0
    some, high, over = some[keeps], high[keeps], above[keeps] - SPARE
    low, side = np.zeros(len(some)), np.zeros(len(some))
    slope = gain[some]
    below = np.minimum(over - slope * high, -1.0)
    for _ in range(rounds if len(some) else 0):
        share = np.where(over > 0.0, -below / np.where(over > 0.0, over - below, 1.0), 0.5)
        middle = low + np.clip(share, NARROWEST, 1.0 - NARROWEST) * (high - low)
        there = margin(some, middle)
        there = np.where(there >= -1.0, there, -1.0)  # no number is no margin
        good = there >= 0.0
        over = np.where(good, there - SPARE, np.where(side < 0.0, 0.5 * over, over))
        further = np.where(there < EMPTY, np.minimum(there, over - slope * (high - middle)), there - SPARE)
        below = np.where(good, np.where(side > 0.0, 0.5 * below, below), further)
        high, low = np.where(good, middle, high), np.where(good, low, middle)
        side = np.where(good, 1.0, -1.0)
    found[some] = high
    return found


class _Search:
    """Carries beliefs over a horizon in coarse steps and says how far above the floor they stay."""

    def __init__(self, filter_: JointFilter, u: Floats, hours: Floats, floor: Floor, pump: Pump) -> None:
        self.filter, self.u, self.hours, self.floor, self.pump = filter_, u, hours, floor, pump
        self.each = hours / POINTS
        self._z = float(ndtri(1.0 - floor.probability))
        places = {one.name: place for place, one in enumerate(filter_.design.model.inputs)}
        self._rate = places["feed_rate"]
        self._feeds = [
            (places[f"feed_{one.name}"], holds)
            for one, holds in zip(filter_.states, pump.composition.tolist(), strict=True)
            if f"feed_{one.name}" in places
        ]

    def part(self, which: Ints) -> _Search:
        """Give the search of some units."""
        return _Search(self.filter, np.ascontiguousarray(self.u[:, which]), self.hours[which], self.floor, self.pump)

    def gain(self, litres: Floats) -> Floats:
        """Give what a litre of feed adds to the margin in so many litres at most."""
        return np.asarray(self.pump.composition[self.floor.row] / (litres * self.floor.value))

    def unfed(self, joint: Joint) -> tuple[Floats, Ints, Joint]:
        """Say when the floor is crossed where nothing is fed [h], NaN where it is not; the last point before that, and
        the belief there."""
        n = len(self.hours)
        before = self._margin(joint)
        crosses = np.where(before < 0.0, 0.0, np.nan)
        last, kept = np.zeros(n, dtype=np.int64), joint.copy()
        some = np.nonzero(~(before < 0.0))[0]
        moving, before = joint.part(some), before[some]
        for point in range(1, POINTS + 1):
            if not len(some):
                break
            self.part(some)._step(moving, self.u[:, some])
            after = self._margin(moving)
            good = after >= 0.0
            share = before / np.where(good, 1.0, before - after)
            crosses[some] = np.where(good, np.nan, (point - 1 + share) * self.each[some])
            stay = np.nonzero(good)[0]
            some, moving, before = some[stay], moving.part(stay), after[stay]
            last[some] = point
            kept.put(some, moving)
        return crosses, last, kept

    def fed(self, joint: Joint, rates: Floats) -> Floats:
        """Give the least margin over the horizon where each unit is fed at a rate from now on, that at its end where
        the floor is kept: the least does not rise beyond the present one; `joint` is moved."""
        u = np.array(self.u)
        u[self._rate] = rates
        for row, holds in self._feeds:
            u[row] = holds
        end = found = self._margin(joint)
        for _ in range(POINTS):
            self._step(joint, u)
            end = self._margin(joint) - BETWEEN
            found = np.minimum(found, end)
        return np.where(found >= 0.0, end, found)

    def after(self, joint: Joint, last: Ints, litres: Floats) -> Floats:
        """Give the same from each unit's point `last` on, where it is given a bolus there."""
        add_bolus(joint, self.filter, litres, np.repeat(self.pump.composition[:, None], len(litres), axis=1))
        found = self._margin(joint)
        end = np.zeros_like(found)
        for point in range(int(last.min()), POINTS):
            some = np.nonzero(last <= point)[0]
            moving = joint.part(some)
            self.part(some)._step(moving, self.u[:, some])
            joint.put(some, moving)
            end[some] = self._margin(moving) - BETWEEN
            found[some] = np.minimum(found[some], end[some])
        return np.where(found >= 0.0, end, found)

    def _step(self, joint: Joint, u: Floats) -> None:
        """Carry to the next point, in place."""
        longest = max(STEP_HOURS, own_step(self.filter.design.model))
        self.filter.predict(joint, np.zeros(len(self.each)), self.each, u, longest)

    def _margin(self, joint: Joint) -> Floats:
        """Give how far the state's lower quantile is above the floor, as a share of it, -1 or more; shape (n,)."""
        row = self.floor.row
        sd = np.sqrt(np.maximum(joint.covariance[row, row], 0.0))
        lower: Floats = state_of(np, self.filter.states[row], joint.mean[row] + self._z * sd)
        return lower / self.floor.value - 1.0
