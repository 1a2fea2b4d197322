"""A study's drawn course as its budget needs it: the draws once, and of each thing that may be otherwise a course."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twins.enrollment import course, money
from twins.enrollment.ahead import Ahead
from twins.enrollment.course import Scene
from twins.enrollment.reading import Reading
from twins.enrollment.study import MONTH, OPEN, PAUSED, Floats, Study

DRAWS = 200
SEED = 20_260_102
SLACK_MONTHS = 36  # beyond the last target in which a study may finish; a draw that takes longer is cut there
MOST_MONTHS = 120


@dataclass(frozen=True, slots=True)
class Drawn:
    """One study's draws. `screened` are screened for one who is enrolled, 1 or more."""

    reading: Reading
    scene: Scene
    ahead: Ahead
    screened: float


def draw_course(
    reading: Reading, ahead_of: Callable[[Floats, int, int, int], Ahead], screened: float
) -> Drawn:  # fmt: skip
    """Draw what may become of a study until its follow-up is over.

    Parameters
    ----------
    ahead_of : callable
        Gives draws of the rates over steps: (steps, draws, new sites, seed).
    screened : float
        Screened for one who is enrolled, 1 or more.
    """
    study, plan = reading.study, reading.plan
    last = max(plan.by, study.as_of) - study.as_of + plan.follow_up_days
    months = min(int(np.ceil(last / MONTH)) + SLACK_MONTHS, MOST_MONTHS)
    steps = study.as_of + MONTH * np.arange(months + 1.0)
    return Drawn(reading, course.scene_of(study, "target"), ahead_of(steps, DRAWS, 0, SEED), screened)


def course_of(
    drawn: Drawn, *, ahead: Ahead | None = None, scene: Scene | None = None, screened: float | None = None
) -> money.Course:
    """Give the course of these draws, or of the same draws where something is otherwise.

    Parameters
    ----------
    ahead, scene, screened : optional
        What is otherwise. The same seed stands behind every course, so that differences are paired draw by draw.
    """
    study, plan = drawn.reading.study, drawn.reading.plan
    ahead, scene = ahead or drawn.ahead, scene or drawn.scene
    steps = ahead.steps
    (outcome,) = course.simulate(scene, course.Held(ahead), seed=SEED, by_step=True).outcomes
    enrolled = np.minimum(outcome.finish, steps[-1])
    if not scene.need:  # all are there: since the day on which the last of them came
        enrolled = np.full(len(enrolled), study.counted[scene.wanted - 1])
    ends = np.clip(enrolled + plan.follow_up_days, study.as_of, steps[-1])
    days, opened = _sites(study, ahead, ends)
    past_steps, past = _past(study)
    standing = study.sites.country[np.isin(study.sites.status, (OPEN, PAUSED))]  # will be closed, and once only opened
    count = len(study.countries)
    return money.Course(
        countries=tuple(one.name for one in study.countries),
        steps=steps,
        subjects=outcome.by_step.astype(np.float64),
        screened=np.full((len(ends), count), drawn.screened if screened is None else screened),
        site_days=days,
        opened=opened,
        enrolled=enrolled,
        ends=ends,
        open_now=np.bincount(standing, minlength=count).astype(np.float64),
        past_steps=past_steps,
        past=past,
    )


def _past(study: Study) -> tuple[Floats, Floats]:
    """Give months of the past, and by country who came in each and is still there: their later visits are to come."""
    edges = MONTH * np.arange(int(np.ceil(max(study.as_of, 1.0) / MONTH)) + 1.0)
    counted = study.counting_days
    there = ~np.isnan(counted) & np.isnan(study.subjects.withdrawn) & np.isnan(study.subjects.lost)
    place = np.clip(np.searchsorted(edges, counted[there], side="right") - 1, 0, len(edges) - 2)
    past = np.zeros((len(study.countries), len(edges) - 1))
    np.add.at(past, (study.sites.country[study.subjects.site[there]], place), 1.0)
    return np.minimum(edges, study.as_of), past


def _sites(study: Study, ahead: Ahead, ends: Floats) -> tuple[Floats, Floats]:
    """Give days of open sites, and sites that open for the first time, by country and step, (d, c, m); none after the
    study's end."""
    steps = ahead.steps
    shape = (len(ends), len(study.countries), len(steps) - 1)
    days, opened = np.zeros(shape), np.zeros(shape)
    until = np.minimum(steps[None, :], ends[:, None])  # (d, m + 1)
    new = study.sites.status != PAUSED
    for place in range(shape[1]):
        here = study.sites.country == place
        opens = ahead.opens[:, here]
        reached = np.maximum(until[:, None, :] - opens[:, :, None], 0.0).sum(axis=1)
        days[:, place] = np.diff(reached, axis=1)
        later = (opens > study.as_of) & (opens <= ends[:, None]) & new[here]
        where = np.searchsorted(steps, np.where(later, opens, steps[0]), side="left") - 1
        draw, site = np.nonzero(later)
        np.add.at(opened[:, place], (draw, where[draw, site]), 1.0)
    return days, opened
