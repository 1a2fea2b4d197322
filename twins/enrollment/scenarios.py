"""What a study would cost and when it would be done if one thing were otherwise, on the draws of its forecast.

Scenarios stand side by side, each against things as they stand; a tornado moves one input at a time down and up. All
are courses of the same draws (common random numbers), so that differences are paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from schemas.instants import DAY, format_instant
from twins.enrollment import money
from twins.enrollment.ahead import Ahead
from twins.enrollment.config import EnrollmentConfig, Scenarios
from twins.enrollment.drawing import DRAWS, Drawn, course_of
from twins.enrollment.money import Budget, Line, Row, Scenario, Swing
from twins.enrollment.plan import Plan
from twins.enrollment.saying import date
from twins.enrollment.spending import Spending
from twins.enrollment.study import Floats

COUNTRIES = 3  # of those that bring most, each with its own scenario and bar
LINES = 4  # of the budget with the most to come
CURRENCIES = 3
RATES = (0.7, 1.3)  # assumed: as sites miss or beat their plans; a third of them do (Tufts 2013)
OPENINGS = (0.5, 1.5)  # assumed: of the wait until a site opens
SCREENING = (0.9, 1.1)  # assumed: of those screened for one enrolled
PRICES = (0.9, 1.1)  # assumed: of a line's amount, and of an exchange rate

Data = dict[str, Any]  # Any: JSON
Pair = tuple[Scenario, Scenario]


class Table(Struct, frozen=True):
    """The newest table: the clock at which it was made [us], what it rests on, and what is said."""

    clock: int
    basis: str
    said: Data


def due(config: Scenarios, kept: Table | None, plan: Plan, clock: int) -> bool:
    """Tell whether a table is to be made: there is none, its plan's money changed, or it is `every_days` old."""
    return kept is None or kept.basis != _basis(plan) or clock - kept.clock >= config.every_days * DAY


def table(drawn: Drawn, made: Spending, config: EnrollmentConfig, clock: int) -> Table:
    """Set scenarios side by side and move inputs one at a time.

    Parameters
    ----------
    made : Spending
        Of the same draws: its course is the base.
    """
    plan = drawn.reading.plan
    base = Scenario("as it stands", made.budget, made.course)
    told = [("base", base), *scenarios(drawn, base, config)]
    rows = money.compare([one for _, one in told], made.origin, plan.by, 0.0)
    swings = money.tornado(base, inputs(drawn, base, made), made.origin)
    spent = made.found.to_date
    said = {
        "as_of": format_instant(clock),
        "by": date(plan, plan.by),
        "draws": DRAWS,
        "rows": [_say_row(kind, row, plan, spent) for (kind, _), row in zip(told, rows, strict=True)],
        "tornado": [_say_swing(swing) for swing in swings if swing.days_swing or swing.cost_swing],
    }
    return Table(clock, _basis(plan), said)


def scenarios(drawn: Drawn, base: Scenario, config: EnrollmentConfig) -> list[tuple[str, Scenario]]:
    """Give what is held against things as they stand, each with its kind."""
    section, scene = config.scenarios, drawn.scene
    longer = money.hold(base.course, section.longer_days)
    found = [("longer", Scenario(f"{section.longer_days:g} days longer", base.budget, longer))]
    for name in bringing(base.course)[:COUNTRIES]:
        one = course_of(drawn, ahead=slowed(drawn, section.underperforms, name))
        found.append(
            (
                "country",
                Scenario(f"{name} brings {100 * section.underperforms:g} % of what is expected", base.budget, one),
            )
        )
    wanted = scene.wanted + max(round(section.more_subjects * scene.wanted), 1)
    more = course_of(drawn, scene=replace(scene, wanted=wanted))
    found.append(("subjects", Scenario(f"{wanted} subjects", base.budget, more)))
    day = min(drawn.reading.study.as_of + section.amendment_days, float(base.course.steps[-1]))
    amended = replace(base.course, amendments=(*base.course.amendments, day))
    budget = _with_amendment(base.budget, config.corrections.costs.amendment)
    return [*found, ("amendment", Scenario("a protocol amendment", budget, amended))]


def inputs(drawn: Drawn, base: Scenario, made: Spending) -> list[tuple[str, Scenario, Scenario]]:
    """Give what a tornado moves: (name, low, high)."""
    budget, here = base.budget, base.course
    found: list[tuple[str, Sequence[Scenario]]] = []
    brings = bringing(here)
    if brings:
        found.append((_named("enrollment of all", RATES), [_with(base, drawn, slowed(drawn, x)) for x in RATES]))
    for name in brings[:COUNTRIES] if len(brings) > 1 else ():
        pair = [_with(base, drawn, slowed(drawn, x, name)) for x in RATES]
        found.append((_named(f"enrollment of {name}", RATES), pair))
    if here.opened.any() and brings:
        pair = [_with(base, drawn, _opening(drawn, x)) for x in OPENINGS]
        found.append((_named("wait for sites to open", OPENINGS), pair))
    if any(line.kind in ("subject_screened", "subject_failed") for line in budget.lines) and here.subjects.any():
        pair = [replace(base, course=_screening(here, x)) for x in SCREENING]
        found.append((_named("screened for one enrolled", SCREENING), pair))
    for name in _dearest(made):
        pair = [replace(base, budget=budget.priced(name, x)) for x in PRICES]
        found.append((_named(f"price of {name}", PRICES), pair))
    used = sorted({line.currency for line in budget.lines} - {budget.currency})
    for name in used[:CURRENCIES]:
        pair = [replace(base, budget=budget.exchanged(name, x)) for x in PRICES]
        found.append((_named(f"exchange rate of {name}", PRICES), pair))
    return [(name, pair[0], pair[1]) for name, pair in found]


def bringing(here: money.Course) -> list[str]:
    """Name the countries that are still to bring subjects, those first that bring most."""
    mean = here.subjects[:, :, -1].mean(axis=0)
    order = np.argsort(-mean, kind="stable").tolist()
    return [here.countries[place] for place in order if mean[place] > 0.0]


def slowed(drawn: Drawn, factor: float, country: str | None = None) -> Ahead:
    """Multiply the rates of a country's sites, or of all."""
    ahead, names = drawn.ahead, [one.name for one in drawn.reading.study.countries]
    own = np.ones(len(names), dtype=np.bool_) if country is None else np.array([name == country for name in names])
    by_country: Floats = np.where(own, factor, 1.0)
    rate = ahead.site_rate * by_country[drawn.reading.study.sites.country]
    return replace(ahead, site_rate=rate, new_rate=ahead.new_rate * by_country[None, :, None])


def _opening(drawn: Drawn, factor: float) -> Ahead:
    """Multiply how long it takes until sites open that are not."""
    as_of = drawn.scene.as_of
    return replace(drawn.ahead, opens=as_of + factor * (drawn.ahead.opens - as_of))


def _screening(here: money.Course, factor: float) -> money.Course:
    return replace(here, screened=np.maximum(here.screened * factor, 1.0))


def _with(base: Scenario, drawn: Drawn, ahead: Ahead) -> Scenario:
    return replace(base, course=course_of(drawn, ahead=ahead))


def _with_amendment(budget: Budget, price: float) -> Budget:
    """Give a budget that charges an amendment: its own line, or one of a stated price."""
    if any(line.kind == "amendment" for line in budget.lines):
        return budget
    taken, name = {line.name for line in budget.lines}, "protocol amendment"
    while name in taken:
        name += ", not budgeted"
    return msgspec.structs.replace(budget, lines=(*budget.lines, Line(name, "amendment", price, budget.currency)))


def _dearest(made: Spending) -> list[str]:
    """Name the lines with the most to come."""
    found = made.found
    left = {name: mean - found.spent[name] for name, mean in found.by_line.items()}
    return [name for name in sorted(left, key=lambda name: (-left[name], name)) if left[name] > 0.0][:LINES]


def _named(name: str, pair: tuple[float, float]) -> str:
    return f"{name} × {pair[0]:g} to {pair[1]:g}"


def _basis(plan: Plan) -> str:
    """Name what a table rests on besides the facts: the budget, the target, the follow-up."""
    body = msgspec.msgpack.encode([plan.budget, plan.subjects, plan.by, plan.follow_up_days])
    return hashlib.sha256(body).hexdigest()[:12]


def _say_row(kind: str, row: Row, plan: Plan, spent: float) -> Data:
    return {
        "kind": kind,
        "name": row.name,
        "enrolled": [date(plan, day) for day in row.enrolled.tolist()],
        "ends": [date(plan, day) for day in row.ends.tolist()],
        "on_time": row.on_time,
        "cost": (spent + row.cost).tolist(),
        "days_later": row.days_later.tolist(),
        "cost_more": row.cost_more.tolist(),
        "cost_more_mean": row.cost_more_mean,
        "cost_more_error": row.cost_more_error,
        "time_driven": row.time_driven,
        "per_day": None if np.isnan(row.per_day) else row.per_day,
        "by_line": {name: value for name, value in row.by_line.items() if value},
    }


def _say_swing(swing: Swing) -> Data:
    return {"name": swing.name, "days": list(swing.days), "cost": list(swing.cost)}
