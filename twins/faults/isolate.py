"""Name what is at fault: which evidence, in which company, claims which channel.

    one probe steps, its neighbours stand          the probe
    two probes exchange their values               both, as a swap
    a meter leaves its demand                      the actuator
    both temperatures fall                         the heater
    both pH rise, the weight too                   the base pump
    oxygen falls and goes on falling               stirrer or air
    weight falls behind the pumps                  the feed; with a low pH the base pump
    relation   quotient  oxygen  cells             a set that only one channel explains
               x         x       x                 off-gas oxygen
               x         -       -                 off-gas carbon dioxide
               -         x       -                 dissolved oxygen
               -         -       x                 capacitance, or the culture: whichever left its own trend

Source
------
Structured residuals and fault signatures: Gertler 1998, ch. 7; Isermann 2006, ch. 17; Venkatasubramanian et al. 2003,
Computers & Chemical Engineering 27:293. The table is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.instants import HOUR, MINUTE
from twins.faults.alarms import Claims, Kind
from twins.faults.channels import (
    ACTUATORS,
    AIR,
    BASE,
    CAP,
    CO2,
    COUNT,
    CULTURE,
    DO,
    FEED,
    GCO2,
    GO2,
    HEAT,
    METERED,
    O2,
    PH,
    PH2,
    RPM,
    TJ,
    Bools,
    Floats,
    Ints,
    T,
    W,
)  # fmt: skip
from twins.faults.gate import Verdict
from twins.faults.relations import (
    ACID,
    BALANCE,
    CELLS,
    JACKET,
    M_AIR,
    M_CO2,
    M_O2,
    M_RPM,
    NUMBER,
    OXYGEN,
    QUOTIENT,
)  # fmt: skip

RECENT = 8  # minutes for which a step counts as happening now
PATIENCE = 2  # minutes from a step to its naming, so that its neighbours can speak
PATIENCE_RAMP = 6
PATIENCE_WEIGHT = 10  # a step stands still then, and what runs in or out has gone on
SETTLED = 0.9  # sd: it stands still
SUSTAINED = 5  # minutes for which a relation must be beyond its limit
MOVED = 3.0  # sd: a neighbour that moved
PATTERN = 0.5  # of the largest: what a relation must have moved to count in a pattern
LEANING = 1.5  # sd: the balance of the weight may have begun to go
LEANS = 2.0  # sd: the sum of one that is about to
METER_OFF = 5.0  # sd
DEEP = 12.0  # sd: oxygen that fell so far and still falls has lost its supply
SUDDEN = 0.5  # of a step must have come at once, else it is none
JUMP = 2.25  # sd: and so much of it, where the culture moves the channel too
SLANT = 0.9  # sd: and nothing slow may have been under way before
LARGE = 2.7  # sd: a step of a channel that the culture and the pumps also move
ACID_SURE, ACID_LIKELY = 0.02, 0.013  # pH below the deadband
ECHOES = (HEAT, BASE, FEED)  # say what their drive was told
FAST = 5  # rows of joint evidence
ECHO_PATIENCE = 4  # minutes
METERS = ((M_CO2, CO2), (M_O2, O2), (M_AIR, AIR), (M_RPM, RPM))


@dataclass(slots=True, eq=False)
class Evidence:
    """What isolation remembers.

    `age` (16, n): minutes since a channel stepped; `wait` (16, n): minutes until it is named, -1 when none is pending;
    `size`, `since`, `ramp`, `jump`, `slant` of it; `partner` (16, n): the channel it exchanged with, or -1;
    `broken` (10, n): minutes for which each relation is beyond its limit, since when in `broken_since` [us];
    `leaning_since` (n,): since when the weight may have been falling behind [us]; `after` (n,): sum of its errors since
    it stepped [sd];
    `fast` (8, n): minutes of fast joint evidence for stirrer, air, oxygen, heater and an unseen loss, then of each echo
    (`ECHOES`) that is not its demand.
    """

    age: Ints
    wait: Ints
    size: Floats
    since: Ints
    ramp: Bools
    jump: Floats
    slant: Floats
    partner: Ints
    broken: Ints
    broken_since: Ints
    leaning_since: Ints
    after: Floats
    fast: Ints


def start(n: int) -> Evidence:
    """Give the state of n units without evidence."""
    shape = (COUNT, n)

    def never() -> Ints:
        return np.full(shape, -1, np.int64)

    return Evidence(
        np.full(shape, 10_000, np.int64), never(), np.zeros(shape), never(), np.zeros(shape, np.bool_), np.zeros(shape),
        np.zeros(shape), never(), np.zeros((NUMBER, n), np.int64), np.full((NUMBER, n), -1, np.int64),
        np.full(n, -1, np.int64), np.zeros(n), np.zeros((FAST + len(ECHOES), n), np.int64),
    )  # fmt: skip


@dataclass(slots=True, eq=False)
class Sight:
    """One minute as isolation sees it; arrays as named in `detector`."""

    instants: Ints
    verdict: Verdict
    before: Floats  # error of the minute before
    readings: Floats
    expected: Floats  # readings that the references expect
    noise: Floats  # sd of each channel
    demands: Floats
    distance: Floats  # of each relation [sd]
    moved: Floats  # the same in the unit of each relation
    ready: Bools  # relations are tested
    limit: float
    acid: Floats  # (n,): how far pH is below its deadband while base is asked for
    missing: Floats  # (n,): weight missing, beyond `LEANING` [g]
    growth: Floats  # (2, n): how far ln OUR and ln capacitance are from their own trends


def step(state: Evidence, sight: Sight) -> tuple[Evidence, Claims]:
    """Fold one minute; give the new state and what is claimed."""
    seen = _remember(state, sight)
    claims = Claims.none(len(sight.instants))
    _fast(seen, sight, claims)
    _swaps(seen, claims)
    _steps(seen, sight, claims)
    _levels(seen, sight, claims)
    return seen, claims


def _remember(state: Evidence, sight: Sight) -> Evidence:
    v = sight.verdict
    # Controllers answer a swap so fast that it looks like a spike that fades; two channels at once are none.
    faded = v.faded & (state.partner < 0)
    stepped = (v.stepped != 0) & ~faded
    age = np.where(stepped, 0, np.minimum(state.age + 1, 10_000))
    pending = state.wait > 0
    # While a meter is off its demand, probes wait: what they show may be what the actuator does.
    off = (np.abs(np.nan_to_num(v.error)) > METER_OFF)[list(METERED)].any(axis=0)
    left = np.where(pending & off & (state.wait == 1), 1, np.maximum(state.wait - 1, -1))
    left[list(METERED)] = np.maximum(state.wait[list(METERED)] - 1, -1)
    first = np.where(v.ramp, PATIENCE_RAMP, PATIENCE)
    first[list(METERED)] = 1
    first[W] = PATIENCE_WEIGHT
    wait = np.where(stepped & ~pending, first, left)
    fresh = stepped & ~pending
    size = np.where(stepped, v.size + np.where(pending, state.size, 0.0), state.size)
    since = np.where(fresh, v.since, state.since)
    ramp = np.where(fresh, v.ramp, np.where(stepped, state.ramp | (v.size * state.size > 0), state.ramp))
    jump = np.where(fresh, v.jump, state.jump)
    slant = np.where(fresh, v.slant, state.slant)
    young = v.young & (np.abs(np.nan_to_num(v.error)) > MOVED) & (state.partner < 0)
    young &= young.sum(axis=0) >= 2
    partner = np.where(young, _partners(sight, young), state.partner)
    partner = np.where(v.brief | pending | stepped | (age <= RECENT), partner, -1)
    partner = np.where(fresh & (partner < 0), _partners(sight, fresh), partner)
    beyond = sight.ready & (np.abs(sight.distance) > sight.limit)
    broken = np.where(beyond, state.broken + 1, 0)
    leans = sight.distance[BALANCE] < -LEANING
    leaning_since = np.where(leans, np.where(state.leaning_since < 0, sight.instants, state.leaning_since), -1)
    error = np.clip(np.nan_to_num(v.error[W]), -4.0, 4.0)
    after = np.where(stepped[W], 0.0, np.where(wait[W] >= 0, state.after + error, state.after))
    broken_since = np.where(beyond & (state.broken == 0), sight.instants, state.broken_since)
    fast = _fast_counts(state, sight)
    return Evidence(
        age, wait, size, since, ramp, jump, slant, partner, broken, broken_since, leaning_since, after, fast
    )  # fmt: skip


def _fast_counts(state: Evidence, sight: Sight) -> Ints:
    e, b = np.nan_to_num(sight.verdict.error), sight.before
    falls = (e[DO] < -8.0) & (b[DO] < -4.0) & (e[DO] < 1.35 * b[DO])
    demanded = [sight.demands[ACTUATORS.index(row)] for row in ECHOES]
    apart = [
        np.abs(sight.readings[row] - d) > 0.02 * np.maximum(np.abs(d), 1.0)
        for row, d in zip(ECHOES, demanded, strict=True)
    ]
    low = e[DO] < -4.0
    now = np.stack([
        (e[RPM] < -8.0) & low, (e[AIR] < -8.0) & low, (e[O2] < -8.0) & low,
        (e[T] < -4.0) & (e[TJ] < -6.0), falls, *apart,
    ])  # fmt: skip
    return np.where(now, state.fast + 1, 0)


def _partners(sight: Sight, fresh: Bools) -> Ints:
    """Find for each fresh step the channel whose expected value it now shows, while that one shows its own."""
    found = np.full(fresh.shape, -1, np.int64)
    units = np.nonzero(fresh.any(axis=0))[0]
    if not len(units):
        return found
    y, x, s = sight.readings[:, units], sight.expected[:, units], sight.noise[:, units]
    new = fresh[:, units]
    far = np.abs(y - x) > 2.0 * s
    part = np.full(new.shape, -1, np.int64)
    for i in range(COUNT):
        if not new[i].any():
            continue
        for j in range(COUNT):
            if i == j:
                continue
            slack = 3.0 * np.hypot(s[i], s[j]) + 0.01 * np.abs(x[j])
            back = 3.0 * np.hypot(s[i], s[j]) + 0.01 * np.abs(x[i])
            slack, back = np.minimum(slack, 0.5 * np.abs(x[i] - x[j])), np.minimum(back, 0.5 * np.abs(x[i] - x[j]))
            match = new[i] & far[i] & far[j] & (np.abs(y[i] - x[j]) < slack) & (np.abs(y[j] - x[i]) < back)
            part[i] = np.where(match & (part[i] < 0), j, part[i])
    found[:, units] = part
    return found


def _fast(seen: Evidence, sight: Sight, claims: Claims) -> None:
    now = sight.instants
    # Two channels far off together are no spike: what is lost is said at once, for oxygen falls by 10 % a minute.
    for place, row in enumerate((RPM, AIR, O2)):
        claims.put(row, seen.fast[place] >= 1, Kind.STOPPED, now)
    claims.put(HEAT, seen.fast[3] >= 2, Kind.STOPPED, now)
    meters = (np.nan_to_num(sight.verdict.error)[[RPM, AIR, O2]] < -METER_OFF).any(axis=0)
    claims.put(RPM, (seen.fast[4] >= 1) & ~meters & (seen.partner[DO] < 0), Kind.STOPPED, now, AIR)
    since = now - ECHO_PATIENCE * MINUTE
    base, feed = seen.fast[FAST + 1] >= ECHO_PATIENCE, seen.fast[FAST + 2] >= ECHO_PATIENCE
    crossed = base & feed & _crossed(sight)
    claims.put(BASE, crossed, Kind.SWAPPED, since, FEED)
    for place, row in enumerate(ECHOES):
        claims.put(row, (seen.fast[FAST + place] >= ECHO_PATIENCE) & ~crossed, Kind.STEPPED, since)


def _crossed(sight: Sight) -> Bools:
    """Whether the pumps' echoes show each other's demand."""
    base, feed = sight.demands[ACTUATORS.index(BASE)], sight.demands[ACTUATORS.index(FEED)]
    one: Bools = np.abs(sight.readings[BASE] - feed) <= 0.02 * np.maximum(feed, 1.0)
    other: Bools = np.abs(sight.readings[FEED] - base) <= 0.02 * np.maximum(base, 1.0)
    return one & other


def _swaps(seen: Evidence, claims: Claims) -> None:
    swapped = (seen.wait >= 0) & (seen.partner >= 0)
    for i in np.nonzero(swapped.any(axis=1))[0].tolist():
        claims.put(i, swapped[i], Kind.SWAPPED, seen.since[i], seen.partner[i])


def _steps(seen: Evidence, sight: Sight, claims: Claims) -> None:
    """Name each step when its time has come, by what its neighbours did meanwhile."""
    now = (seen.wait == 0) & (seen.partner < 0)
    if not now.any():
        return
    lean, large = sight.verdict.lean, np.abs(seen.size) > LARGE
    recent, sign = seen.age <= RECENT, np.sign(seen.size)
    e = np.nan_to_num(sight.verdict.error)
    sudden = seen.jump > SUDDEN * np.abs(seen.size)
    for i in (DO, GO2, GCO2, TJ):
        sudden[i] &= (seen.jump[i] > JUMP) & large[i] & (seen.slant[i] < SLANT)

    def along(i: int, j: int) -> Bools:
        """Whether j moved as i did."""
        moved: Bools = (recent[j] & (sign[j] == sign[i])) | (e[j] * sign[i] > MOVED)
        return moved

    def gassed(i: int, least: float) -> Bools:
        """Whether another gas channel leans too: then the culture or the gas moved, no probe."""
        one, other = (j for j in (DO, GO2, GCO2) if j != i)
        leaning: Bools = (np.abs(sight.verdict.lean[one]) > least) | (np.abs(sight.verdict.lean[other]) > least)
        return leaning

    for row in METERED:
        demand = sight.demands[ACTUATORS.index(row)]
        stopped = sight.readings[row] < 0.2 * demand
        claims.put(row, now[row] & stopped, Kind.STOPPED, seen.since[row])
        claims.put(row, now[row], Kind.STEPPED, seen.since[row])
    both = (now[T] | now[TJ]) & along(T, TJ) & along(TJ, T)
    since = np.where(now[T], seen.since[T], seen.since[TJ])
    down = np.where(now[T], sign[T], sign[TJ]) < 0
    claims.put(HEAT, both & down, Kind.STOPPED, since)
    claims.put(HEAT, both & ~down, Kind.RUNAWAY, since)
    # The heater answers a step of its probe, and the jacket the heater: then they part, and the probe began it.
    parted = now[TJ] & ~both & ((recent[T] & (sign[T] == -sign[TJ])) | (lean[T] * sign[TJ] < -LEANS))
    claims.put(T, (now[T] & sudden[T] & ~both) | parted, Kind.STEPPED, np.where(now[T], seen.since[T], seen.since[TJ]))
    claims.put(TJ, now[TJ] & sudden[TJ] & ~both & ~parted, Kind.STEPPED, seen.since[TJ])
    both = (now[PH] & along(PH, PH2)) | (now[PH2] & along(PH2, PH))
    since = np.where(now[PH], seen.since[PH], seen.since[PH2])
    up = np.where(now[PH], sign[PH], sign[PH2]) > 0
    claims.put(BASE, both & up, Kind.RUNAWAY, since)
    claims.put(CULTURE, both & ~up, Kind.SHIFTED, since)
    for i in (PH, PH2):
        claims.put(i, now[i] & sudden[i] & ~both, Kind.STEPPED, seen.since[i])
    basic = now[W] & (sign[W] > 0) & (seen.ramp[W] | (lean[PH] > 1.0) | (lean[PH2] > 1.0))
    acid = (lean[PH] > 1.0) | (lean[PH2] > 1.0) | (e[PH] + e[PH2] > MOVED)
    claims.put(BASE, basic & acid, Kind.RUNAWAY, seen.since[W])
    claims.put(W, basic & ~acid, Kind.DRIFTED, seen.since[W])
    sudden[W] &= np.abs(seen.after) < SETTLED * PATIENCE_WEIGHT
    claims.put(W, now[W] & sudden[W] & large[W] & ~basic, Kind.STEPPED, seen.since[W])
    falling = now[DO] & seen.ramp[DO] & (seen.size[DO] < -DEEP)
    claims.put(RPM, falling, Kind.STOPPED, seen.since[DO], AIR)
    claims.put(DO, now[DO] & sudden[DO] & ~falling & ~gassed(DO, 2.2), Kind.STEPPED, seen.since[DO])
    for i, j in ((GO2, GCO2), (GCO2, GO2)):
        claims.put(i, now[i] & sudden[i] & sudden[j] & recent[j], Kind.STEPPED, seen.since[i], j)
        claims.put(i, now[i] & sudden[i] & ~gassed(i, 2.0), Kind.STEPPED, seen.since[i])
    claims.put(CAP, now[CAP] & sudden[CAP], Kind.STEPPED, seen.since[CAP])


def _levels(seen: Evidence, sight: Sight, claims: Claims) -> None:
    """Name what slow departures of relations point at."""
    z, since = sight.distance, seen.broken_since
    broken = seen.broken >= SUSTAINED
    if not broken.any() and not (sight.acid > ACID_SURE).any():
        return
    for relation, channel in METERS:
        claims.put(channel, broken[relation], Kind.DRIFTED, since[relation])
    claims.put(T, broken[JACKET], Kind.DRIFTED, since[JACKET], TJ)
    claims.put(PH, broken[ACID], Kind.DRIFTED, since[ACID], PH2)
    light = z[BALANCE] < 0
    starved = light & (
        ((sight.acid > ACID_SURE) & (z[BALANCE] < -3.0)) | ((sight.acid > ACID_LIKELY) & broken[BALANCE])
    )
    claims.put(BASE, starved, Kind.STOPPED, sight.instants)
    # What is missing an hour, since it began to show, against what the feed pump says it pours.
    rate = sight.missing / np.maximum((sight.instants - seen.leaning_since) / HOUR, 0.1)
    fits = rate < 1.6 * sight.demands[ACTUATORS.index(FEED)]
    claims.put(FEED, broken[BALANCE] & light & ~starved & fits, Kind.STOPPED, since[BALANCE], W)
    claims.put(W, broken[BALANCE] & light & ~starved & ~fits, Kind.DRIFTED, since[BALANCE])
    claims.put(W, broken[BALANCE] & ~light, Kind.DRIFTED, since[BALANCE], BASE)
    _gas(seen, sight, broken, claims)


def _gas(seen: Evidence, sight: Sight, broken: Bools, claims: Claims) -> None:
    """Name what the three relations of the gas balance point at, by the pattern of how far each has moved."""
    some = broken[QUOTIENT] | broken[OXYGEN] | broken[CELLS]
    if not some.any():
        return
    since = seen.broken_since
    first = np.where(broken[QUOTIENT], since[QUOTIENT], np.where(broken[OXYGEN], since[OXYGEN], since[CELLS]))
    q, o, c = -sight.moved[QUOTIENT], sight.moved[OXYGEN], sight.moved[CELLS]
    most = np.maximum(np.abs(q), np.maximum(np.abs(o), np.abs(c)))
    sign = np.sign(q + o + c)
    least = PATTERN * most
    analyser = some & (q * sign > least) & (o * sign > least) & (c * sign > least)
    claims.put(GO2, analyser, Kind.DRIFTED, first)
    rest = some & ~analyser
    cells = rest & broken[CELLS] & (np.abs(c) > 0.5 * most)
    culture, probe = np.abs(sight.growth[0]), np.abs(sight.growth[1])
    claims.put(CULTURE, cells & (culture > probe), Kind.SHIFTED, first, np.where(probe > 0.6 * culture, CAP, -1))
    claims.put(CAP, cells & (culture <= probe), Kind.DRIFTED, first, np.where(culture > 0.6 * probe, CULTURE, -1))
    claims.put(DO, rest & ~cells & broken[OXYGEN] & (np.abs(o) >= np.abs(q)), Kind.DRIFTED, first)
    claims.put(GCO2, rest & ~cells & broken[QUOTIENT] & (np.abs(q) > np.abs(o)), Kind.DRIFTED, first)
