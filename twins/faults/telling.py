"""Forget of a channel what holds no longer after something was done at the vessel: an explained step is no fault.

    JUMPED    its level may be another this minute, by any amount: a sample, a bolus, an exchange of medium, a gap
    RENEWED   and what was learned of it is of another probe, or of this one before its calibration

The gate begins at the next reading, and standing steps are forgotten. After JUMPED each relation goes on from as far
off its centre as it was, so that a slow drift under way is not forgotten; after RENEWED its centre is learned anew.

Source
------
Ours. An exact correction (a sample of so many grams) was left aside: what is drawn to rinse the line is not told.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twins.faults.channels import Bools, Floats, Ints
from twins.faults.gate import Gated
from twins.faults.isolate import Evidence
from twins.faults.relations import NEEDS, Relations

NOTHING, JUMPED, RENEWED = range(3)
NEAR = 3.0  # sd: a reading so near has not jumped yet, or no more
SHARE = 0.4  # of it that the level takes over then: half the noise of a single reading after four
LONG_AGO = 10_000  # minutes since a step, as where none was seen


def of_gate(gated: Gated, told: Ints) -> Gated:
    """Let the gate of channels that were told of begin at their next reading; trend and noise stay."""
    which = told > NOTHING

    def zero(array: Floats) -> Floats:
        return np.where(which, 0.0, array)

    def none(array: Ints, value: int) -> Ints:
        return np.where(which, value, array)

    return replace(
        gated, reference=np.where(which, np.nan, gated.reference), high=zero(gated.high), low=zero(gated.low),
        high_since=none(gated.high_since, -1), low_since=none(gated.low_since, -1), error=zero(gated.error),
        before=zero(gated.before), first=zero(gated.first), lead=zero(gated.lead), length=none(gated.length, 0),
        wild=none(gated.wild, 0), usual=zero(gated.usual),
    )  # fmt: skip


def settled(gated: Gated, prior: Floats, signals: Floats, jumped: Bools) -> Gated:
    """Let the level of channels that were told of and did not jump this minute settle on their newest readings.

    Parameters
    ----------
    gated : Gated
        After the minute, its level the reading itself where `jumped`, shape (16, n).
    prior, signals : arrays, shape (16, n)
        What was expected before anything was forgotten, and what came.
    """
    near = jumped & (np.abs(signals - prior) < NEAR * gated.noise)
    return replace(gated, reference=np.where(near, prior + SHARE * (signals - prior), gated.reference))


def of_relations(relations: Relations, told: Ints) -> Relations:
    """Let relations go on from their next value: as far off as they were, or, of a renewed channel, not off at all."""
    mean, centre = relations.mean.copy(), relations.centre.copy()
    for row, needs in NEEDS.items():
        moved, renewed = _any(told[list(needs)], JUMPED), _any(told[list(needs)], RENEWED)
        gap = mean[row] - centre[row]
        centre[row] = np.where(renewed, np.nan, np.where(moved & ~np.isnan(gap), -gap, centre[row]))
        mean[row] = np.where(moved, np.nan, mean[row])
    return replace(relations, mean=mean, centre=centre)


def of_evidence(evidence: Evidence, told: Ints) -> Evidence:
    """Drop steps that wait for their name, and what a relation has shown lately."""
    which = told > NOTHING
    broken = evidence.broken.copy()
    for row, needs in NEEDS.items():
        broken[row] = np.where(_any(told[list(needs)], JUMPED), 0, broken[row])
    return replace(
        evidence, age=np.where(which, LONG_AGO, evidence.age), wait=np.where(which, -1, evidence.wait),
        partner=np.where(which, -1, evidence.partner), broken=broken,
    )  # fmt: skip


def _any(told: Ints, least: int) -> Bools:
    return np.asarray((told >= least).any(axis=0))
