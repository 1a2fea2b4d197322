"""What is planned of a study: the newest plan, what amendments and caps changed of it since, and its sites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from schemas import enrollment as e
from schemas.errors import InputError, InvalidFieldError
from schemas.instants import DAY, parse_instant
from twins.enrollment.money import Budget
from twins.enrollment.study import CLOSED, INITIATED, MONTH, OPEN, PAUSED, PLANNED, Country, Floats, Milestone, Target


@dataclass(frozen=True, slots=True)
class Said:
    """A fact about the study or one of its sites: when it happened, when it was known [us], its name's hash, itself."""

    time: int
    recorded: int
    hash: int
    data: Any  # one of the Structs of schemas/enrollment.py

    @property
    def order(self) -> tuple[int, int]:
        """What happened first counts first; what happened at once, by name."""
        return self.time, self.hash


@dataclass(slots=True)
class SitePlan:
    """One site: where it is, what is planned of it, and when it was open. Days since the origin."""

    name: str
    country: str
    planned: float = np.nan
    per_month: float = np.nan
    cap: float = np.inf
    status: int = PLANNED
    opened: float = np.nan
    spans: list[tuple[float, float]] = field(default_factory=list)  # closed ones
    since: float = np.nan  # start of the open one


@dataclass(frozen=True, slots=True)
class Plan:
    """A study's plan as of a day. `strata` are in order of their names, `sites` too."""

    origin: int  # [us]
    title: str
    milestone: Milestone
    subjects: int
    by: float
    events: int | None
    events_by: float | None
    looks: tuple[Target, ...]
    countries: tuple[Country, ...]
    backups: frozenset[str]
    sites: tuple[SitePlan, ...]
    strata: dict[str, float]
    screening_days: float
    relaxed: dict[str, float]  # reasons of screen failure that an amendment removed, and since when
    follow_up_days: float
    budget: Budget | None
    wall: bool

    def day(self, instant: int) -> float:
        """Give an instant [us] as days since the origin."""
        return (instant - self.origin) / DAY

    def instant(self, day: float) -> int:
        """Give a day as an instant [us], to the second."""
        return self.origin + round(day * 86_400) * 1_000_000

    def expected(self, days: Floats) -> Floats | None:
        """Give how many subjects the plan expects by some days: sites bring `per_month` from their planned activation.

        None where no site has both. At most the target.
        """
        known = [site for site in self.sites if not (np.isnan(site.planned) or np.isnan(site.per_month))]
        if not known:
            return None
        start = np.array([site.planned for site in known])
        rate = np.array([site.per_month for site in known]) / MONTH
        each = np.maximum(np.asarray(days, dtype=np.float64)[:, None] - start, 0.0) * rate
        caps = np.array([site.cap for site in known])
        total: Floats = np.minimum(each, caps).sum(axis=1)
        return np.minimum(total, float(self.subjects))


def check_plan(data: e.StudyPlanned) -> None:
    """Check what a plan's types cannot say.

    Raises
    ------
    InputError
        With the field.
    """
    starts = parse_instant(data.starts, "starts")
    _after(data.by, starts, "by")
    if (data.events is None) != (data.events_by is None):
        raise _wrong("events and events_by together", "one of them alone", "events_by")
    if data.events_by is not None:
        _after(data.events_by, starts, "events_by")
    for look in data.looks:
        _after(look.by, starts, f"looks, {look.name}")
    for country in data.countries:
        for holiday in country.holidays:
            first = parse_instant(holiday.first, f"holidays of {country.country}")
            _after(holiday.after, first, f"holidays of {country.country}")
    _once([country.country for country in data.countries], "countries")
    _once([site.site for site in data.sites], "sites")
    _once([stratum.stratum for stratum in data.strata], "strata")
    for site in data.sites:
        if site.activation is not None:
            parse_instant(site.activation, f"activation of site {site.site}")
    read_budget(data.budget)


def read_budget(document: dict[str, Any]) -> Budget | None:
    """Read a plan's budget; None where the plan holds none.

    Raises
    ------
    InputError
        With the line and the field.
    """
    if not document:
        return None
    try:
        return msgspec.convert(document, Budget)
    except msgspec.ValidationError as error:
        raise _wrong("a budget as docs/enrollment_money.md describes it", str(error), "budget") from None


def check_amendment(data: e.ProtocolAmended) -> None:
    """Check the times of an amendment."""
    for text, where in ((data.by, "by"), (data.events_by, "events_by")):
        if text is not None:
            parse_instant(text, where)


def make_plan(facts: Iterable[Said]) -> Plan | None:
    """Put a plan together from all facts about a study and its sites that count; None before any plan.

    It depends on the set of facts alone.
    """
    ordered = sorted(facts, key=lambda said: said.order)
    plans = [said for said in ordered if isinstance(said.data, e.StudyPlanned)]
    if not plans:
        return None
    newest = plans[-1]
    plan: e.StudyPlanned = newest.data
    first = min(parse_instant(said.data.starts) for said in plans)
    draft = _Draft(first - first % DAY, plan)
    for said in ordered:
        draft.take(said, said.order > newest.order)
    return draft.finish()


class _Draft:
    """A plan in the making."""

    def __init__(self, origin: int, plan: e.StudyPlanned) -> None:
        self.origin, self.plan = origin, plan
        self.subjects, self.by = plan.subjects, plan.by
        self.events, self.events_by = plan.events, plan.events_by
        self.screening_days = plan.screening_days
        self.relaxed: dict[str, float] = {}
        self.caps = {one.country: one.cap for one in plan.countries}
        self.strata = {one.stratum: one.cap for one in plan.strata}
        self.sites = {
            one.site: SitePlan(one.site, one.country, self._day(one.activation), _or_nan(one.per_month), _cap(one.cap))
            for one in plan.sites
        }

    def _day(self, text: str | None) -> float:
        return np.nan if text is None else (parse_instant(text) - self.origin) / DAY

    def take(self, said: Said, newer: bool) -> None:
        """Take a fact in. What changes the plan counts only if it is newer than the plan."""
        data, day = said.data, (said.time - self.origin) / DAY
        if isinstance(data, e.ProtocolAmended):
            self._amend(data, day, newer)
        elif isinstance(data, e.CapSet):
            self._cap(data, newer)
        elif isinstance(data, e.SiteInitiated):
            self._initiate(data)
        elif isinstance(data, e.SiteActivated):
            self._open(data.site, data.country, day)
        elif isinstance(data, e.SitePaused | e.SiteClosed):
            self._shut(data.site, day, PAUSED if isinstance(data, e.SitePaused) else CLOSED)
        elif isinstance(data, e.SiteResumed):
            site = self.sites.get(data.site)
            if site is not None and site.status == PAUSED:
                self._open(data.site, None, day)

    def _amend(self, data: e.ProtocolAmended, day: float, newer: bool) -> None:
        for reason in data.relaxed:
            self.relaxed.setdefault(reason, day)
        if newer:
            self.subjects = data.subjects or self.subjects
            self.by = data.by or self.by
            self.events = data.events or self.events
            self.events_by = data.events_by or self.events_by
            self.screening_days = data.screening_days or self.screening_days

    def _cap(self, data: e.CapSet, newer: bool) -> None:
        if data.of == "site":
            if data.name in self.sites:
                self.sites[data.name].cap = _cap(data.cap)
        elif newer:
            (self.caps if data.of == "country" else self.strata)[data.name] = data.cap

    def _initiate(self, data: e.SiteInitiated) -> None:
        site = self.sites.setdefault(data.site, SitePlan(data.site, data.country))
        if site.status == PLANNED:
            site.status = INITIATED
        if data.activation is not None:
            site.planned = self._day(data.activation)
        if data.per_month is not None:
            site.per_month = data.per_month
        if data.cap is not None:
            site.cap = _cap(data.cap)

    def _open(self, name: str, country: str | None, day: float) -> None:
        site = self.sites.get(name)
        if site is None:
            if country is None:
                return
            site = self.sites[name] = SitePlan(name, country)
        if site.status != OPEN:
            site.status, site.since = OPEN, day
            site.opened = day if np.isnan(site.opened) else site.opened

    def _shut(self, name: str, day: float, status: int) -> None:
        site = self.sites.get(name)
        if site is None:
            return
        if site.status == OPEN:
            site.spans.append((site.since, day))
        site.status = status

    def finish(self) -> Plan:
        plan, wall = self.plan, self.plan.clock == "wall"
        names = sorted({*self.caps, *(site.country for site in self.sites.values())})
        holidays = {one.country: self._holidays(one.holidays) for one in plan.countries}
        countries = tuple(Country(name, _cap(self.caps.get(name)), holidays.get(name, ())) for name in names)
        looks = [Target(one.name, one.count, self._day(one.by), one.of) for one in plan.looks]
        strata = {name: _cap(self.strata[name]) for name in sorted(self.strata)}
        return Plan(
            self.origin, plan.title, plan.counts, self.subjects, self._day(self.by), self.events,
            None if self.events_by is None else self._day(self.events_by),
            tuple(sorted(looks, key=lambda look: (look.day, look.name))), countries,
            frozenset(one.country for one in plan.countries if one.backup),
            tuple(self.sites[name] for name in sorted(self.sites)), strata, self.screening_days, self.relaxed,
            plan.follow_up_days, read_budget(plan.budget), wall,
        )  # fmt: skip

    def _holidays(self, said: Sequence[e.Holiday]) -> tuple[tuple[float, float], ...]:
        return tuple(sorted((self._day(one.first), self._day(one.after)) for one in said))


def _cap(cap: int | None) -> float:
    return np.inf if cap is None else float(cap)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _after(text: str, start: int, where: str) -> None:
    if parse_instant(text, where) <= start:
        raise _wrong("a time after the one it begins with", text, where)


def _once(names: list[str], where: str) -> None:
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise _wrong("each name once", f"{twice[:3]} more than once", where)


def _wrong(expected: str, received: str, where: str) -> InputError:
    return InvalidFieldError(expected=expected, received=received[:120], where=where, advice="correct the plan")
