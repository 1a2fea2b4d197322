"""What a study will have cost when it is over: what it cost so far, with what is to come draw by draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from schemas.errors import InvalidFieldError
from twins.enrollment.money.outlook import Outlook
from twins.enrollment.study import Floats

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
OUTER = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Completion:
    """Cost at completion in the reporting currency.

    `to_date` is what arose so far (`spent` by line), `booked` what of it is booked. `draws` (d,), `mean`, `quantiles`
    (q,) at `levels`, `by_line` the mean of each line. `months` (k,) are the days on which months begin; `arising` and
    `paid` (k, q) are quantiles of the months' costs and payments still to come, `arising_mean` and `paid_mean` (k,)
    their means: to date and what arises come to `mean`, and so do booked, `outstanding` and what is paid. `running`
    (k, q) are quantiles of all that is paid or owed by the end of a month; the last are those of the cost. `line_range`
    is the central 90 % of each line. `correlation` is that of the end with the cost.
    """

    to_date: float
    booked: float
    draws: Floats
    mean: float
    levels: tuple[float, ...]
    quantiles: Floats
    by_line: dict[str, float]
    months: Floats
    arising: Floats
    paid: Floats
    correlation: float
    arising_mean: Floats
    paid_mean: Floats
    running: Floats
    spent: dict[str, float]
    line_range: dict[str, tuple[float, float]]

    @property
    def outstanding(self) -> float:
        """What arose so far and is not booked yet: nobody has sent the invoice."""
        return self.to_date - self.booked

    def within(self, money: float) -> float:
        """Probability that the study costs no more than `money` in all."""
        return float((self.draws <= money).mean())


def completion(
    ahead: Outlook,
    booked: Mapping[str, float],
    accrued: Mapping[str, float] | None = None,
    levels: tuple[float, ...] = QUANTILES,
) -> Completion:
    """Join what a study cost so far to what is to come.

    Parameters
    ----------
    ahead : Outlook
    booked : mapping of line to cost
        From `to_date`.
    accrued : mapping of line to cost, optional
        What the budget says of what has happened so far. Of each line the greater counts: invoices come late, and
        costs run over.
    levels : tuple of float
        Of the quantiles.

    Raises
    ------
    InvalidFieldError
        For a line the budget does not have.
    """
    arose = accrued or {}
    for name in {*booked, *arose} - set(ahead.lines):
        raise InvalidFieldError(expected="a line of the budget", received=name, where="cost to date, line")
    spent = {name: max(booked.get(name, 0.0), arose.get(name, 0.0)) for name in ahead.lines}
    past = sum(spent.values())
    draws = past + ahead.total
    means = ahead.by_line.mean(axis=0)
    low, high = np.quantile(ahead.by_line, OUTER, axis=0).tolist()
    return Completion(
        past,
        sum(booked.values()),
        draws,
        float(draws.mean()),
        levels,
        np.quantile(draws, levels),
        {name: spent[name] + float(mean) for name, mean in zip(ahead.lines, means, strict=True)},
        ahead.edges[:-1],
        np.quantile(ahead.by_month, levels, axis=0).T,
        np.quantile(ahead.cash, levels, axis=0).T,
        ahead.correlation(),
        ahead.by_month.mean(axis=0),
        ahead.cash.mean(axis=0),
        np.quantile(past + ahead.cash.cumsum(axis=1), levels, axis=0).T,
        spent,
        {name: (spent[name] + low[n], spent[name] + high[n]) for n, name in enumerate(ahead.lines)},
    )
