"""Find channels that fell silent and channels that stand too still.

A reading that hardly moves from one minute to the next counts; how often that happens while all is well is learned,
so that a coarse instrument needs more of them. A stuck channel heals with readings that move again.

Source
------
Ours: a run of m still readings has a chance of p^m; m is chosen so that it is below `CHANCE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.faults.channels import COUNT, TESTED, Bools, Floats, Ints

STILL = 0.05  # of the sd of a difference of two readings
CHANCE = 3e-9  # about one false run in 50 unit-years of 13 channels, once a minute
LEAST, MOST = 6, 60  # readings in a row
LEARN = 1.0 / 720.0
P_START, P_LEAST, P_MOST = 0.08, 0.05, 0.7


@dataclass(slots=True, eq=False)
class Stillness:
    """State, shape (16, n): newest reading's signal, sd of the white part, still readings in a row, their usual share,
    moving ones since, missing minutes in a row, and whether it ever spoke."""

    last: Floats
    white: Floats
    still: Ints
    usual: Floats
    moving: Ints
    missing: Ints
    spoke: Bools


def start(nominal: Floats, n: int) -> Stillness:
    """Give the state of n units that have seen nothing; `nominal` noise has shape (16, 1)."""
    shape = (COUNT, n)
    white = np.broadcast_to(np.where(np.isfinite(nominal), nominal, 1.0), shape).copy()
    zeros = np.zeros(shape, np.int64)
    return Stillness(
        np.full(shape, np.nan),
        white,
        zeros,
        np.full(shape, P_START),
        zeros.copy(),
        zeros.copy(),
        np.zeros(shape, np.bool_),
    )


def step(state: Stillness, readings: Floats, nominal: Floats) -> tuple[Stillness, Bools]:
    """Fold one minute of readings, shape (16, n); give the new state and which channels are stuck."""
    there = ~np.isnan(readings)
    known = there & ~np.isnan(state.last)
    move = np.where(known, readings - state.last, 0.0)
    scale = np.sqrt(2.0) * state.white
    quiet = known & (np.abs(move) <= STILL * scale)
    still = np.where(quiet, state.still + 1, np.where(known, 0, state.still))
    usual = np.where(known & (still < 5), state.usual + LEARN * (quiet - state.usual), state.usual)
    usual = np.clip(usual, P_LEAST, P_MOST)
    needed = np.clip(np.ceil(np.log(CHANCE) / np.log(usual)), LEAST, MOST)
    tested = np.zeros((COUNT, 1), np.bool_)
    tested[list(TESTED)] = True
    # sd of the white part from the differences of neighbours, clipped; mean |d| = 1.128 sd for normal noise
    size = np.minimum(np.abs(move) / 1.1283791670955126, 3.0 * state.white)
    white = np.where(known & (still < 3), state.white + LEARN * (size - state.white), state.white)
    white = np.clip(white, 0.3 * nominal, 1.3 * nominal)
    white = np.where(tested, white, 1.0)
    moving = np.where(known & ~quiet, state.moving + 1, np.where(quiet & (still >= LEAST), 0, state.moving))
    after = Stillness(
        np.where(there, readings, state.last), white, still, usual, moving,
        np.where(there, 0, state.missing + 1), state.spoke | there,
    )  # fmt: skip
    return after, tested & (still >= needed)
