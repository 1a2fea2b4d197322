"""What a course costs, draw by draw: the interface that a budget serves, and plain prices behind it."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import numpy as np
from msgspec import Meta, Struct

from twins.enrollment.course.actions import Money, Name, Plan, committed
from twins.enrollment.course.scene import Scene
from twins.enrollment.course.simulate import Outcome
from twins.enrollment.study import MONTH, Floats

PricedDays = Literal["all", "late"]


class CostModel(Protocol):
    """Money that a plan costs from now on, without the price of days."""

    def spend(self, outcome: Outcome, plan: Plan, scene: Scene, countries: tuple[str, ...], end: float) -> Floats:
        """Give the cost of each draw, shape (d,).

        `countries` are those of the outcome's columns; where a study has not finished by `end`, it costs until then.
        """
        ...


class CountryPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """Prices of one country, where they differ from those of the study."""

    name: Name
    per_subject: Money | None = None
    per_site_month: Money | None = None


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """Plain prices: fixed, per subject, per site and month that it is open, per month of the study.

    `price_of_day` is what a day of the study's length is worth beside what is spent on it, such as income forgone: of
    every day, or only of those after the day that is due.
    """

    currency: Annotated[str, Meta(min_length=1, max_length=8)] = "USD"
    fixed: Money = 0.0
    per_subject: Money = 0.0
    per_site_month: Money = 0.0
    per_month: Money = 0.0
    price_of_day: Money = 0.0
    days: PricedDays = "all"
    countries: tuple[CountryPrice, ...] = ()

    def spend(self, outcome: Outcome, plan: Plan, scene: Scene, countries: tuple[str, ...], end: float) -> Floats:
        """See `CostModel`."""
        subject = np.array([self._of(name, "per_subject") for name in countries])
        month = np.array([self._of(name, "per_site_month") for name in countries])
        length = np.minimum(outcome.finish, end) - scene.as_of
        found: Floats = (
            self.fixed
            + committed(plan)
            + (outcome.by_country * subject).sum(axis=1)
            + (outcome.open_days * month).sum(axis=1) / MONTH
            + self.per_month / MONTH * length
        )
        return found

    def _of(self, country: str, what: Literal["per_subject", "per_site_month"]) -> float:
        for one in self.countries:
            own = getattr(one, what)
            if one.name == country and own is not None:
                return float(own)
        return float(getattr(self, what))


def price_of_days(finish: Floats, price: float, days: PricedDays, scene: Scene, end: float) -> Floats:
    """Give the price of the days that a study takes, shape (d,). To extend the timeline lowers it in nothing."""
    begun = scene.as_of if days == "all" else max(scene.due, scene.as_of)
    found: Floats = price * np.maximum(np.minimum(finish, end) - begun, 0.0)
    return found
