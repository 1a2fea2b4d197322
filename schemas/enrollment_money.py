"""What an enrollment twin says of money: the `money` of its forecasts, in the budget's reporting currency.

Rows of quantiles are in the order of `levels`; intervals of three are the 5, 50 and 95 % quantiles. Dates are RFC 3339
text, null where they lie beyond what a calendar holds.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class MoneyLine(Struct, frozen=True):
    """A line of the budget. `accrued` is what it should have cost by now by what happened, `booked` what was booked,
    `to_date` the greater of the two; `mean`, `low` and `high` (90 %) are the line at completion. `time_driven`: it runs
    with the clock."""

    name: str
    kind: str
    time_driven: bool
    booked: float
    accrued: float
    to_date: float
    mean: float
    low: float
    high: float


class MoneyPast(Struct, frozen=True):
    """What was booked and what accrued in each month so far, by the months' first days."""

    months: list[str | None]
    booked: list[float]
    accrued: list[float]


class MoneyLater(Struct, frozen=True):
    """Means of what arises and of what is paid after the last month that is said."""

    arising: float
    paid: float


class ScenarioRow(Struct, frozen=True):
    """A scenario beside things as they stand (`kind` base, the first). `cost` is at completion, `on_time` the chance to
    enroll all by the plan's day.

    `days_later` and `cost_more` are differences to the base, draw by draw; `cost_more_mean` has the standard error
    `cost_more_error` and comes to `by_line`, of which `time_driven` runs with the clock. `per_day` is mean cost more
    per mean day later, null where no day is lost or gained.
    """

    kind: Literal["base", "longer", "country", "subjects", "amendment"]
    name: str
    enrolled: list[str | None]
    ends: list[str | None]
    on_time: float
    cost: list[float]
    days_later: list[float]
    cost_more: list[float]
    cost_more_mean: float
    cost_more_error: float
    time_driven: float
    per_day: float | None
    by_line: dict[str, float]


class TornadoBar(Struct, frozen=True):
    """An input moved alone, down and up: what each does to the mean day of the study's end and to the mean cost."""

    name: str
    days: list[float]
    cost: list[float]


class ScenarioTable(Struct, frozen=True):
    """Scenarios and a tornado (greatest swing of cost first) on the same `draws`, as of when they were last made."""

    as_of: str
    by: str | None
    draws: int
    rows: list[ScenarioRow]
    tornado: list[TornadoBar]


class MoneyForecast(Struct, frozen=True):
    """What a study cost and what it will have cost, in `currency`.

    `to_date` is `booked` and `outstanding`: of each line the greater of booked and accrued. `at_completion` are
    quantiles, `mean` and `by_line` means. From `months` on (first days of calendar months; the first is the clock),
    `arising` and `paid` are quantiles of each month, `running` of all that is paid or owed by its end. `booked`,
    `outstanding`, `paid_mean` and `later.paid` come to `mean`. Fields with a default came later than the others.
    """

    currency: str
    to_date: float
    booked: float
    levels: list[float]
    at_completion: list[float]
    mean: float
    by_line: dict[str, float]
    months: list[str | None]
    arising: list[list[float]]
    paid: list[list[float]]
    correlation_with_the_end: float
    not_on_the_budget: dict[str, str]
    accrued: float = 0.0
    outstanding: float = 0.0
    lines: list[MoneyLine] = []
    past: MoneyPast | None = None
    arising_mean: list[float] = []
    paid_mean: list[float] = []
    running: list[list[float]] = []
    later: MoneyLater | None = None
    scenarios: ScenarioTable | None = None
