"""Cells of draws: without a change, or with one within some hours; and what the bank of filters says of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twins.bioreactor.reestimation.bundle import Bundle
from twins.bioreactor.reestimation.changed import FACTOR_SD, Scan
from twins.bioreactor.reestimation.population import WIDER, Proposal, Target, normalised
from twins.bioreactor.reestimation.question import Question

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHANGE = 0.5  # that there was a change, before any data. Assumed, since a trigger asked (docs/reestimation.md)
CELL_HOURS = 3.0  # of a cell; wider where a run is long
MOST_CELLS = 40
FIRST_HOURS = 12.0  # of a run have no cell: a change so early is a parameter that was another all along
CERTAIN = 1e-6  # standard deviation of what the prior calls certain, so that every density is one


@dataclass(frozen=True, slots=True)
class Cells:
    """Edges of the cells with a change [h], shape (cells + 1,); none where nothing may change or the run is short."""

    edges: Floats

    @property
    def number(self) -> int:
        """How many cells there are, the one without a change with them."""
        return max(len(self.edges), 1)

    def middles(self) -> Floats:
        """Give an hour of change for each cell, infinity for the first."""
        return np.concatenate([[np.inf], 0.5 * (self.edges[1:] + self.edges[:-1])])

    def hours(self, cell: Ints, place: Floats) -> Floats:
        """Give the hours of change of draws; infinity in the first cell."""
        if self.number == 1:
            return np.full(len(cell), np.inf)
        at = np.maximum(cell, 1)
        hours: Floats = self.edges[at - 1] + place * (self.edges[at] - self.edges[at - 1])
        return np.where(cell > 0, hours, np.inf)

    def target(self, question: Question) -> Target:
        """Give what is believed before any data."""
        cells = np.ones(1)
        if self.number > 1:
            cells = np.concatenate([[1.0 - CHANGE], np.full(self.number - 1, CHANGE / (self.number - 1))])
        sds = np.array([*(max(sd, CERTAIN) for sd in question.sds), FACTOR_SD])
        ranges = {one.name: (one.low, one.high) for one in question.process.model.parameters}
        medians = [median for median, _ in question.prior]
        with np.errstate(divide="ignore"):
            low, high = (
                np.log(np.array([max(ranges[name][side], 0.0) for name in question.names]) / np.array(medians))
                for side in (0, 1)
            )
        return Target(cells, sds, np.append(low, -np.inf), np.append(high, np.inf))


def lay_cells(question: Question, hours: float) -> Cells:
    """Lay out the cells of a run of so many hours."""
    number = min(int((hours - FIRST_HOURS) / CELL_HOURS), MOST_CELLS)
    if question.changing < 0 or number < 1:
        return Cells(np.zeros(0))
    return Cells(FIRST_HOURS + (hours - FIRST_HOURS) * np.arange(number + 1) / number)


def first_proposal(question: Question, target: Target, scan: Scan, bundle: Bundle) -> Proposal:
    """Make a proposal of what the bank of filters believes now: a unit a cell."""
    number, d = len(target.cells), len(target.sds)
    share = normalised(np.log(target.cells) + bundle.likelihood - float(bundle.likelihood.max()))
    mean = np.zeros((number, d))
    covariance = np.repeat(np.diag(np.square(target.sds))[None], number, axis=0)
    rows = {
        one.parameter: row for (row, _), one in zip(scan.filter.layout.unsure, scan.filter.design.unsure, strict=True)
    }
    places = [(k, rows[name]) for k, name in enumerate((*question.names, "change.factor")) if name in rows]
    for k, row in places:
        mean[:, k] = bundle.joint.mean[row]
        for other, column in places:
            covariance[:, k, other] = WIDER * WIDER * bundle.joint.covariance[row, column]
    for one in range(number):  # never narrower than can be told apart, never wider than the prior by far
        covariance[one] += np.diag(np.square(0.05 * target.sds))
    floor = 0.1 * target.cells + 0.9 * share
    return Proposal(floor, mean, covariance)
