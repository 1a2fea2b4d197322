"""A calibration in the live block: the document that `twinstream calibrate` wrote, and how much it widens a forecast.

A state that is calibrated has its whole fan widened about the median, so that its 5 and 95 % are the calibrated bounds;
limits on it are judged by the same fan. Beyond the longest lead that was calibrated the model's own spread stands.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.estimation.joint import Joint, JointFilter
from twins.bioreactor.estimation.outlook import (
    FINE,
    OUTSIDE_CALIBRATION,
    VERDICTS,
    Calibration,
    nearest,
    place_of,
    surprise,
    trust,
    unlike,
)
from twins.bioreactor.forecast import NORMAL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

COVERAGE = 0.9  # what lies between the outermost quantiles of a forecast


class Made(Struct, frozen=True, forbid_unknown_fields=True):
    """How a calibration was made: simulated runs of a design, how long, how measured and fed. `spread` is how many
    times wider they differ in what is unsure than the design believes."""

    seed: int
    runs: Annotated[int, Meta(ge=1)]
    hours: Annotated[float, Meta(gt=0)]
    signal_minutes: Annotated[int, Meta(ge=1)]
    assay_hours: Annotated[int, Meta(ge=1)]
    litres: Annotated[float, Meta(gt=0)]
    feed_litres_per_hour: Annotated[float, Meta(ge=0)]
    spread: Annotated[float, Meta(gt=0)]


class CalibrationSet(Struct, frozen=True, forbid_unknown_fields=True):
    """The calibrations of some states of one design (`process_section.design_name`)."""

    design: str
    made: Made
    states: tuple[Calibration, ...]


class Calibrated:
    """The calibrations of a configuration, ready to be used: constants only.

    Raises
    ------
    SettingsError
        If they were made with another design, or do not fit it.
    """

    def __init__(self, filter_: JointFilter, given: CalibrationSet, design: str) -> None:
        if given.design != design:
            raise _refused(
                f"a calibration of the design {design}, that of this section",
                f"one of {given.design}; run `twinstream calibrate` with this configuration",
            )
        names = [one.state for one in given.states]
        if not names or len(set(names)) < len(names):
            raise _refused("each state once, and one at least", ", ".join(names) or "none")
        self.rows: dict[int, Calibration] = {}
        for one in given.states:
            _check(filter_, one, design)
            self.rows[place_of(filter_, one.state)] = one


class Widening:
    """How much wider than the model's own spread one forecast is said, point by point, and how far it counts.

    Parameters
    ----------
    filter_ : JointFilter
        Whose forecast it is.
    now : Joint
        The beliefs of n units at the present.
    calibrated : Calibrated, optional
        Without it nothing is widened, and verdicts are those of the model alone.
    """

    def __init__(self, filter_: JointFilter, now: Joint, calibrated: Calibrated | None) -> None:
        self.trust = trust(filter_, now)
        self._shape = (len(filter_.states), now.mean.shape[1])
        self._rows = {} if calibrated is None else calibrated.rows
        self._far = {row: np.stack([surprise(filter_, now, at) for at in one.leads]) for row, one in self._rows.items()}
        self._beyond = {row: np.zeros(self._shape[1], dtype=np.bool_) for row in self._rows}
        self._outside = {row: np.zeros(self._shape[1], dtype=np.bool_) for row in self._rows}

    def at(self, hours: Floats) -> Floats:
        """Give what each state's standard deviation is multiplied by so far ahead, shape (states, n); it is noted.

        Parameters
        ----------
        hours : array, shape (n,)
            Lead of each unit [h].
        """
        wide, units = np.ones(self._shape), np.arange(self._shape[1])
        for row, one in self._rows.items():
            place, within = nearest(one, hours)
            far = self._far[row][place, units]
            factor = np.array([at.factor for at in one.leads])[place] / NORMAL[-1]
            wide[row] = np.where(within, factor * unlike(far, one.leads[0]), 1.0)
            self._beyond[row] |= ~within
            self._outside[row] |= within & (far > np.array([at.surprise for at in one.leads])[place])
        return wide

    def whole(self, row: int) -> Bools:
        """Say for which units all points that were asked for are calibrated, shape (n,)."""
        return ~self._beyond[row] if row in self._rows else np.zeros(self._shape[1], dtype=np.bool_)

    def verdict(self, row: int) -> Ints:
        """Give the worst verdict on a state over all points that were asked for, as places in `VERDICTS`; (n,)."""
        if row not in self._rows:
            return self.trust
        return np.where((self.trust == FINE) & self._outside[row], OUTSIDE_CALIBRATION, self.trust)


def word(verdict: int) -> str | None:
    """Say a verdict; None where nothing speaks against the forecast."""
    return VERDICTS[verdict] or None


def _check(filter_: JointFilter, one: Calibration, design: str) -> None:
    states = [state.name for state in filter_.states]
    if one.state not in states:
        raise _refused(f"a state of the model ({', '.join(states)})", repr(one.state)[:80])
    if one.design != design or one.coverage != COVERAGE:
        raise _refused(f"a calibration of {design} at {COVERAGE:.0%}", f"{one.design} at {one.coverage:.3%}")
    hours = [at.lead_hours for at in one.leads]
    rows = filter_.layout.size - len(filter_.states)
    numbers = [number for at in one.leads for number in (at.factor, at.surprise)]
    fits = all(len(at.centre) == len(at.precision) == rows for at in one.leads)
    fits = fits and all(len(line) == rows for at in one.leads for line in at.precision)
    if not hours or hours != sorted(set(hours)) or hours[0] <= 0.0 or not fits or not min(numbers) > 0.0:
        raise _refused(f"leads that rise, each with {rows} rows and a factor above 0", f"others for {one.state}")


def _refused(expected: str, received: str) -> SettingsError:
    return SettingsError(f"expected {expected}, received {received}, in process.calibration; see docs/estimation.md")
