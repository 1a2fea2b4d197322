"""What the twin says as a forecast: `schemas.enrollment_effects.EnrollmentForecast`, and why it moved."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from schemas.instants import DAY, format_instant
from twins.enrollment import scenarios, spending
from twins.enrollment.believing import Beliefs, open_sites
from twins.enrollment.config import EnrollmentConfig
from twins.enrollment.rates import LEVELS, Outlook
from twins.enrollment.register import Register
from twins.enrollment.saying import date
from twins.enrollment.scenarios import Table
from twins.enrollment.strata import say_flight, say_strata
from twins.enrollment.study import MONTH, Floats
from twins.scalar import Said

MONTH_AGO = 28.0  # days: what a forecast is compared with
MOST_DIGESTS = 40  # a digest a day for a month, and some
MOST_DRIVERS = 12
LEAST_DAYS_AHEAD = 180.0
AFTER_THE_TARGET = 90.0  # days that a fan goes on beyond its last target
WORTH_SAYING = 0.5  # subjects: less is not worth a sentence

Data = dict[str, Any]  # Any: JSON


class Digest(Struct, frozen=True, array_like=True):
    """What is kept of a forecast to say later why the date moved. Days since the origin; `median` -1 for never."""

    day: float
    median: float
    counted: int
    open_sites: int
    target: int
    by: float
    at: list[float]
    mean: list[float]


class Forecast(Struct, frozen=True):
    """What was said, its digest, and the chance to reach each target in time."""

    said: Data
    digest: Digest
    on_time: dict[str, float]
    reached_at: dict[str, float]  # the median day, inf for never
    stop_at: float | None  # the day at which screening may stop, where it lies within a year
    table: Table | None = None


def say_forecast(
    believed: Beliefs, register: Register, config: EnrollmentConfig, earlier: list[Digest], kept: Table | None = None
) -> Forecast:  # fmt: skip
    """Say what is to be expected from the clock on; `kept` is the newest table of scenarios."""
    reading = believed.reading
    study, plan = reading.study, reading.plan
    days = days_ahead(study.as_of, max(target.day for target in study.targets), config)
    out = believed.outlook(days)
    events = believed.events(days)
    reaching = {one.name: (one.days, one.on_time) for one in out.reaching}
    for look in () if events is None else events.looks:
        reaching[look.name] = (np.asarray(look.quantiles), look.by_day)
    targets = [_say_target(believed, name, *reaching[name]) for name in _names(believed) if name in reaching]
    median = float(reaching["target"][0][2])
    digest = Digest(
        study.as_of, median if np.isfinite(median) else -1.0, len(study.counted), open_sites(reading), plan.subjects,
        plan.by, days.tolist(), out.mean.tolist(),
    )  # fmt: skip
    then = _month_ago(earlier, study.as_of)
    stop = believed.stop
    expected = plan.expected(days)
    spent, table = _say_money(believed, register, config, kept)
    said: Data = {
        "as_of": format_instant(register.clock),
        "quantiles": LEVELS.tolist(),
        "at": [date(plan, day) for day in days.tolist()],
        "study": out.study.tolist(),
        "countries": {one.name: out.countries[place].tolist() for place, one in enumerate(study.countries)},
        "plan": None if expected is None else expected.tolist(),
        "events": None if events is None else events.quantiles.tolist(),
        "targets": targets,
        "stop_screening": {
            "at": None if stop.best is None else date(plan, stop.best.day),
            "probability": stop.now.reached if stop.best is None else stop.best.reached,
            "too_many": _excess(stop, plan.subjects),
        },
        "in_flight": say_flight(believed),
        "strata": say_strata(believed),
        "drivers": drivers(believed),
        "money": spent,
        "moved": [] if then is None else moved(then, digest, plan.origin),
        "since": None if then is None else date(plan, then.day),
        "horizon": date(plan, float(days[-1])),
    }
    return Forecast(
        said, digest, {name: float(one[1]) for name, one in reaching.items()},
        {name: float(one[0][2]) for name, one in reaching.items()}, None if stop.best is None else stop.best.day,
        table,
    )  # fmt: skip


def spoken(forecast: Forecast, register: Register) -> Said:
    """Give a forecast as an effect."""
    return Said("forecast", forecast.said, event_time=register.clock)


def days_ahead(as_of: float, last: float, config: EnrollmentConfig) -> Floats:
    """Give the days a fan is said at: evenly from the clock to beyond the last target, `points` of them."""
    end = min(max(last + AFTER_THE_TARGET, as_of + LEAST_DAYS_AHEAD), as_of + config.horizon_days)
    found: Floats = np.linspace(as_of, end, config.points + 1)[1:]
    return found


def drivers(believed: Beliefs) -> list[Data]:
    """Say by which countries and causes the study is behind or ahead of its plan, the largest first."""
    short = believed.shortfall
    if short is None:
        return []
    ranked = sorted(short.ranked, key=lambda one: (-abs(one.subjects), one.country or "", one.cause))
    return [
        {
            "of": "study" if one.country is None else "country",
            "name": one.country or "study",
            "why": one.cause,
            "subjects": -float(one.subjects),
            "sites": list(one.sites[:5]),
        }
        for one in ranked[:MOST_DRIVERS]
        if abs(one.subjects) >= WORTH_SAYING
    ]


def moved(then: Digest, now: Digest, origin: int) -> list[str]:
    """Say in plain words why the date moved."""
    words: list[str] = []
    if then.median >= 0 and now.median >= 0:
        days = now.median - then.median
        count = f"{abs(days):.0f}"
        how = f"{count} day{'s' * (count != '1')} {'later' if days > 0 else 'earlier'}"
        words.append("The target's median date did not move." if abs(days) < 1 else f"The target is expected {how}.")
    elif then.median >= 0 > now.median:
        words.append("The target is no longer expected within the horizon.")
    elif now.median >= 0 > then.median:
        words.append("The target is now expected within the horizon.")
    if (then.target, then.by) != (now.target, now.by):
        by = format_instant(origin + round(now.by * DAY))[:10]
        words.append(f"The plan changed: {now.target} subjects by {by}, {then.target} before.")
    expected = float(np.interp(now.day, [then.day, *then.at], [then.counted, *then.mean])) - then.counted
    came = now.counted - then.counted
    if abs(came - expected) >= WORTH_SAYING:
        words.append(
            f"{came} subjects came where {expected:.1f} were expected, "
            f"{'fewer' if came < expected else 'more'} by {abs(came - expected):.1f}."
        )
    if now.open_sites != then.open_sites:
        words.append(f"Sites open: {now.open_sites}, {then.open_sites} before.")
    return words


def keep(earlier: list[Digest], digest: Digest) -> list[Digest]:
    """Keep a digest a day, for as long as one may be compared with."""
    days = [one for one in earlier if digest.day - one.day >= 1.0 and digest.day - one.day <= 2 * MONTH]
    return [*days, digest][-MOST_DIGESTS:]


def _say_money(
    believed: Beliefs, register: Register, config: EnrollmentConfig, kept: Table | None
) -> tuple[Data | None, Table | None]:  # fmt: skip
    """Say what was spent and is to come, with the newest table of scenarios, made anew where that is due."""
    plan = believed.reading.plan
    if plan.budget is None or not len(believed.reading.study.sites):
        return None, None
    made = spending.spending(believed.drawn, plan.budget, register)
    if scenarios.due(config.scenarios, kept, plan, register.clock):
        kept = scenarios.table(believed.drawn, made, config, register.clock)
    said = spending.say(made, lambda day: date(plan, day))
    return {**said, "scenarios": None if kept is None else kept.said}, kept


def _month_ago(earlier: list[Digest], day: float) -> Digest | None:
    """Give the digest nearest to a month ago; None where none is older than a day."""
    old = [one for one in earlier if day - one.day >= 1.0]
    return min(old, key=lambda one: (abs(day - one.day - MONTH_AGO), one.day)) if old else None


def _names(believed: Beliefs) -> list[str]:
    return [target.name for target in believed.reading.study.targets]


def _say_target(believed: Beliefs, name: str, days: Floats, on_time: float) -> Data:
    reading = believed.reading
    target = next(one for one in reading.study.targets if one.name == name)
    happened = reading.study.counted if target.of == "subjects" else np.sort(_events(reading.study.subjects.event))
    done = float(happened[target.count - 1]) if len(happened) >= target.count else None
    return {
        "name": name,
        "of": target.of,
        "count": target.count,
        "by": date(reading.plan, target.day),
        "reached_at": [date(reading.plan, day) for day in np.asarray(days).tolist()],
        "probability": float(on_time),
        "reached": None if done is None else date(reading.plan, done),
    }


def _events(days: Floats) -> Floats:
    return days[~np.isnan(days)]


def _excess(stop: Any, target: int) -> Data:
    one = stop.now if stop.best is None else stop.best
    low, middle, high = (max(float(number) - target, 0.0) for number in (one.low, one.middle, one.high))
    return {"median": middle, "low": low, "high": high}


__all__ = ["Digest", "Forecast", "Outlook", "keep", "say_forecast", "spoken"]
