"""Limits on measured values: raised at crossing, cleared when back by the deadband. All readings at once, and one
by one only for the few twins whose alert changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.config import Rule

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Turn:
    """One alert that changes: `place` is that of the record in the frame, `value` what was read."""

    place: int
    slot: int
    rule: Rule
    raised: bool
    value: float


def evaluate(
    rule: Rule,
    places: Ints,
    slots: Ints,
    values: NDArray[np.float64],
    valid: NDArray[np.bool_],
    raised: NDArray[np.uint8],
) -> list[Turn]:
    """Walk one rule over readings of its tag, by twin and arrival.

    Parameters
    ----------
    rule : Rule
        A rule of kind `measured`.
    places, slots : arrays, shape (n,)
        The record and the twin of each reading.
    values : array, shape (n,)
        Canonical values.
    valid : array of bool, shape (n,)
        Whether the reading may move an alert: a batch runs, the value is not bad, nothing newer was seen.
    raised : array, shape (twins,)
        The rule's alert of every twin, 1 if raised. Changed in place.
    """
    beyond = valid & ((values > rule.limit) if rule.high else (values < rule.limit))
    back = valid & ((values <= rule.clear) if rule.high else (values >= rule.clear))
    on = raised[slots] > 0
    moving = (beyond & ~on) | (back & on)
    if not moving.any():
        return []
    turns: list[Turn] = []
    involved = np.isin(slots, np.unique(slots[moving]))
    for j in np.nonzero(involved & (beyond | back))[0].tolist():
        slot = int(slots[j])
        if beyond[j] and not raised[slot]:
            raised[slot] = 1
        elif back[j] and not beyond[j] and raised[slot]:
            raised[slot] = 0
        else:
            continue
        turns.append(Turn(int(places[j]), slot, rule, bool(raised[slot]), float(values[j])))
    return turns
