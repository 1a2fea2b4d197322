"""Predict each channel one minute ahead, gate what does not fit, and tell a spike from a step from a ramp.

A reference follows the signal with a trend (Holt), its errors clipped, so that no single reading moves it far. The
standardised error, clipped again, goes into a two-sided CUSUM made for steps of four standard deviations. While a sum
is high the reference waits. One to three wild readings cannot bring a sum to its limit; a lasting step needs four.

Source
------
Clipped innovations: Huber 1964, Annals of Mathematical Statistics 35:73. CUSUM: `twins/charts/cusum.py`, its limit
from `false_alarm_points`, but not below what three clipped readings add up to (ours, so that spikes stay quiet).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.charts import cusum
from twins.charts.cusum import CusumChart, CusumState, cusum_for
from twins.faults.channels import COUNT, Bools, Floats, Ints
from twins.faults.settings import Settings

CLIP = 4.0  # sd: what one reading may bring into a sum
REFERENCE = 1.8  # k: half of the step looked for, less what a controller takes off it within minutes
SPIKE_LONGEST = 3
PULL = 2.5  # sd: what one reading may bring into the reference
FOLLOW, BEND = 1.0 / 15.0, 1.0 / 900.0  # gains of level and trend: a memory of a quarter of an hour
WAIT = 2.5  # a sum beyond this holds the reference
USUAL = 1.0 / 8.0
WILD = 3.5  # sd: a reading that counts toward a spike
GROWN = 1.7  # an excursion that has grown by so much since its first two readings is a ramp
FADED = 2.5  # an excursion that began so many times larger than it is was a spike
LONGEST_GAP = 3_600_000_000  # us
LEARN = 1.0 / 720.0  # gain of the noise: a memory of twelve hours
ABS_TO_SD = 1.2533141373155003  # sqrt(pi / 2): sd over mean absolute value of a normal variable


@dataclass(frozen=True, slots=True)
class Gate:
    """The chart of all channels, and their nominal noise, shape (16, 1); infinite where a channel is not tested."""

    chart: CusumChart
    nominal: Floats
    low: float
    high: float


def gate_of(settings: Settings, names: tuple[str, ...]) -> Gate:
    """Set the gate."""
    chart = cusum_for(REFERENCE, settings.false_alarm_points, LONGEST_GAP)
    least = SPIKE_LONGEST * (CLIP - REFERENCE) + 1.0
    chart = CusumChart(REFERENCE, max(chart.decision, least), LONGEST_GAP)
    nominal = np.array([settings.residual_sd.get(name, np.inf) for name in names])[:, None]
    return Gate(chart, nominal, *settings.noise_bounds)


@dataclass(slots=True, eq=False)
class Gated:
    """State of the gate; each of shape (16, n).

    `reference`, `trend` (unit a minute) and `noise` (sd) of the signal; `high`, `low`, `high_since`, `low_since` and
    `seen` of the CUSUM; `error` of the newest reading and the one `before`. Of an excursion: its `length`, the mean of
    the `first` two errors, the mean of the two in the `lead` of it, how many were `wild`. `usual`: mean error of the
    last eight minutes outside excursions.
    """

    reference: Floats
    trend: Floats
    noise: Floats
    high: Floats
    low: Floats
    high_since: Ints
    low_since: Ints
    seen: Ints
    error: Floats
    before: Floats
    first: Floats
    lead: Floats
    length: Ints
    wild: Ints
    usual: Floats


@dataclass(slots=True, eq=False)
class Verdict:
    """What one minute showed, shape (16, n).

    error : standardised, NaN without a reading.
    gated : not used.
    stepped : -1 or 1 where a sum reached its limit.
    ramp : the excursion was still growing then.
    jump : how far its first two readings were from the two before [sd].
    slant : mean error before it, in its direction [sd]: large if something slow was under way.
    faded : it was a spike, of which a rest is left.
    since : its first reading [us].
    size : of the step [sd].
    lean : upper less lower sum [sd].
    young, brief : within the first readings of an excursion; it may still be a spike.
    spike : an excursion of at most three wild readings ended by itself.
    """

    error: Floats
    gated: Bools
    stepped: Ints
    ramp: Bools
    jump: Floats
    slant: Floats
    faded: Bools
    since: Ints
    size: Floats
    lean: Floats
    young: Bools
    brief: Bools
    spike: Bools


def start(gate: Gate, n: int) -> Gated:
    """Give the state of n units that have seen nothing."""

    def zeros() -> Floats:
        return np.zeros((COUNT, n))

    def counts() -> Ints:
        return np.zeros((COUNT, n), np.int64)

    def never() -> Ints:
        return np.full((COUNT, n), -1, np.int64)

    return Gated(
        np.full((COUNT, n), np.nan), zeros(), np.broadcast_to(gate.nominal, (COUNT, n)).copy(),
        zeros(), zeros(), never(), never(), never(), zeros(), zeros(), zeros(), zeros(), counts(), counts(), zeros(),
    )  # fmt: skip


def step(
    gate: Gate, state: Gated, instants: Ints, signals: Floats, extra: Floats, armed: Bools
) -> tuple[Gated, Verdict]:
    """Fold one minute.

    Parameters
    ----------
    gate : Gate
        The setting.
    state : Gated
        Of n units; it is left as it was.
    instants : array of int64, shape (n,)
        Of this minute [us].
    signals : array, shape (16, n)
        NaN where there is no reading.
    extra : array, shape (16, n)
        Noise that is known to come on top for now, in the unit of the signal.
    armed : array of bool, shape (n,)
        Where steps are tested; elsewhere the reference follows at once.
    """
    there = ~np.isnan(signals) & np.isfinite(gate.nominal)
    fresh = there & np.isnan(state.reference)
    expected = np.where(fresh, signals, state.reference + state.trend)
    wide = np.where(np.isfinite(state.noise), state.noise + extra, 1.0)
    error = np.where(there, (signals - expected) / wide, 0.0)
    clipped = np.clip(error, -CLIP, CLIP)
    shape = signals.shape
    when = np.broadcast_to(instants, shape).reshape(-1)
    sums = CusumState(
        state.high.reshape(-1), state.low.reshape(-1), state.high_since.reshape(-1), state.low_since.reshape(-1),
        state.seen.reshape(-1),
    )  # fmt: skip
    sums, marks = cusum.step(gate.chart, sums, when, clipped.reshape(-1), (there & armed).reshape(-1))
    high, low = sums.high.reshape(shape), sums.low.reshape(shape)
    high_since, low_since, seen = (x.reshape(shape) for x in (sums.high_since, sums.low_since, sums.seen))
    fired = marks.reshape(shape)
    stepped = np.where(fired == 1, 1, np.where(fired == 2, -1, 0)).astype(np.int64)

    away = there & (np.maximum(high, low) > 1.0)
    length = np.where(away, state.length + 1, np.where(there, 0, state.length))
    first = np.where(
        away & (length == 1), error, np.where(away & (length == 2), 0.5 * (state.first + error), state.first)
    )
    recent = 0.5 * (error + state.error)
    lead = np.where(away & (length == 1), 0.5 * (state.error + state.before), state.lead)
    fired_now = stepped != 0
    ramp = fired_now & (np.abs(recent) > GROWN * np.abs(first)) & (recent * first > 0)
    jump = np.where(fired_now, np.abs(first - lead), 0.0)
    wild = np.where(away, np.where(length == 1, 0, state.wild) + (np.abs(error) > WILD), state.wild)
    spike = there & ~away & (state.length > 0) & (state.wild > 0) & (state.wild <= SPIKE_LONGEST)
    faded = fired_now & (jump > FADED * np.abs(recent) + 1.0)
    spike |= faded
    wild = np.where(fired_now | (there & ~away), 0, wild)

    usual = np.where(there & ~away, state.usual + USUAL * (error - state.usual), state.usual)
    calm = there & (np.maximum(high, low) <= WAIT)
    pull = np.clip(error, -PULL, PULL) * wide
    follow = np.where(armed, FOLLOW, 0.3)
    reference = np.where(calm, expected + follow * pull, np.where(there, expected, state.reference + state.trend))
    reference = np.where(fresh, signals, reference)
    trend = np.where(calm & armed, state.trend + BEND * pull, np.where(armed, state.trend, 0.0))
    reference = np.where(fired_now, expected + recent * wide, reference)
    size = np.where(fired_now, recent, 0.0)
    share = np.clip(np.abs(error), 0.0, 3.0)
    noise = np.where(
        calm & armed & (extra < 0.2 * wide),
        state.noise + LEARN * ((ABS_TO_SD * share - 1.0) * wide),
        state.noise,
    )
    noise = np.clip(noise, gate.low * gate.nominal, gate.high * gate.nominal)  # infinite stays infinite
    since = np.where(stepped > 0, high_since, np.where(stepped < 0, low_since, -1))
    gated = there & armed & ((np.abs(error) > CLIP) | (np.maximum(high, low) > WAIT))
    after = Gated(
        reference, trend, noise, high, low, high_since, low_since, seen,
        np.where(there, error, state.error), np.where(there, state.error, state.before),
        first, lead, length, wild, usual,
    )  # fmt: skip
    return after, Verdict(
        np.where(there, error, np.nan), gated, stepped, ramp, jump, state.usual * np.sign(recent), faded, since, size,
        high - low, away & (length <= SPIKE_LONGEST), length <= SPIKE_LONGEST + 1, spike,
    )  # fmt: skip
