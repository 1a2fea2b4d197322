"""Taking in one measurement after the other: expected, judged, believed or not.

A channel reads one state, with its gain, colour and factor by viability where it has them, so that what is expected of
it needs no more than the distribution of two numbers: the state's coordinate and the logarithm of the gain.

Source
------
Measurement linearised over its distribution: Sarkka and Svensson 2023, Bayesian Filtering and Smoothing, ch. 9 (here by
central differences, Norgaard et al. 2000, as in `joint.py`); what the line leaves counts as noise. Update: Joseph form
(Bucy and Joseph 1968, ch. 16). Gate: chi-square .999, one degree of freedom. A gate that is opened sets the state from
the measurement, the limit of infinite doubt about it: a linearised step would overshoot by far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.estimation.batched import symmetrise
from twins.bioreactor.estimation.joint import SPREADS, Joint, JointFilter
from twins.bioreactor.filter import GATE_LIMIT, MEASURABLE
from twins.bioreactor.models.coordinates import bounds, coordinate_of, slope_of, state_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_FACTOR = 0.05  # of 1 + k (1 - viability); assumed: no probe loses more of its signal, and a logarithm needs some


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a channel, each of shape (n,): of its value y, its slopes, and what a line leaves.

    `along_state` is dy/dz, `along_gain` dy/dln gain; `left` the variance that the line does not explain; `square` the
    expected square of y before white noise.
    """

    value: Floats
    along_state: Floats
    along_gain: Floats
    left: Floats
    square: Floats


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a measurement, each of shape (n,): innovation, its expected variance, whether it was believed."""

    innovation: Floats
    variance: Floats
    accepted: Bools


def expect(joint: Joint, filter_: JointFilter, place: int) -> Expected:
    """Say what is expected of the channel at `place`, before its white noise."""
    lay = filter_.layout
    row = lay.measured[place]
    state, gamma = filter_.states[row], SPREADS[filter_.lane]
    z = joint.mean[row]
    gain, parts = ln_gain(filter_, joint.mean, place)
    shared, spread = np.zeros_like(z), np.zeros_like(z)
    for one, weight in parts:
        shared = shared + weight * joint.covariance[row, one]
        for other, beside in parts:
            spread = spread + weight * (beside * joint.covariance[one, other])
    # z = z0 + sd e1, ln gain = g0 + across e1 + alone e2, with e1 and e2 standard normal and independent
    sd = np.sqrt(np.maximum(joint.covariance[row, row], 0.0))
    certain = sd <= 0.0
    across = shared / np.where(certain, 1.0, sd)
    alone = np.sqrt(np.maximum(spread - across * across, 0.0))

    def y(e1: float, e2: float) -> Floats:
        value: Floats = state_of(np, state, z + e1 * sd)
        return value * np.exp(gain + e1 * across + e2 * alone) if parts else value

    centre, first = y(0.0, 0.0), (y(gamma, 0.0), y(-gamma, 0.0))
    d1 = (first[0] - first[1]) / (2.0 * gamma)
    b1 = first[0] + first[1] - 2.0 * centre
    d2, b2 = np.zeros_like(z), np.zeros_like(z)
    if parts:
        second = (y(0.0, gamma), y(0.0, -gamma))
        d2 = (second[0] - second[1]) / (2.0 * gamma)
        b2 = second[0] + second[1] - 2.0 * centre
    value, left = centre, np.zeros_like(z)
    if filter_.lane == "unscented":
        weight = 0.5 / (gamma * gamma)
        value = centre + weight * (b1 + b2)
        left = (gamma * gamma - 1.0) * weight * weight * (b1 * b1 + b2 * b2)
    along_gain = np.where(alone > 0.0, d2 / np.where(alone > 0.0, alone, 1.0), centre)
    along_state = np.where(certain, 0.0, (d1 - along_gain * across) / np.where(certain, 1.0, sd))
    return Expected(value, along_state, along_gain, left, value * value + d1 * d1 + d2 * d2)


def ln_gain(filter_: JointFilter, mean: Floats, place: int) -> tuple[Floats, list[tuple[int, Floats | float]]]:
    """Give the logarithm of what a channel's state is multiplied by, shape (n,), and how it depends on the vector.

    Parameters
    ----------
    mean : array, shape (d, n)
        Vectors, in the rows of the filter's layout.

    Returns
    -------
    list of (row, slope)
        Where the logarithm is not constant; a slope of shape (n,), or 1. That of 1 + k (1 - viability) is linearised in
        the cells' coordinates and in k: it bends little where the exponential of the rest does.
    """
    lay, channel = filter_.layout, filter_.design.channels[place]
    total = np.zeros_like(mean[0])
    parts: list[tuple[int, Floats | float]] = []
    for row in lay.extras(place):
        total = total + mean[row]
        parts.append((row, 1.0))
    if not channel.by_viability:
        return total, parts
    alive, dead = lay.measured[place], lay.dead
    x, xd = (state_of(np, filter_.states[row], mean[row]) for row in (alive, dead))
    share = xd / (x + xd)
    own = lay.factors[place]
    k = channel.viability_factor + (mean[own] if own >= 0 else 0.0)
    factor = np.maximum(1.0 + k * share, LEAST_FACTOR)
    free = factor > LEAST_FACTOR
    per_cell = np.where(free, k / factor, 0.0) / np.square(x + xd)
    parts.append((alive, -per_cell * xd * slope_of(np, filter_.states[alive], x)))
    parts.append((dead, per_cell * x * slope_of(np, filter_.states[dead], xd)))
    if own >= 0:
        parts.append((own, np.where(free, share / factor, 0.0)))
    return total + np.log(factor), parts


def update(
    joint: Joint, filter_: JointFilter, place: int, y: Floats, there: Bools, share: Floats, reopen: Bools
) -> Judged:
    """Take in one measurement a unit, in place; units where `there` is false stay as they are.

    Parameters
    ----------
    place : int
        Which channel of the design.
    y : array, shape (n,)
        What was measured, in the unit of the channel's state.
    there : array of bool, shape (n,)
        Which units have one.
    share : array, shape (n,)
        How many readings with white noise of their own it is the mean of, 1 or more.
    reopen : array of bool, shape (n,)
        Where the gate opens whatever comes, and the state is set from the measurement.
    """
    lay, channel = filter_.layout, filter_.design.channels[place]
    row = lay.measured[place]
    _, parts = ln_gain(filter_, joint.mean, place)
    said = expect(joint, filter_, place)
    innovation = y - said.value
    noise = (channel.relative * channel.relative * said.square + channel.absolute * channel.absolute) / share
    r = noise + said.left
    towards = said.along_state * joint.covariance[:, row]
    for one, weight in parts:
        towards = towards + said.along_gain * (weight * joint.covariance[:, one])
    variance = said.along_state * towards[row] + r
    for one, weight in parts:
        variance = variance + said.along_gain * (weight * towards[one])
    believed = innovation * innovation <= GATE_LIMIT * variance
    accepted = there & believed
    gain = towards / variance
    # Joseph: (I - K h') P (I - K h')' + K r K'
    after = joint.covariance - gain[:, None] * towards[None]
    back = said.along_state * after[:, row]
    for one, weight in parts:
        back = back + said.along_gain * (weight * after[:, one])
    after -= (back - r * gain)[:, None] * gain[None]
    symmetrise(after)
    mean = joint.mean + gain * innovation
    for i, state in enumerate(filter_.states):
        low, high = bounds(state)
        mean[i] = np.minimum(np.maximum(mean[i], low), high)
    joint.mean = np.where(accepted, mean, joint.mean)
    joint.covariance = np.where(accepted, after, joint.covariance)
    opened = there & ~believed & reopen & (y > MEASURABLE * channel.absolute)
    if opened.any():
        _set(joint, filter_, place, y, noise, opened)
    return Judged(innovation, variance, accepted | opened)


def _set(joint: Joint, filter_: JointFilter, place: int, y: Floats, noise: Floats, which: Bools) -> None:
    """Set a state from its measurement alone, with the covariance that follows from it."""
    row = filter_.layout.measured[place]
    state = filter_.states[row]
    total, parts = ln_gain(filter_, joint.mean, place)
    parts = [one for one in parts if one[0] != row]  # a factor by viability is taken as it was believed to be
    towards = np.zeros_like(joint.covariance[row])
    for one, weight in parts:
        towards = towards + weight * joint.covariance[one]
    safe = np.where(which, y, 1.0)
    x = safe * np.exp(-total)
    slope = slope_of(np, state, x)
    # z = z(y exp(-g)): what is not known of the gain is not known of the state, with the other sign
    across = -(x / slope) * towards
    variance = noise / np.square(slope * np.exp(total))
    for one, weight in parts:
        variance = variance - (x / slope) * (weight * across[one])
    across[row] = variance
    mean, covariance = joint.mean.copy(), joint.covariance.copy()
    mean[row] = coordinate_of(np, state, x)
    covariance[row] = covariance[:, row] = across
    joint.mean = np.where(which, mean, joint.mean)
    joint.covariance = np.where(which, covariance, joint.covariance)
