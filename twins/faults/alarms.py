"""Make alarms of claims: one a fault, nothing for what merely follows from it, and an end when the fault has healed.

Source
------
Suppression of consequences as in ANSI/ISA-18.2-2016, clause 12. The table is `channels.CONSEQUENCES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from twins.faults.channels import COUNT, CULTURE, DO, PLACES, PROBES, Bools, Ints, consequence_table

LINGER = 180  # minutes for which consequences stay suppressed after the end of their cause
HEALED = 30  # minutes without evidence that end an alarm


class Kind(IntEnum):
    """What is wrong with a channel."""

    NONE = 0
    DROPPED = 1
    STUCK = 2
    STEPPED = 3
    SWAPPED = 4
    DRIFTED = 5
    STOPPED = 6
    RUNAWAY = 7
    SHIFTED = 8


@dataclass(slots=True, eq=False)
class Claims:
    """What is claimed in one minute, shape (17, n): kind, the other channel of a set of two or -1, since when [us]."""

    kind: Ints
    other: Ints
    since: Ints

    @classmethod
    def none(cls, n: int) -> Claims:
        """Claim nothing."""
        shape = (PLACES, n)
        return cls(np.zeros(shape, np.int64), np.full(shape, -1, np.int64), np.full(shape, -1, np.int64))

    def put(self, place: int, which: Bools, kind: Kind, since: Ints, other: int | Ints = -1) -> None:
        """Claim a kind where nothing was claimed of this place yet."""
        if not which.any():
            return
        new = which & (self.kind[place] == 0)
        self.kind[place] = np.where(new, int(kind), self.kind[place])
        self.other[place] = np.where(new, other, self.other[place])
        self.since[place] = np.where(new, since, self.since[place])


@dataclass(slots=True, eq=False)
class Standing:
    """Alarms that stand, shape (17, n): kind, other, since [us], minutes without evidence, minutes still to linger."""

    kind: Ints
    other: Ints
    since: Ints
    quiet: Ints
    linger: Ints


def start(n: int) -> Standing:
    """Give the state of n units without alarms."""
    shape = (PLACES, n)
    never = np.full(shape, -1, np.int64)
    zeros = np.zeros(shape, np.int64)
    return Standing(zeros, never, never.copy(), zeros.copy(), zeros.copy())


@dataclass(slots=True, eq=False)
class Turns:
    """What turned in one minute, shape (17, n)."""

    raised: Bools
    cleared: Bools


# Actuators first, then probes, then the culture: the cause before what it moves.
ORDER = (*(place for place in range(COUNT) if place not in PROBES), *(p for p in PROBES if p != DO), DO, CULTURE)


def step(state: Standing, claims: Claims, evidence: Bools) -> tuple[Standing, Turns]:
    """Raise what is claimed and not explained, and clear what has shown no evidence for long enough.

    Parameters
    ----------
    state : Standing
        Of n units; it is left as it was.
    claims : Claims
        Of this minute.
    evidence : array of bool, shape (17, n)
        Where a standing alarm is still seen.
    """
    kind, other, since = state.kind.copy(), state.other.copy(), state.since.copy()
    quiet = np.where(evidence | (kind == 0), 0, state.quiet + 1)
    cleared = (kind > 0) & (quiet >= HEALED)
    linger = np.maximum(state.linger - 1, 0)
    linger = np.where(cleared, LINGER, linger)
    kind[cleared], other[cleared], quiet[cleared] = 0, -1, 0
    raised = np.zeros(kind.shape, np.bool_)
    if not (claims.kind > 0).any():
        return Standing(kind, other, since, quiet, linger), Turns(raised, cleared)
    table = consequence_table()
    for place in ORDER:
        explained = np.zeros(kind.shape[1], np.bool_)
        # A channel that is silent or stuck shows that by itself; no other fault explains it.
        direct = (claims.kind[place] == Kind.DROPPED) | (claims.kind[place] == Kind.STUCK)
        for cause in range(PLACES):
            stands = (kind[cause] > 0) | (linger[cause] > 0)
            if cause == place:
                explained |= kind[cause] > 0
            elif table[cause, place]:
                explained |= stands & ~direct
            explained |= (kind[cause] > 0) & (other[cause] == place)
        new = (claims.kind[place] > 0) & ~explained
        raised[place] = new
        kind[place] = np.where(new, claims.kind[place], kind[place])
        other[place] = np.where(new, claims.other[place], other[place])
        since[place] = np.where(new, claims.since[place], since[place])
    return Standing(kind, other, since, quiet, linger), Turns(raised, cleared)


def distrusted(state: Standing) -> Bools:
    """Say which channels are not to be used now, shape (16, n): named by a standing alarm, or the other of its set."""
    out = state.kind[:COUNT] > 0
    cause, unit = np.nonzero((state.kind > 0) & (state.other >= 0) & (state.other < COUNT))
    out[state.other[cause, unit], unit] = True
    return out
