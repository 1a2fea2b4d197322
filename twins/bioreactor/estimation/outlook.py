"""What a joint filter expects of the hours to come, how far that can be trusted, and when it says nothing.

An interval is the model's own spread times a factor that runs of known outcome have shown to be needed
(`Calibration`). A verdict says where neither counts:

    not enough data        the measurements have told nothing yet that was not believed before
    outside the model      an estimate is where the model has no business: a parameter beyond its range
    outside calibration    the run is more unlike what was believed of runs than nearly all calibration runs were

Source
------
Split conformal on normalised scores: Lei et al. 2018, J. Am. Stat. Assoc. 113:1094, section 5.2
(`twins.forecasting.conformal`). Surprise: the squared distance (Mahalanobis 1936) of what is believed of parameters,
wanders, gains and colours from what was believed of calibration runs at the same lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.estimation.joint import Joint, JointFilter, own_step
from twins.bioreactor.models.coordinates import coordinate_of, state_of
from twins.bioreactor.models.model import ProcessModel
from twins.forecasting.conformal import split_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FORECAST_STEP_HOURS = 0.25  # longest step of a forecast, five of the models' own
SLOW_STEP_HOURS = 0.05  # own step of an explicit model that may be forecast so; a faster one would not stay stable
UNSEEN = 0.9  # of its prior standard deviation is left: the data have not seen a parameter
FINE, NOT_ENOUGH_DATA, OUTSIDE_MODEL, OUTSIDE_CALIBRATION = range(4)
VERDICTS = ("", "not enough data", "outside the model's domain", "outside calibration")
SURPRISE_COVERAGE = 0.995  # of calibration runs are no more surprising than the limit
SMALLEST_SPREAD = 1e-9
CLOSE = 1e-9  # hours by which a lead may be missed


class AtLead(Struct, frozen=True, forbid_unknown_fields=True):
    """What calibration runs have shown at one lead.

    `factor` is what the model's spread is multiplied by; `centre` and `precision` describe what was believed of what
    is unsure (`unsure_of`), `surprise` how far nearly all runs were from it at most.
    """

    lead_hours: float
    factor: float
    surprise: float
    centre: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]


class Calibration(Struct, frozen=True, forbid_unknown_fields=True):
    """What runs of known outcome have shown, by leads that rise. `design` names what it was made with."""

    design: str
    state: str
    coverage: float
    runs: int
    leads: tuple[AtLead, ...]

    def at(self, lead_hours: float) -> AtLead:
        """Give what counts at a lead: of the two about it, the one with the larger factor.

        Raises
        ------
        SettingsError
            If the lead is longer than any that was calibrated.
        """
        place, within = nearest(self, np.array([lead_hours]))
        if not within[0]:
            raise SettingsError(
                f"expected a lead up to {self.leads[-1].lead_hours:g} h, the longest that was calibrated, "
                f"received {lead_hours:g} h"
            )
        return self.leads[int(place[0])]


def nearest(calibration: Calibration, hours: Floats) -> tuple[Ints, Bools]:
    """Give the place among the leads that counts at each lead, of the two about it the one with the larger factor; and
    whether there is one.

    Examples
    --------
    >>> leads = tuple(AtLead(hours, factor, 9.0, (), ()) for hours, factor in ((6.0, 2.0), (12.0, 1.7)))
    >>> nearest(Calibration("d", "glucose", 0.9, 200, leads), np.array([1.0, 9.0, 12.0, 13.0]))[0].tolist()
    [0, 0, 1, 1]
    """
    leads = np.array([one.lead_hours for one in calibration.leads])
    factors = np.array([one.factor for one in calibration.leads])
    above = np.searchsorted(leads, hours - CLOSE)
    within = above < len(leads)
    place = np.minimum(above, len(leads) - 1)
    before = np.maximum(place - 1, 0)
    between = hours < leads[place] - CLOSE
    return np.where(between & (factors[before] > factors[place]), before, place), within


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Runs whose outcome is known, at one lead: the belief then, the same carried to the end, the truth (n,) there."""

    lead_hours: float
    now: Joint
    later: Joint
    truth: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """A forecast of one state: median, bounds, each (n,) in its unit, and a place in `VERDICTS`."""

    median: Floats
    low: Floats
    high: Floats
    verdict: Ints


def carry(filter_: JointFilter, joint: Joint, t: Floats, hours: float, u: Floats) -> Joint:
    """Give the belief some hours later, nothing being measured; inputs, shape (inputs, n), as planned."""
    later = joint.copy()
    filter_.predict(later, t, np.full(len(t), float(hours)), u, forecast_step(filter_.design.model))
    return later


def forecast_step(model: ProcessModel) -> float:
    """Give the longest step of a forecast [h].

    Examples
    --------
    >>> from dataclasses import replace
    >>> from twins.bioreactor.models import MODELS
    >>> forecast_step(MODELS["cho_xing"]), forecast_step(MODELS["yeast"])
    (0.25, 0.25)
    >>> round(forecast_step(replace(MODELS["yeast"], stiff=False)), 4)
    0.0014
    """
    own = own_step(model)
    return max(FORECAST_STEP_HOURS, own) if own >= SLOW_STEP_HOURS else own


def unsure_of(filter_: JointFilter, joint: Joint) -> Floats:
    """Give what is believed of all that is no state, shape (k, n)."""
    return joint.mean[len(filter_.states) :]


def surprise(filter_: JointFilter, joint: Joint, by: AtLead) -> Floats:
    """Say how unlike calibration runs each run looks: a squared distance, about k where it looks alike; shape (n,)."""
    away = [row - centre for row, centre in zip(unsure_of(filter_, joint), by.centre, strict=True)]
    total = np.zeros(joint.mean.shape[1])
    for one, line in zip(away, by.precision, strict=True):
        for other, weight in zip(away, line, strict=True):
            total = total + weight * one * other
    return total


def verdict(filter_: JointFilter, joint: Joint, by: AtLead) -> Ints:
    """Say of each unit whether a forecast counts, as places in `VERDICTS`; shape (n,)."""
    found = trust(filter_, joint)
    return np.where((found == FINE) & (surprise(filter_, joint, by) > by.surprise), OUTSIDE_CALIBRATION, found)


def trust(filter_: JointFilter, joint: Joint) -> Ints:
    """Say what speaks against a forecast where no calibration is asked, as places in `VERDICTS`; shape (n,)."""
    found = np.full(joint.mean.shape[1], FINE, dtype=np.int64)
    model = filter_.design.model
    for (row, place), _ in zip(filter_.layout.unsure, filter_.design.unsure, strict=True):
        value = filter_.value(joint, place) * np.exp(joint.mean[row])
        beyond = (value < model.parameters[place].low) | (value > model.parameters[place].high)
        found = np.where(beyond, OUTSIDE_MODEL, found)
    kept = filter_.seen(joint)
    if len(kept):
        found = np.where(kept.min(axis=0) > UNSEEN, NOT_ENOUGH_DATA, found)
    return found


def say(
    filter_: JointFilter, now: Joint, later: Joint, lead_hours: float, by: Calibration, wider: Floats | float = 1.0
) -> Said:
    """Forecast the state that was calibrated.

    Parameters
    ----------
    now, later : Joint
        The belief at hand, and the same carried to the lead.
    by : Calibration
        What the interval and the verdict go by.
    wider : array or float
        What the half width is multiplied by beside: a `Tracker`'s quantile, where outcomes of runs have become known.
    """
    row, at = place_of(filter_, by.state), by.at(lead_hours)
    half = wider * at.factor * spread_of(filter_, now, later, row, at)
    info = filter_.states[row]
    low, median, high = (state_of(np, info, later.mean[row] + side * half) for side in (-1.0, 0.0, 1.0))
    return Said(median, low, high, verdict(filter_, now, at))


def calibrate(
    filter_: JointFilter, design: str, state: str, runs: Sequence[Known], coverage: float = 0.9
) -> Calibration:
    """Make a calibration from runs of known outcome.

    Parameters
    ----------
    runs : sequence of Known
        The runs at each lead, the shortest first; the same runs at all.

    Raises
    ------
    SettingsError
        If there are too few runs to promise that coverage.
    """
    leads = []
    for known in runs:
        told = unsure_of(filter_, known.now)
        centre = told.mean(axis=1)
        spread = np.atleast_2d(np.cov(told)) + np.diag(np.full(len(told), SMALLEST_SPREAD))
        blank = AtLead(
            known.lead_hours, 1.0, np.inf, tuple(centre.tolist()), tuple(map(tuple, np.linalg.inv(spread).tolist()))
        )
        limit = float(split_quantile(surprise(filter_, known.now, blank), SURPRISE_COVERAGE))
        factor = float(split_quantile(score(filter_, known, state, blank), coverage))
        if not (np.isfinite(limit) and np.isfinite(factor)):
            raise SettingsError(f"expected enough runs to promise {coverage:.0%}, received {len(known.truth)}")
        leads.append(structs.replace(blank, factor=factor, surprise=limit))
    return Calibration(design, state, coverage, len(runs[0].truth), tuple(leads))


def score(filter_: JointFilter, known: Known, state: str, at: AtLead) -> Floats:
    """Say by how many of its own spreads each forecast missed, shape (n,)."""
    row = place_of(filter_, state)
    truth = coordinate_of(np, filter_.states[row], known.truth)
    missed: Floats = np.abs(truth - known.later.mean[row]) / spread_of(filter_, known.now, known.later, row, at)
    return missed


def place_of(filter_: JointFilter, state: str) -> int:
    """Give the row of a state."""
    return next(row for row, one in enumerate(filter_.states) if one.name == state)


def spread_of(filter_: JointFilter, now: Joint, later: Joint, row: int, at: AtLead) -> Floats:
    """Give a coordinate's standard deviation, above 0: the model's own, wider where the run looks unlike others."""
    own = np.maximum(np.sqrt(np.maximum(later.covariance[row, row], 0.0)), SMALLEST_SPREAD)
    wide: Floats = own * unlike(surprise(filter_, now, at), at)
    return wide


def unlike(surprised: Floats, at: AtLead) -> Floats:
    """Give how much wider an interval is where runs look so unlike those of the calibration, 1 or more, shape (n,)."""
    wider: Floats = np.sqrt(np.maximum(surprised / max(len(at.centre), 1), 1.0))
    return wider
