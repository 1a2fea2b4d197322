"""When the twin alerts: a target at risk, a change that was found, facts that do not count, screening to be stopped.

An alert goes on until what raised it is over, with hysteresis where it is a probability. A person's attention has a
budget: of alerts below critical at most so many are raised in a week; the others wait their turn, the gravest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.effects import AlertPriority
from twins.enrollment.believing import Beliefs
from twins.enrollment.config import EnrollmentConfig
from twins.enrollment.forecasting import Forecast
from twins.enrollment.plan import Plan
from twins.enrollment.saying import date
from twins.scalar import Said

WEEK = 7.0
STOP_SOON = 14.0  # days before screening is to stop that it is said
STILL_PROBABLE = 0.25  # of a change that was said: below it, it is cleared; rules flag from about 0.4 on
_GRAVITY: dict[AlertPriority, int] = {"critical": 0, "high": 1, "medium": 2, "low": 3}

Data = dict[str, Any]  # Any: JSON
Raised = dict[str, tuple[AlertPriority, str]]  # by rule: the priority that stands, and the tag


@dataclass(frozen=True, slots=True)
class Wish:
    """An alert that is called for. `strength` orders those of one priority."""

    rule: str
    tag: str
    priority: AlertPriority
    value: float
    limit: float
    unit: str
    probability: float | None
    expected_at: str | None
    message: str
    strength: float


def wishes(
    forecast: Forecast, estimate: Data, believed: Beliefs, config: EnrollmentConfig, raised: Raised
) -> list[Wish]:  # fmt: skip
    """Say what calls for an alert now. What was raised before stays until its clearing level.

    A study that has all its subjects recruits no more: what falls then is no news.
    """
    plan = believed.reading.plan
    found = [*_risks(forecast, config, raised), *_waiting(estimate)]
    if forecast.digest.counted < plan.subjects:
        found += [*_changes(estimate, believed, raised), *_stopping(forecast, plan)]
    return found


def speak(
    called: list[Wish], raised: Raised, recent: list[float], day: float, clock: int, most_a_week: int
) -> tuple[list[Said], Raised, list[float]]:
    """Turn wishes into raises, updates and clears.

    Parameters
    ----------
    raised : dict
        What stands.
    recent : list of float
        Days at which alerts below critical were raised, of the last week.

    Returns
    -------
    said, raised, recent
        What is said, what stands now, and the raises of the last week.
    """
    by_rule = {wish.rule: wish for wish in called}
    recent = [one for one in recent if day - one < WEEK]
    over = sorted(raised.keys() - by_rule.keys())
    said = [_clear(rule, *raised[rule], clock) for rule in over]
    stands = {rule: one for rule, one in raised.items() if rule in by_rule}
    for wish in sorted(called, key=lambda one: (_GRAVITY[one.priority], -one.strength, one.rule)):
        if wish.rule in stands:
            if stands[wish.rule][0] != wish.priority:
                stands[wish.rule] = wish.priority, wish.tag
                said.append(_say("update", wish, clock))
        elif wish.priority == "critical" or len(recent) < most_a_week:
            if wish.priority != "critical":
                recent.append(day)
            stands[wish.rule] = wish.priority, wish.tag
            said.append(_say("raise", wish, clock))
    return said, stands, recent


def _risks(forecast: Forecast, config: EnrollmentConfig, raised: Raised) -> list[Wish]:
    found = []
    for target in forecast.said["targets"]:
        rule = f"target.{target['name']}"
        stands = raised.get(rule)
        missed = 1.0 - target["probability"]
        limit = config.risk.raise_at if stands is None else config.risk.clear_at
        if target["reached"] is not None or missed < limit:
            continue
        was_critical = stands is not None and stands[0] == "critical"
        grave = missed >= config.risk.critical_at - (config.risk.hysteresis if was_critical else 0.0)
        median = target["reached_at"][2]
        when = "not within the horizon" if median is None else f"about {median[:10]}"
        found.append(
            Wish(
                rule, target["name"], "critical" if grave else "high", missed, config.risk.raise_at, "{probability}",
                missed, median,
                f"{target['count']} {target['of']} by {target['by'][:10]} will be missed with a probability of "
                f"{missed:.0%}; expected {when}.{_why(forecast)}",
                missed,
            )
        )  # fmt: skip
    return found


def _why(forecast: Forecast) -> str:
    behind = [one for one in forecast.said["drivers"] if one["subjects"] < 0][:2]
    parts = [f"{one['name']} ({one['why'].replace('_', ' ')}: {one['subjects']:+.0f})" for one in behind]
    return f" Behind the plan most: {', '.join(parts)}." if parts else ""


def _changes(estimate: Data, believed: Beliefs, raised: Raised) -> list[Wish]:
    """Say which changes were found. One that was said stays while it is more probable than not."""
    found: list[Wish] = []
    probable = _probable(believed)
    for change in estimate["changes"]:
        bad = (change["direction"] == "fell") == (change["what"] != "screen_failure")
        what = change["what"].replace("_", " ")
        middle = change["factor"]["median"]
        after = change["after"] if change["unit"] == "{ratio}" else change["before"] * middle
        found.append(
            Wish(
                f"change.{change['what']}.{change['name']}.{change['direction']}", f"{change['what']}.{change['name']}",
                ("high" if bad else "low"), change["after"], change["before"], change["unit"], change["probability"],
                None,
                f"{what.capitalize()} of {change['name']} {change['direction']} about {str(change['since'])[:10]}: "
                f"from {change['before']:.2g} to about {after:.2g}{' a month' if change['unit'] != '{ratio}' else ''}.",
                abs(middle - 1.0),
            )
        )  # fmt: skip
    flagged = {wish.rule for wish in found}
    for rule, (priority, tag) in raised.items():
        if rule.startswith("change.") and rule not in flagged and probable.get(rule, 0.0) >= STILL_PROBABLE:
            found.append(Wish(rule, tag, priority, 0.0, 0.0, "", probable[rule], None, "It goes on.", 0.0))
    return found


def _probable(believed: Beliefs) -> dict[str, float]:
    """Give the probability of a change of everything that is watched, by rule."""
    countries = believed.reading.study.countries
    found = {}
    for watched in believed.findings.watched:
        for row, place in enumerate(watched.country.tolist()):
            name = "study" if place < 0 else countries[place].name
            found[f"change.{watched.what}.{name}.fell"] = float(watched.fall[row])
            found[f"change.{watched.what}.{name}.rose"] = float(watched.rise[row])
    return found


def _waiting(estimate: Data) -> list[Wish]:
    by_reason = estimate["quality"]["by_reason"]
    count = sum(by_reason.values())
    if not count:
        return []
    parts = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in sorted(by_reason.items()))
    message = f"{count} facts do not count yet: {parts}. The study's page names them and says what to do."
    return [Wish("quality.waiting", "quality", "low", float(count), 0.0, "{fact}", None, None, message, float(count))]


def _stopping(forecast: Forecast, plan: Plan) -> list[Wish]:
    stop, now = forecast.stop_at, forecast.digest.day
    if stop is None or forecast.digest.counted >= plan.subjects or stop - now > STOP_SOON:
        return []
    when = date(plan, stop)
    message = f"Screening may stop about {str(when)[:10]}: those in the funnel bring the target with 90 %."
    return [
        Wish("screening.stop", "screening", "medium", stop - now, STOP_SOON, "d", None, when, message, now - stop)
    ]  # fmt: skip


def _say(action: str, wish: Wish, clock: int) -> Said:
    return _alert(
        action, wish.rule, wish.tag, wish.priority, wish.message, clock, value=wish.value, limit=wish.limit,
        unit=wish.unit, probability=wish.probability, expected_at=wish.expected_at,
    )  # fmt: skip


def _clear(rule: str, priority: AlertPriority, tag: str, clock: int) -> Said:
    return _alert(
        "clear", rule, tag, priority, "What raised it is over.", clock, value=None, limit=None, unit="",
        probability=None, expected_at=None,
    )  # fmt: skip


def _alert(action: str, rule: str, tag: str, priority: str, message: str, clock: int, **numbers: Any) -> Said:
    data: Data = {
        "action": action, "alert": "", "rule": rule, "tag": tag, "priority": priority, **numbers, "batch": None,
        "phase": None, "message": message, "suppressed_by": None, "filter": None, "fault": None,
    }  # fmt: skip
    return Said("alert", data, event_time=clock, rule=rule)
