"""Course correction of one study: when the twin asks for a ranking of actions, which, and what comes of the answer.

The question goes to the pool and carries all a worker needs; the answer comes back as one more fact and is said as a
correction, which is advice. A person decides; later the twin holds what was promised against what happened.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from schemas.enrollment import CorrectionDecided
from schemas.errors import InputError, InvalidFieldError, SettingsError
from schemas.instants import format_instant, parse_instant
from schemas.jobs import ResimulationRequest, ResimulationResult, hash_of
from twins.enrollment import course
from twins.enrollment.believing import Beliefs
from twins.enrollment.config import EnrollmentConfig
from twins.enrollment.course.actions import (
    MOST_NEW_SITES,
    AddCountry,
    BoostSite,
    ExtendTimeline,
    OpenSites,
    RaiseCap,
    RelaxCriterion,
)
from twins.enrollment.reading import Reading
from twins.enrollment.register import Register
from twins.enrollment.spending import prices_of
from twins.enrollment.study import MONTH, OPEN, Floats
from twins.scalar import Said

DRAWS = 1000  # of the rates, whose moments travel
NEW_SITES = 4  # a country, whose rates and delays are drawn
STEP_DAYS = MONTH
MOST_KEPT = 12  # recommendations that are held against what happens
COUNTRIES = 3  # that sites are proposed in
SITES = 3  # that are proposed to be opened in a country
BOOST = 1.3  # assumed: what recruitment support multiplies a site's rate by
CAP_BY = 0.25  # of a cap that is nearly full, by how much it is proposed to be raised
NEARLY_FULL = 0.7
EXTEND_DAYS = 3 * MONTH
RELAXED_SHARE = 0.5  # assumed: of failures by a criterion, those that fail by it alone
SEED_BYTES = 6  # of a hash: whole numbers that JSON's readers hold exactly

Data = dict[str, Any]  # Any: JSON


class Advice(Struct, frozen=True):
    """What is kept of a recommendation: the job it rests on, what it promised, and what a person decided."""

    job: str
    record: Data
    decision: str = ""
    until: int = 0  # clock at which an override expires [us]; 0 for none
    audits: int = 0


def reasons_of(raised: list[str], asked_about: list[str]) -> list[str]:
    """Say which standing alerts call for a ranking: a target at risk, and a country's fall that is news.

    Examples
    --------
    >>> reasons_of(["target.target", "quality.waiting", "change.enrollment.DE.fell"], ["change.enrollment.DE.fell"])
    ['target.target']
    """
    found = [rule for rule in sorted(raised) if rule.startswith("target.")]
    fell = [rule for rule in sorted(raised) if rule.startswith("change.enrollment.") and rule.endswith(".fell")]
    return [*found, *(rule for rule in fell if rule not in asked_about)]


def ask(
    believed: Beliefs, register: Register, config: EnrollmentConfig, why: list[str], kept: list[Advice]
) -> Said:  # fmt: skip
    """Ask the pool which actions buy how many days for how much money."""
    study, plan = believed.reading.study, believed.reading.plan
    section = config.corrections
    facts = register.hash()
    seed = int.from_bytes(bytes.fromhex(facts)[:SEED_BYTES], "big")
    last = max(plan.by - study.as_of, 0.0) + 24 * MONTH
    steps = study.as_of + STEP_DAYS * np.arange(int(np.ceil(last / STEP_DAYS)) + 1.0)
    ahead = believed.ahead(steps, DRAWS, NEW_SITES, seed)
    proposed = _actions(believed, config)
    spec = course.question(
        study,
        ahead,
        [(action,) for action in proposed],
        _prices(believed, section.day_price, last / MONTH),
        seed=seed,
        draws=section.draws,
        budget=section.budget,
        standing=_standing(kept, proposed),
        known=course.Known(format_instant(register.clock), facts, _hash_of(believed)),
    )
    request = ResimulationRequest(spec, "; ".join(why), "what_if", content_hash=hash_of(spec))
    return Said("request", msgspec.to_builtins(request), "advisory", register.clock)


def answer(result: ResimulationResult, key: str) -> tuple[Said, Advice]:
    """Make a recommendation of an answer.

    Raises
    ------
    InputError
        If it is no answer of this study's, or failed.
    """
    if result.status != "done":
        raise InvalidFieldError(
            expected="an answer that is done", received=f"{result.status}: {result.error}"[:200], where="status",
            advice="the jobs page says why it failed",
        )  # fmt: skip
    found = course.read_correction(result.summary)
    if found.study != key:
        raise InvalidFieldError(
            expected=f"an answer about {key}", received=f"one about {found.study}"[:120], where="summary.study"
        )
    said = _correction("recommend", result.job, found.record_hash, found.words, result.summary)
    return said, Advice(result.job, result.summary)


def decide(decided: CorrectionDecided, kept: list[Advice]) -> tuple[Said, list[Advice]]:
    """Note what a person decided about a recommendation.

    Raises
    ------
    InputError
        If it is none of the newest.
    """
    known = next((one for one in kept if one.job == decided.correction), None)
    if known is None:
        raise InvalidFieldError(
            expected=f"one of the newest {MOST_KEPT} recommendations", received=decided.correction, where="correction",
            advice="the study's page lists them",
        )  # fmt: skip
    if (decided.decision == "overridden") != (decided.expires is not None):
        raise InvalidFieldError(
            expected="the time at which an override expires, and of an override alone",
            received=f"{decided.decision} with expires {decided.expires}", where="expires",
        )  # fmt: skip
    words = f"{decided.by}, {decided.decision}: {decided.reason}"
    record = msgspec.to_builtins(decided)
    until = parse_instant(decided.expires, "expires") if decided.expires is not None else 0
    now = msgspec.structs.replace(known, decision=decided.decision, until=until)
    changed = [now if one is known else one for one in kept]
    return _correction("decide", known.job, known.record["record_hash"], words, record), changed


def overridden(kept: list[Advice], clock: int) -> bool:
    """Tell whether a person's override still holds: until it expires the twin asks for no other ranking."""
    return any(one.decision == "overridden" and clock < one.until for one in kept)


def _standing(kept: list[Advice], proposed: list[course.Action]) -> course.Plan:
    """Give the plan that was recommended last, where it was not declined and is still proposed: it is not left for a
    trifle."""
    newest = next((one for one in reversed(kept) if one.decision != "declined"), None)
    if newest is None:
        return ()
    best = course.read_correction(newest.record).best.actions
    return best if all(action in proposed for action in best) else ()


def audits(
    kept: list[Advice], reading: Reading, clock: int, config: EnrollmentConfig
) -> tuple[list[Said], list[Advice]]:  # fmt: skip
    """Hold recommendations against what happened: once they are `audit_days` old, and when the target is reached."""
    study, said, after = reading.study, [], []
    done = len(study.counted) >= reading.plan.subjects
    for one in kept:
        promised = msgspec.convert(one.record["promised"], course.Promised)
        old = study.as_of - promised.as_of >= config.corrections.audit_days
        if one.audits < (1 if old else 0) + (1 if done else 0):
            found = course.audit(promised, study, followed=one.decision == "taken")
            came = min(found.subjects, promised.wanted)
            held = "held" if found.subjects_within else "did not hold"
            words = (
                f"After {found.days_since:.0f} days {came} subjects were counted; the interval promised for "
                f"'{found.plan}', {found.subjects_interval[0]:.0f} to {found.subjects_interval[1]:.0f}, {held}."
            )
            said.append(_correction("audit", one.job, promised.record, words, msgspec.to_builtins(found), clock))
            one = msgspec.structs.replace(one, audits=one.audits + 1)
        after.append(one)
    return said, after


def _correction(action: str, job: str, number: str, words: str, record: Data, clock: int = 0) -> Said:
    data = {"action": action, "correction": job, "hash": number, "summary": [words], "record": record}
    return Said("correction", data, "advisory", clock)


def _prices(believed: Beliefs, day_price: float, months: float) -> course.Prices:
    """Give the prices of the study's budget; without one, that of a day alone."""
    budget = believed.reading.plan.budget
    if budget is None:
        return course.Prices(price_of_day=day_price)
    return prices_of(budget, believed.screened, day_price, max(months, 1.0))


def _actions(believed: Beliefs, config: EnrollmentConfig) -> list[course.Action]:
    """Give the actions that are configured, or propose some."""
    section = config.corrections
    if section.actions:
        return read_actions(section.actions)
    study, plan, costs = believed.reading.study, believed.reading.plan, section.costs
    health = believed.findings.sites
    country = study.sites.country
    brought = study.brought_by_country()
    is_open = study.sites.status[health.site] == OPEN
    own = country[health.site]
    mean = _mean_by(own[is_open], health.rate[is_open], len(study.countries))
    order = [place for place in np.argsort(-mean, kind="stable").tolist() if mean[place] > 0]
    found: list[course.Action] = []
    for place in [one for one in order if brought[one] < study.countries[one].cap][:COUNTRIES]:
        found.append(OpenSites(study.countries[place].name, min(SITES, MOST_NEW_SITES), costs.site))
    for place, one in enumerate(study.countries):
        if np.isfinite(one.cap) and one.cap > 0 and brought[place] >= NEARLY_FULL * one.cap:
            found.append(RaiseCap(one.name, max(int(np.ceil(CAP_BY * one.cap)), 1), costs.cap))
    if is_open.any():
        best = health.site[is_open][np.argmax(health.rate[is_open])]
        found.append(BoostSite(study.sites.names[int(best)], BOOST, costs.boost))
    used = {study.countries[place].name for place in set(country[study.sites.status == OPEN].tolist())}
    rate = float(mean[order].mean()) if order else 0.0
    if rate > 0:
        found += [
            AddCountry(name, SITES, rate, cost=costs.amendment / 10, cost_per_site=costs.site)
            for name in sorted(plan.backups - used)
        ]
    found += _relaxing(believed, costs.amendment)
    found.append(ExtendTimeline(EXTEND_DAYS))
    return found


def _relaxing(believed: Beliefs, cost: float) -> list[course.Action]:
    """Propose to relax the criterion that most screen failures are due to, unless an amendment did so already."""
    study, plan = believed.reading.study, believed.reading.plan
    failures = believed.funnel.failures
    steps = [step for step in believed.funnel.steps if step.entrants.begins == "screened"]
    open_ = [place for place, reason in enumerate(study.reasons) if reason not in plan.relaxed and failures[place] > 0]
    if not steps or not open_:
        return []
    worst = max(open_, key=lambda place: (failures[place], study.reasons[place]))
    failing = float(np.clip(1.0 - steps[0].chance.study.mean[0], 0.0, 0.95))
    share = RELAXED_SHARE * float(failures[worst]) / max(float(failures.sum()), 1.0)
    return [RelaxCriterion(study.reasons[worst], failing, share, cost=cost)] if failing > 0.05 else []


def read_actions(said: tuple[Data, ...]) -> list[course.Action]:
    """Read actions from a configuration.

    Raises
    ------
    SettingsError
        If one is none.
    """
    try:
        return [msgspec.convert(one, course.Action) for one in said]
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"expected actions as docs/enrollment_simulation.md lists them, received {error}, in corrections.actions"
        ) from None


def _mean_by(place: Any, value: Floats, count: int) -> Floats:
    number = np.bincount(place, minlength=count)
    total: Floats = np.bincount(place, value, count) / np.maximum(number, 1)
    return total


def _hash_of(believed: Beliefs) -> str:
    """Name what is believed of the rates: SHA-256 of the posterior's numbers."""
    of = believed.posterior
    arrays = (of.weight, of.shape, of.spread, of.mean, of.country, of.exposure)
    return hashlib.sha256(b"".join(np.ascontiguousarray(one).tobytes() for one in arrays)).hexdigest()


__all__ = ["Advice", "InputError", "answer", "ask", "decide", "read_actions", "reasons_of"]
