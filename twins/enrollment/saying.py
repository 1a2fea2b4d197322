"""What the twin says as an estimate: `schemas.enrollment_effects.EnrollmentEstimate`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from schemas.instants import format_instant
from twins.enrollment.believing import Beliefs
from twins.enrollment.detection import Change
from twins.enrollment.funnel.posterior import Step
from twins.enrollment.plan import Plan
from twins.enrollment.reading import REASONS, Reading
from twins.enrollment.register import Register
from twins.enrollment.steps import NAMES
from twins.enrollment.study import CLOSED, INITIATED, NORMAL_95, OPEN, PAUSED, PLANNED, Floats, Ints
from twins.scalar import Said

STATUS = {PLANNED: "planned", INITIATED: "initiated", OPEN: "open", PAUSED: "paused", CLOSED: "closed"}
MOST_WAITING = 50  # named in an estimate; all are counted

Data = dict[str, Any]  # Any: JSON


def say_estimate(believed: Beliefs, register: Register) -> Said:
    """Say what the facts say as of the clock, and what is believed of them."""
    reading = believed.reading
    study, plan = reading.study, reading.plan
    subjects, sites = study.subjects, study.sites
    planned = plan.expected(np.array([study.as_of]))
    in_screening = ~np.isnan(subjects.screened) & np.isnan(subjects.failed) & np.isnan(subjects.enrolled)
    in_screening &= np.isnan(subjects.withdrawn) & np.isnan(subjects.lost)
    status = Counter(STATUS[code] for code in sites.status.tolist())
    return Said(
        "estimate",
        {
            "as_of": format_instant(register.clock),
            "milestone": study.milestone,
            "target": plan.subjects,
            "by": format_instant(plan.instant(plan.by)),
            "counted": len(study.counted),
            "planned": None if planned is None else float(planned[0]),
            "steps": {name: _happened(getattr(subjects, name)) for name in NAMES if name != "visit"},
            "sites_by_status": {name: status.get(name, 0) for name in STATUS.values()},
            "in_screening": int(in_screening.sum()),
            "countries": say_countries(believed),
            "sites": say_sites(believed),
            "funnel": [_say_step(step) for step in believed.funnel.steps],
            "failures": dict(zip(study.reasons, believed.funnel.failures.tolist(), strict=True)),
            "changes": [say_change(change, plan) for change in believed.findings.changes],
            "unreported": _say_unreported(believed),
            "booked": booked(register),
            "quality": quality(reading, register),
            "facts": len(register),
        },
        event_time=register.clock,
    )


def say_countries(believed: Beliefs) -> list[Data]:
    """Say how each country stands. Its rate is that of its open sites together, as if they were independent."""
    study, health = believed.reading.study, believed.findings.sites
    country = study.sites.country
    brought = study.brought_by_country()
    now = study.sites.status[health.site] == OPEN
    own = country[health.site[now]]
    rate = np.bincount(own, health.rate[now], len(study.countries))
    spread = (health.rate_high[now] - health.rate_low[now]) / (2 * NORMAL_95)
    sd = np.sqrt(np.bincount(own, np.square(spread), len(study.countries)))
    planned = _planned_by_country(believed)
    sites = np.bincount(country, minlength=len(study.countries))
    open_sites = np.bincount(country[study.sites.status == OPEN], minlength=len(study.countries))
    return [
        {
            "country": one.name,
            "counted": int(brought[place]),
            "cap": int(one.cap) if np.isfinite(one.cap) else None,
            "open_sites": int(open_sites[place]),
            "sites": int(sites[place]),
            "rate": _interval(
                rate[place], max(rate[place] - NORMAL_95 * sd[place], 0.0), rate[place] + NORMAL_95 * sd[place]
            ),
            "planned": None if planned is None else float(planned[place]),
        }
        for place, one in enumerate(study.countries)
    ]


def say_sites(believed: Beliefs) -> Data:
    """Say how each site stands, by column. A site that was never open has no rate of its own: 0, and no rank."""
    reading = believed.reading
    study, plan, health = reading.study, reading.plan, believed.findings.sites
    count = len(study.sites)
    columns = {name: np.zeros(count) for name in ("rate", "rate_low", "rate_high", "short", "rank")}
    for name, column in columns.items():
        column[health.site] = getattr(health, name)
    ranked = np.full(count, -1, dtype=np.int64)
    still = health.site[study.sites.status[health.site] == OPEN]
    ranked[still[np.lexsort((still, columns["rank"][still]))]] = np.arange(1, len(still) + 1)
    subjects = study.subjects
    return {
        "names": list(study.sites.names),
        "country": [study.countries[place].name for place in study.sites.country.tolist()],
        "status": [STATUS[code] for code in study.sites.status.tolist()],
        "opened": [date(plan, day) for day in study.sites.opened.tolist()],
        "screened": _by_site(subjects.site, subjects.screened, count),
        "failed": _by_site(subjects.site, subjects.failed, count),
        "counted": study.brought_by_site().tolist(),
        "rate": columns["rate"].tolist(),
        "rate_low": columns["rate_low"].tolist(),
        "rate_high": columns["rate_high"].tolist(),
        "below_plan": columns["short"].tolist(),
        "rank": [place if place > 0 else None for place in ranked.tolist()],
    }


def say_change(change: Change, plan: Plan) -> Data:
    """Say a change that was found."""
    shares = change.what in ("screen_failure", "consent")
    return {
        "of": "country" if change.country is not None else "study",
        "name": change.country or "study",
        "what": change.what,
        "direction": "fell" if change.direction == "fall" else "rose",
        "since": date(plan, change.since.middle),
        "since_low": date(plan, change.since.low),
        "since_high": date(plan, change.since.high),
        "factor": _interval(change.factor.middle, change.factor.low, change.factor.high),
        "before": change.before,
        "after": change.now,
        "unit": "{ratio}" if shares else "{subject}/mo",
        "probability": change.probability,
        "years_between_false_alarms": change.years,
    }


def _say_step(step: Step) -> Data:
    chance = step.chance.study
    mean, sd = float(chance.mean[0]), float(np.sqrt(chance.variance[0]))
    passed, fell, waits = int(step.passed.sum()), int(step.fell.sum()), int(step.waits.sum())
    return {
        "step": step.name,
        "entered": passed + fell + waits,
        "passed": passed,
        "waiting": waits,
        "share": _interval(mean, max(mean - NORMAL_95 * sd, 0.0), min(mean + NORMAL_95 * sd, 1.0)),
    }


def _say_unreported(believed: Beliefs) -> Data:
    now = believed.unreported
    lags = believed.reading.study.subjects.reported
    lags = lags[~np.isnan(lags)]
    return {
        "expected": now.total,
        "low": float(now.total_low),
        "high": float(now.total_high),
        "median_lag_days": float(np.median(lags)) if len(lags) else None,
    }


def _planned_by_country(believed: Beliefs) -> Floats | None:
    study, rate = believed.reading.study, believed.planned_rates
    planned = study.sites.planned
    known = ~(np.isnan(rate) | np.isnan(planned))
    if not known.any():
        return None
    each = np.where(known, np.maximum(study.as_of - planned, 0.0) * rate, 0.0)
    total: Floats = np.bincount(study.sites.country, np.minimum(each, study.sites.cap), len(study.countries)).astype(
        float
    )
    return total


def booked(register: Register) -> dict[str, dict[str, float]]:
    """Sum the money that was booked, by line and currency, to the hundredth of its unit."""
    cents: dict[str, Counter[str]] = {}
    for said in register.costs:
        if register.counts(said):
            cents.setdefault(said.data.line, Counter())[said.data.currency] += round(said.data.amount * 100)
    return {line: {name: value / 100 for name, value in sums.items()} for line, sums in cents.items()}


def quality(reading: Reading, register: Register) -> Data:
    """Say which facts do not count yet, and what they wait for."""
    names = tuple(REASONS)
    rows, steps = register.steps.rows(), register.steps
    by_reason = {names[code]: count for code, count in sorted(Counter(reading.waits.why.tolist()).items())}
    order = np.lexsort((rows["hash"][reading.waits.row], rows["recorded"][reading.waits.row]))[::-1]
    newest = []
    for place in order[:MOST_WAITING].tolist():
        row, reason = int(reading.waits.row[place]), names[int(reading.waits.why[place])]
        newest.append(
            {
                "fact": format_instant(int(rows["time"][row])),
                "type": NAMES[int(rows["step"][row])],
                "site": steps.sites.all[int(rows["site"][row])],
                "subject": steps.subjects.all[int(rows["subject"][row])],
                "reason": reason,
                "advice": REASONS[reason],
            }
        )
    return {"by_reason": by_reason, "newest": newest}


def date(plan: Plan, day: float) -> str | None:
    """Write a day as a time; None where there is none, or it lies beyond what a calendar holds."""
    return format_instant(plan.instant(day)) if np.isfinite(day) and 0 <= plan.instant(day) < 7e15 else None


def _interval(median: float, low: float, high: float) -> Data:
    return {"median": float(median), "low": float(low), "high": float(high)}


def _by_site(site: Ints, days: Floats, count: int) -> list[int]:
    return [int(number) for number in np.bincount(site[~np.isnan(days)], minlength=count)]


def _happened(days: Floats) -> int:
    return int((~np.isnan(days)).sum())
