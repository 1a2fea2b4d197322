"""The register read as a study: which facts count as of its clock, which wait, and what those that count say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.instants import DAY
from twins.enrollment.plan import Plan
from twins.enrollment.register import Register
from twins.enrollment.steps import CODE, NAMES
from twins.enrollment.study import OPEN, Floats, Ints, Sites, Spans, Study, Subjects, Target

_STEPS = len(NAMES)
_VISIT = CODE["visit"]
_FIRST_AT_AN_OPEN_SITE = CODE["screened"]  # a candidate may be found, and consent, before a site is activated
_ENTRY = CODE["randomised"]  # steps up to here make a subject known

# Why a fact does not count yet, and what to do; in the order in which it is asked.
REASONS: dict[str, str] = {
    "unknown_site": "the site is in no plan and was never initiated: say so, or correct the fact's site",
    "before_activation": "the site was not activated by then: correct the activation or the fact's time",
    "unknown_subject": "nobody of that pseudonym entered the study: is a step missing, or the subject mistyped?",
    "said_twice": "the subject took this step before: withdraw the fact that is wrong",
}
_UNKNOWN_SITE, _BEFORE, _UNKNOWN_SUBJECT, _TWICE = range(1, 5)


@dataclass(frozen=True, slots=True)
class Waits:
    """Facts that wait, each column of shape (w,): the row of the register's steps, and `why` indexes `REASONS`."""

    row: Ints
    why: Ints


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits that took place, each column of shape (v,): site, day, and the number of its word in the register."""

    site: Ints
    day: Floats
    word: Ints


@dataclass(frozen=True, slots=True)
class Reading:
    """A study read from its register, with the plan it follows."""

    study: Study
    plan: Plan
    waits: Waits
    visits: Visits


def read_register(key: str, register: Register) -> Reading | None:
    """Read a study as of its clock; None while it has no plan. Depends on the set of facts and the clock alone."""
    plan = register.plan()
    if plan is None:
        return None
    as_of = plan.day(register.clock)
    rows = register.steps.rows()
    dead = np.fromiter(register.dead, dtype=np.int64, count=len(register.dead))
    alive = np.nonzero(~np.isin(rows["hash"], dead))[0]
    place = {site.name: number for number, site in enumerate(plan.sites)}
    site_of = np.array([place.get(name, -1) for name in register.steps.sites.all], dtype=np.int64)
    opened = np.array([site.opened for site in plan.sites])
    step = rows["step"][alive].astype(np.int64)
    site = site_of[rows["site"][alive]] if len(alive) else np.zeros(0, dtype=np.int64)
    day = (rows["time"][alive] - plan.origin) / DAY
    subject = rows["subject"][alive].astype(np.int64)
    why = np.zeros(len(alive), dtype=np.int64)
    why[site < 0] = _UNKNOWN_SITE
    early = (step >= _FIRST_AT_AN_OPEN_SITE) & (site >= 0)
    early[early] &= ~(day[early] >= opened[site[early]])
    why[early] = _BEFORE
    known = np.zeros(len(register.steps.subjects.all), dtype=np.bool_)
    known[subject[(why == 0) & (step <= _ENTRY)]] = True
    why[(why == 0) & ~known[subject]] = _UNKNOWN_SUBJECT
    first = _first(subject, step, rows["time"][alive], rows["hash"][alive], rows["word"][alive], why == 0)
    why[(why == 0) & ~first] = _TWICE
    good = why == 0
    waiting = np.nonzero(~good)[0]
    visit = good & (step == _VISIT)
    study = _study(key, register, plan, as_of, alive[good & ~visit], site[good & ~visit], day[good & ~visit])
    return Reading(
        study,
        plan,
        Waits(alive[waiting], why[waiting] - 1),
        Visits(site[visit], day[visit], rows["word"][alive[visit]].astype(np.int64)),
    )


def _first(
    subject: Ints, step: Ints, time: Ints, number: Ints, word: Ints, good: NDArray[np.bool_]
) -> NDArray[np.bool_]:  # fmt: skip
    """Mark, of the good facts that say the same step of the same subject, the earliest; of one time, the least hash."""
    places = np.nonzero(good)[0]
    what = np.where(step == _VISIT, _STEPS + word.astype(np.int64), step)
    said = subject[places] * (int(what.max(initial=0)) + 1) + what[places]
    order = np.argsort(said, kind="stable")
    same = said[order[1:]] == said[order[:-1]]
    first = good.copy()
    if same.any():  # few say what another says: they alone are put in order
        twice = np.zeros(len(order), dtype=np.bool_)
        twice[1:] = same
        twice[:-1] |= same
        again = places[order[twice]]
        named = said[order[twice]]
        by_time = np.lexsort((number[again], time[again], named))
        later = np.zeros(len(again), dtype=np.bool_)
        later[1:] = named[by_time][1:] == named[by_time][:-1]
        first[again[by_time[later]]] = False
    return first


def _study(key: str, register: Register, plan: Plan, as_of: float, used: Ints, site: Ints, day: Floats) -> Study:
    rows, steps = register.steps.rows(), register.steps
    here = np.zeros(len(steps.subjects.all), dtype=np.bool_)
    here[rows["subject"][used]] = True
    numbers, subject = np.flatnonzero(here), (np.cumsum(here) - 1)[rows["subject"][used]]
    count = len(numbers)
    step = rows["step"][used].astype(np.int64)
    days = np.full((count, _STEPS), np.nan)
    days[subject, step] = day
    own_site = np.zeros(count, dtype=np.int64)
    reported = np.full(count, np.nan)
    own_site[subject] = site
    elsewhere = np.zeros(count, dtype=np.bool_)
    elsewhere[subject[own_site[subject] != site]] = True
    moved = np.flatnonzero(elsewhere[subject])  # facts of those who are said to be at several sites
    earliest = moved[np.lexsort((rows["hash"][used][moved], day[moved]))[::-1]]  # the first is written last, and stays
    own_site[subject[earliest]] = site[earliest]
    counting = step == CODE[plan.milestone]
    own_site[subject[counting]] = site[counting]
    lag = (rows["recorded"][used] - rows["time"][used]) / DAY
    reported[subject[counting]] = np.maximum(lag[counting], 0.0)
    words = steps.words.all
    reasons = sorted({words[number] for number in rows["word"][used][step == CODE["failed"]].tolist() if number >= 0})
    strata = sorted({*plan.strata, *(steps.strata.all[n] for n in set(rows["stratum"][used].tolist()) if n >= 0)})
    failed = step == CODE["failed"]
    reason = np.full(count, -1, dtype=np.int64)
    reason[subject[failed]] = _renumber(words, reasons)[rows["word"][used][failed]]
    stratum = np.full(count, -1, dtype=np.int64)
    told = rows["stratum"][used] >= 0
    last = np.lexsort((rows["hash"][used][told], day[told]))
    stratum[subject[told][last]] = _renumber(steps.strata.all, strata)[rows["stratum"][used][told][last]]
    start = np.nanmin(days, axis=1) if count else np.zeros(0)
    names = np.array([steps.subjects.all[number] for number in numbers.tolist()], dtype=np.str_)
    order = np.lexsort((names, start))
    column = {name: days[order, code] for name, code in CODE.items()}
    subjects = Subjects(
        own_site[order], stratum[order], column["prescreened"], column["consented"], column["screened"],
        column["failed"], reason[order], column["enrolled"], column["randomised"], column["withdrawn"],
        column["completed"], column["lost"], column["event"], reported[order],
    )  # fmt: skip
    sites, spans = _sites(plan, as_of)
    return Study(
        key, as_of, plan.milestone, plan.countries, sites, spans, subjects, _targets(plan), tuple(reasons),
        tuple(strata), np.array([plan.strata.get(name, np.inf) for name in strata]), plan.screening_days,
    )  # fmt: skip


def _renumber(words: list[str], chosen: list[str]) -> Ints:
    """Give for each word its place among the chosen ones, -1 where it is not among them; the last entry is for none."""
    place = {name: number for number, name in enumerate(chosen)}
    return np.array([*(place.get(word, -1) for word in words), -1], dtype=np.int64)


def _sites(plan: Plan, as_of: float) -> tuple[Sites, Spans]:
    index = {country.name: number for number, country in enumerate(plan.countries)}
    all_spans: list[tuple[int, float, float]] = []
    for number, site in enumerate(plan.sites):
        spans = [*site.spans, (site.since, as_of)] if site.status == OPEN else site.spans
        all_spans += [(number, start, min(end, as_of)) for start, end in spans if start < min(end, as_of)]
    sites = Sites(
        tuple(site.name for site in plan.sites),
        np.array([index[site.country] for site in plan.sites], dtype=np.int64),
        np.array([site.status for site in plan.sites], dtype=np.int64),
        np.array([site.planned for site in plan.sites], dtype=np.float64),
        np.array([site.opened for site in plan.sites], dtype=np.float64),
        np.array([site.cap for site in plan.sites], dtype=np.float64),
    )
    columns = list(zip(*all_spans, strict=True)) if all_spans else [(), (), ()]
    spans_of = Spans(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.float64),
        np.array(columns[2], dtype=np.float64),
    )
    return sites, spans_of


def _targets(plan: Plan) -> tuple[Target, ...]:
    own = [Target("target", plan.subjects, plan.by)]
    if plan.events is not None and plan.events_by is not None:
        own.append(Target("events", plan.events, plan.events_by, "events"))
    return tuple(sorted([*plan.looks, *own], key=lambda target: (target.day, target.name)))
