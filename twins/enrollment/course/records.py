"""A recommendation as a record: what was known, what was weighed, what was chosen; hashed, and repeated bit for bit.

A later check of it against what happened is a function of the record and of the study, and a fact of its own.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import scipy
from msgspec import Struct

from schemas.jobs import SimulationSpec, hash_of
from twins.enrollment.course.actions import NOTHING, Action, said
from twins.enrollment.course.course import Found, Question, answered
from twins.enrollment.course.document import HOURS, Override, Scenario, read_scenario
from twins.enrollment.course.effects import Effect
from twins.enrollment.course.laws import Laws, scene_of_scenario
from twins.enrollment.study import Floats, Study

DIGITS = 12  # of a number in a record: beyond, processors of another kind may add up otherwise
VERSION = 1  # raise it when the same question would give other numbers
LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 20))  # of the quantiles that a record promises
_LOW, _HIGH = 0.05, 0.95


class NotAllowed(Struct, frozen=True, forbid_unknown_fields=True):
    """A plan that could not be chosen, and why."""

    words: str
    actions: tuple[Action, ...]
    reason: str


class Promise(Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan was expected to bring, by quantiles (`LEVELS`): day of the finish, subjects at each edge of steps.

    A finish beyond the last edge stands there as that edge.
    """

    words: str
    finish: tuple[float, ...]
    subjects: tuple[tuple[float, ...], ...]  # by edge, the first is the day of the record


class Recommendation(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `options` are doing nothing, each action, the best sets, in this order; `chosen` is one's place."""

    study: str
    as_of: float
    known_at: str
    facts_hash: str
    posterior_hash: str
    specification_hash: str
    seed: int
    draws: int
    currency: str
    price_of_day: float
    budget: float | None
    have: int
    wanted: int
    due: float
    edges: tuple[float, ...]
    options: tuple[Effect, ...]
    excluded: tuple[NotAllowed, ...]
    chosen: int
    why: str
    standing: str
    override: Override | None
    top_stays: float
    search: str
    versions: dict[str, str]
    doing_nothing: Promise
    promised: Promise

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, in hexadecimal."""
        return hash_of(self)

    @property
    def best(self) -> Effect:
        """The option that was chosen."""
        return self.options[self.chosen]


def record_bytes(record: Recommendation) -> bytes:
    """Give the canonical bytes: JSON with sorted keys."""
    return msgspec.json.encode(record, order="sorted")


def versions() -> dict[str, str]:
    """Name what decides the numbers."""
    return {"course": f"enrollment.course@{VERSION}", "numpy": np.__version__, "scipy": scipy.__version__}


def question_of(spec: SimulationSpec, scenario: Scenario) -> Question:
    """Give what a checked specification asks."""
    laws = Laws(scenario, spec.horizon / HOURS, spec.draws, spec.seed)
    return Question(
        scene_of_scenario(scenario, laws),
        laws,
        scenario.plans,
        scenario.prices,
        scenario.prices.price_of_day,
        scenario.prices.days,
        spec.seed,
        scenario.budget,
        scenario.set_size,
        scenario.standing or NOTHING,
    )


def record_of(spec: SimulationSpec, scenario: Scenario, question: Question, found: Found) -> Recommendation:
    """Write down what was found."""
    scene, known = question.scene, scenario.known
    words = found.effects[0].words, found.effects[found.choice.place].words
    base, chosen = (
        _promise(name, finish, counts, found.steps, scene.have)
        for name, finish, counts in zip(words, found.finish, found.cumulative, strict=True)
    )
    record = Recommendation(
        study=scenario.study,
        as_of=scenario.as_of,
        known_at=known.at,
        facts_hash=known.facts_hash,
        posterior_hash=known.posterior_hash,
        specification_hash=hash_of(spec),
        seed=spec.seed,
        draws=spec.draws,
        currency=scenario.prices.currency,
        price_of_day=scenario.prices.price_of_day,
        budget=scenario.budget,
        have=scene.have,
        wanted=scene.wanted,
        due=scene.due,
        edges=tuple(found.steps.tolist()),
        options=found.effects,
        excluded=tuple(NotAllowed(said(one.plan), one.plan, one.reason) for one in found.excluded),
        chosen=found.choice.place,
        why=found.choice.why,
        standing=said(question.standing),
        override=scenario.override,
        top_stays=found.top_stays,
        search=found.search,
        versions=versions(),
        doing_nothing=base,
        promised=chosen,
    )
    return msgspec.convert(rounded(msgspec.to_builtins(record), DIGITS), Recommendation)


def rounded(value: Any, digits: int) -> Any:  # Any: JSON
    """Keep so many digits of every number.

    Examples
    --------
    >>> rounded({"a": [1.23456, 2]}, 3)
    {'a': [1.23, 2]}
    """
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: rounded(one, digits) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, digits) for one in value]
    return value


def reproduce(spec: SimulationSpec, threads: int = 1) -> Recommendation:
    """Work a recommendation out again, from nothing but its specification: to the same bits."""
    scenario = read_scenario(spec)
    question = question_of(spec, scenario)
    return record_of(spec, scenario, question, answered(question, threads))


def _promise(words: str, finish: Floats, counts: np.ndarray, edges: Floats, have: int) -> Promise:
    ends = np.quantile(np.minimum(finish, edges[-1]), LEVELS)
    fan = np.quantile(counts, LEVELS, axis=0).T
    return Promise(words, tuple(ends.tolist()), ((float(have),) * len(LEVELS), *map(tuple, fan.tolist())))


class Promised(Struct, frozen=True, forbid_unknown_fields=True):
    """What of a recommendation is held against what happens: `record` is its hash."""

    record: str
    as_of: float
    wanted: int
    edges: tuple[float, ...]
    days_gained: float
    promised: Promise
    doing_nothing: Promise


def promised_of(record: Recommendation) -> Promised:
    """Give what a recommendation promised."""
    return Promised(
        record.hash, record.as_of, record.wanted, record.edges, record.best.days_gained, record.promised,
        record.doing_nothing,
    )  # fmt: skip


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """What was promised against what happened.

    `pit` is where the truth lies in what was promised, between 0 and 1: over many records it is to be uniform. Below
    the first level or above the last it is the middle of what lies there. Days and PIT of the finish are null while the
    study has not reached its target; `finish_refuted` says that the promised interval is over all the same.
    """

    record: str
    as_of: float
    plan: str
    followed: bool
    days_since: float
    subjects: int
    subjects_median: float
    subjects_interval: tuple[float, float]
    subjects_within: bool
    subjects_pit: float
    finished: float | None
    finish_median: float
    finish_interval: tuple[float, float]
    finish_within: bool | None
    finish_refuted: bool
    finish_pit: float | None
    days_gained_promised: float
    days_before_doing_nothing: float | None  # median of what doing nothing was expected to take, less what it took


def audit(record: Promised, study: Study, followed: bool = True) -> Audit:
    """Hold a recommendation against the study as it is known later.

    Parameters
    ----------
    followed : bool
        Whether the recommendation was; otherwise doing nothing is what is held to its promise.
    """
    promise = record.promised if followed else record.doing_nothing
    counted = study.counted
    now = min(study.as_of, record.edges[-1])
    subjects = int(np.searchsorted(counted, now, side="right"))
    capped = min(subjects, record.wanted)
    edges = np.array(record.edges)
    fan = np.array([np.interp(now, edges, column) for column in np.array(promise.subjects).T])
    finished = float(counted[record.wanted - 1]) if len(counted) >= record.wanted else None
    low, high = promise.finish[LEVELS.index(_LOW)], promise.finish[LEVELS.index(_HIGH)]
    few, many = float(fan[0]), float(fan[-1])
    nothing = record.doing_nothing.finish[LEVELS.index(0.5)]
    return Audit(
        record=record.record,
        as_of=study.as_of,
        plan=promise.words,
        followed=followed,
        days_since=study.as_of - record.as_of,
        subjects=subjects,
        subjects_median=float(fan[LEVELS.index(0.5)]),
        subjects_interval=(few, many),
        subjects_within=math.floor(few) <= capped <= math.ceil(many),
        subjects_pit=_pit(fan, float(capped)),
        finished=finished,
        finish_median=promise.finish[LEVELS.index(0.5)],
        finish_interval=(low, high),
        finish_within=None if finished is None else low <= finished <= high,
        finish_refuted=finished is None and study.as_of > high and high < record.edges[-1],
        finish_pit=None if finished is None else _pit(np.array(promise.finish), finished),
        days_gained_promised=record.days_gained if followed else 0.0,
        days_before_doing_nothing=None if finished is None else nothing - finished,
    )


def _pit(quantiles: Floats, truth: float) -> float:
    """Interpolate where a truth lies among quantiles; the middle of the levels where several are equal to it.

    Examples
    --------
    >>> _pit(np.arange(1.0, 20.0), 10.0), _pit(np.arange(1.0, 20.0), 0.0)
    (0.5, 0.025)
    """
    if truth < quantiles[0]:
        return LEVELS[0] / 2.0
    if truth > quantiles[-1]:
        return (1.0 + LEVELS[-1]) / 2.0
    below = float(np.interp(truth, quantiles, LEVELS))
    equal = np.flatnonzero(quantiles == truth)
    return float(np.mean([LEVELS[k] for k in equal])) if len(equal) else below
