"""What a study is planned to cost: priced lines, exchange rates, booked costs; one checked document."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from schemas.errors import InvalidFieldError

Kind = Literal[
    "subject_screened",
    "subject_failed",
    "subject_enrolled",
    "visit",
    "site_start",
    "site_close",
    "site_month",
    "study_month",
    "fixed",
    "amendment",
]
TIME_DRIVEN: frozenset[str] = frozenset({"site_month", "study_month"})
STUDY_WIDE: frozenset[str] = frozenset({"study_month", "fixed", "amendment"})  # belong to one country or to the study
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a budget: `amount` of `currency` for each unit of its `kind`.

    `countries` empty means all; a kind of the whole study names at most one. `indexation` is a rise a year, taken at
    each full year from the study's origin. `overhead` is a share on top. `visit_day` [d after enrolment] belongs to a
    visit, `day` [d since origin] to what is fixed. Cash leaves `lag_days` after the cost arose.
    """

    name: str
    kind: Kind
    amount: float
    currency: str
    countries: tuple[str, ...] = ()
    indexation: float = 0.0
    overhead: float = 0.0
    visit_day: float | None = None
    day: float | None = None
    lag_days: float = 0.0

    def __post_init__(self) -> None:
        """Check every field; see `Budget` for what it raises."""
        where = f"budget line {self.name!r}"
        _need(bool(self.name), "a name", self.name, f"{where}, name")
        _need(self.kind in get_args(Kind), f"one of {', '.join(get_args(Kind))}", self.kind, f"{where}, kind")
        for field, low, high in (("amount", 0.0, 1e12), ("indexation", -0.5, 1.0), ("overhead", 0.0, 10.0)):
            _between(getattr(self, field), low, high, f"{where}, {field}")
        _between(self.lag_days, 0.0, 3650.0, f"{where}, lag_days")
        _need(bool(_CURRENCY.fullmatch(self.currency)), "three capitals", self.currency, f"{where}, currency")
        for field, kind in (("visit_day", "visit"), ("day", "fixed")):
            value = getattr(self, field)
            _need(
                (value is not None) == (self.kind == kind), f"a day for kind {kind} alone", value, f"{where}, {field}"
            )
            if value is not None:
                _between(value, 0.0, 36525.0, f"{where}, {field}")
        wide = self.kind in STUDY_WIDE and len(self.countries) > 1
        _need(not wide, "at most one country", self.countries, f"{where}, countries")
        unique = len(set(self.countries)) == len(self.countries)
        _need(unique, "each country once", self.countries, f"{where}, countries")


class ExchangeRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one unit of `currency` is worth in the reporting currency, as it was on `date` (YYYY-MM-DD)."""

    currency: str
    rate: float
    date: str

    def __post_init__(self) -> None:
        """Check every field; see `Budget` for what it raises."""
        where = f"exchange rate {self.currency!r}"
        _need(bool(_CURRENCY.fullmatch(self.currency)), "three capitals", self.currency, f"{where}, currency")
        _between(self.rate, 1e-9, 1e9, f"{where}, rate")
        _need(bool(_DAY.fullmatch(self.date)), "YYYY-MM-DD", self.date, f"{where}, date")


class Booked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cost that was booked: on which line, how much of which currency, on which day [d since origin].

    A credit is a negative amount.
    """

    line: str
    amount: float
    currency: str
    day: float


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A study's budget. As JSON it is one object with these same fields.

    Raises
    ------
    InvalidFieldError
        Naming the line and the field, or the currency that has no exchange rate.

    Examples
    --------
    >>> Budget("USD", (Line("team", "study_month", 9.0, "EUR"),))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    schemas.errors.InvalidFieldError: expected an exchange rate into USD, received none, in currency EUR; add it to ...
    """

    currency: str
    lines: tuple[Line, ...]
    rates: tuple[ExchangeRate, ...] = ()

    def __post_init__(self) -> None:
        """Check what no line can see alone."""
        _need(bool(_CURRENCY.fullmatch(self.currency)), "three capitals", self.currency, "budget, currency")
        names = [line.name for line in self.lines]
        _need(len(set(names)) == len(names), "each name once", names, "budget, lines")
        known = [rate.currency for rate in self.rates]
        _need(len(set(known)) == len(known), "one rate a currency", known, "budget, rates")
        own = next((rate.rate for rate in self.rates if rate.currency == self.currency), 1.0)
        _need(own == 1.0, "a rate of 1 for the reporting currency", own, "budget, rates")
        for line in self.lines:
            self.rate(line.currency)

    def rate(self, currency: str) -> float:
        """Look up what a unit of a currency is worth in the reporting currency; `InvalidFieldError` if none says."""
        if currency == self.currency:
            return 1.0
        for rate in self.rates:
            if rate.currency == currency:
                return rate.rate
        raise InvalidFieldError(
            expected=f"an exchange rate into {self.currency}",
            received="none",
            where=f"currency {currency}",
            advice="add it to `rates`",
        )

    def priced(self, name: str, factor: float) -> Budget:
        """Multiply one line's amount, for a scenario or a swing; `InvalidFieldError` if there is no such line."""
        _need(any(line.name == name for line in self.lines), "a line of the budget", name, "line")
        change = msgspec.structs.replace
        lines = tuple(change(line, amount=line.amount * factor) if line.name == name else line for line in self.lines)
        return msgspec.structs.replace(self, lines=lines)

    def exchanged(self, currency: str, factor: float) -> Budget:
        """Multiply one exchange rate, for a scenario or a swing; `InvalidFieldError` if there is no such rate."""
        _need(any(rate.currency == currency for rate in self.rates), "a currency of `rates`", currency, "currency")
        change = msgspec.structs.replace
        rates = tuple(
            change(rate, rate=rate.rate * factor) if rate.currency == currency else rate for rate in self.rates
        )
        return msgspec.structs.replace(self, rates=rates)


def to_date(budget: Budget, booked: Sequence[Booked], as_of: float) -> dict[str, float]:
    """Sum what was booked up to and on a day, line by line, in the reporting currency; lines with none have 0.

    Raises
    ------
    InvalidFieldError
        For a line the budget does not have, a currency without a rate, an amount or a day that is no number.
    """
    sums: dict[str, list[float]] = {line.name: [] for line in budget.lines}
    for cost in booked:
        where = f"booked cost on {cost.line!r}"
        _need(cost.line in sums, "a line of the budget", cost.line, "booked cost, line")
        _need(math.isfinite(cost.amount), "a finite amount", cost.amount, f"{where}, amount")
        _need(math.isfinite(cost.day), "a finite day", cost.day, f"{where}, day")
        worth = cost.amount * budget.rate(cost.currency)
        if cost.day <= as_of:
            sums[cost.line].append(worth)
    return {name: math.fsum(parts) for name, parts in sums.items()}


def _between(value: float, low: float, high: float, where: str) -> None:
    _need(math.isfinite(value) and low <= value <= high, f"a number from {low:g} to {high:g}", value, where)


def _need(holds: bool, expected: str, received: object, where: str) -> None:
    if not holds:
        raise InvalidFieldError(expected=expected, received=str(received), where=where, advice="correct the document")
