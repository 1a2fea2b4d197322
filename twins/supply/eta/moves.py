"""Moves that lanes share: a network, a step, a carrier, or a carrier's step that grows slower or faster at once.

Each of these pools weighs, leg by leg, the odds that most of its lanes, or a third of them, moved by the same amount
since some leg. Once the odds are high the move is told to every lane of the pool as what it probably did.
"""

from __future__ import annotations

import numpy as np

from twins.supply.eta.grid import CELL, CELLS, NEAR, Cells, Floats

HAZARD = 1 / 5000  # of a move of a pool, before a leg of it, assumed: rarer than a lane's own
SURE = 500.0  # odds at which a move is told, chosen by the worlds of supply_eta
SHARES = (0.9, 0.35)  # of a pool's lanes that move together, assumed: nearly all, or a third
WEIGHTS, LARGE = (0.75, 0.25), 6  # of the two among moves, and the least move of a third [cells], assumed
STRIDE, REACH, HALF = 2, 24, 40  # cells: moves in steps of 8 % up to a factor 2.6; a lane lies within a factor 5
YOUNG = 8  # legs before which a lane is no witness, assumed
STEPS = np.arange(-REACH, REACH + 1, STRIDE)
STILL = len(STEPS) // 2


def _prior() -> Floats:
    """Give the hazard of each share and size; a third that moves a little looks like scatter, so it must move more."""
    sizes = np.exp(-np.abs(STEPS) * CELL / NEAR)
    most, some = np.where(STEPS == 0, 0.0, sizes), np.where(np.abs(STEPS) < LARGE, 0.0, sizes)
    hazards: Floats = HAZARD * np.array([WEIGHTS[0] * most / most.sum(), WEIGHTS[1] * some / some.sum()])
    return hazards


PRIOR = _prior()
MOVES: Floats = np.array(SHARES)[:, None]


def witness(before: Cells, likely: Cells, centre: int) -> Floats:
    """Give how much better a leg is explained by each share and size of move, shape (shares, sizes).

    Source
    ------
    Shiryaev, On optimum methods in quickest detection problems, 1963: odds <- (odds + hazard) * likelihood ratio.
    """
    middle = min(max(centre, HALF + REACH), CELLS - 1 - HALF - REACH)
    near = before[middle - HALF : middle + HALF + 1]
    over = np.correlate(likely[middle - HALF - REACH : middle + HALF + REACH + 1], near, "valid")[::STRIDE]
    return (1.0 - MOVES) + MOVES * (over / max(float(over[STILL]), 1e-12))


def weigh(odds: Floats | None, ratio: Floats) -> Floats:
    """Give a pool's odds after a leg."""
    grown: Floats = (PRIOR if odds is None else odds + PRIOR) * ratio
    return grown


def told(odds: Floats) -> Floats | None:
    """Give the kernel of the move that a pool made, None while the odds are low."""
    if odds.sum() < SURE:
        return None
    share = int(odds.sum(axis=1).argmax())
    kernel = np.zeros(2 * REACH + 1)
    kernel[::STRIDE] = SHARES[share] * odds[share] / odds[share].sum()
    kernel[REACH] += 1.0 - SHARES[share]
    return kernel


def moved(belief: Cells, kernel: Floats) -> Cells:
    """Give a belief after a move."""
    wide = np.convolve(belief, kernel)[REACH : REACH + CELLS].astype(np.float32)
    scaled: Cells = wide / wide.sum()
    return scaled


def pools(step: str, carrier: str) -> tuple[str, str, str, str]:
    """Name the pools of a step and carrier: the network, the step, the carrier, and both."""
    return "\x1f", f"{step}\x1f", f"\x1f{carrier}", f"{step}\x1f{carrier}"


def holds(pool: str, name: str) -> bool:
    """Say whether a lane or group, by its name (step, carrier, lane), belongs to a pool."""
    step, carrier = pool.split("\x1f")
    parts = name.split("\x1f")
    return (not step or parts[0] == step) and (not carrier or (len(parts) > 1 and parts[1] == carrier))
