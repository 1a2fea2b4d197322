"""What money needs to know of a simulated course of a study: how many, where, when, how long, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from schemas.errors import ShapeError
from twins.enrollment.study import Floats


@dataclass(frozen=True, slots=True)
class Course:
    """Draws of the future of a study from `steps[0]` (its `as_of`) on; d draws, c countries, m steps.

    `steps` (m + 1,): edges [d since origin]. `subjects` (d, c, m): enrolled since `steps[0]` by the end of each step,
    whole numbers. `screened` (d, c): screened per enrolled, 1 or more. `site_days` (d, c, m): days of open sites in
    each step, up to the study's end. `opened` (d, c, m): sites opened in each step, whole numbers. `enrolled` (d,):
    when the last subject comes [d]. `ends` (d,): when the study ends [d]. `open_now` (c,): sites open at `steps[0]`.
    `past_steps` (p + 1,) and `past` (c, p): subjects enrolled before, whose later visits are still to come.
    `dropout` is a hazard [/d] that thins visits. `amendments` are days of amendments still to come [d].
    """

    countries: tuple[str, ...]
    steps: Floats
    subjects: Floats
    screened: Floats
    site_days: Floats
    opened: Floats
    enrolled: Floats
    ends: Floats
    open_now: Floats
    past_steps: Floats = field(default_factory=lambda: np.zeros(1))
    past: Floats | None = None
    dropout: float = 0.0
    amendments: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and what would make a cost meaningless."""
        c, m, d = len(self.countries), len(self.steps) - 1, len(self.ends)
        cube = (d, c, m)
        shapes = {"subjects": cube, "site_days": cube, "opened": cube, "screened": (d, c), "enrolled": (d,)}
        for name, shape in {**shapes, "open_now": (c,)}.items():
            _need(getattr(self, name).shape == shape, f"{name} of shape {shape}", getattr(self, name).shape)
        if self.past is not None:
            shape = (c, len(self.past_steps) - 1)
            _need(self.past.shape == shape, f"past of shape {shape}", self.past.shape)
        for name in ("subjects", "opened", "open_now"):  # sums are exact for whole numbers alone
            counts = getattr(self, name)
            _need(bool((counts == np.rint(counts)).all()), f"whole numbers in {name}", "parts of one")
        _need(bool((np.diff(self.steps) > 0).all()), "ascending steps", self.steps)
        _need(bool(np.isfinite(self.ends).all()), "finite ends: cut a draw at the horizon", self.ends)
        _need(bool((self.ends >= self.enrolled).all()), "ends not before enrolled", self.ends)
        _need(bool((self.ends >= self.steps[0]).all()), "ends not before steps[0]", self.ends)
        _need(bool((self.screened >= 1.0).all()), "screened of 1 or more", self.screened)
        _need(0.0 <= self.dropout < 1.0, "dropout in [0, 1) a day", self.dropout)


def hold(course: Course, days: float) -> Course:
    """Slip everything by so many days at the start: the same subjects, later; sites that are open stay open.

    The pure slip of `three months longer`. What is past stays where it was, with its visits.
    """
    if days <= 0.0:
        raise ShapeError(f"expected days of a slip above 0, received {days}")
    d, c, _ = course.subjects.shape
    none = np.zeros((d, c, 1))
    idle = np.broadcast_to((course.open_now * days)[None, :, None], (d, c, 1))
    return replace(
        course,
        steps=np.concatenate([course.steps[:1], course.steps + days]),
        subjects=np.concatenate([none, course.subjects], axis=2),
        opened=np.concatenate([none, course.opened], axis=2),
        site_days=np.concatenate([idle, course.site_days], axis=2),
        enrolled=course.enrolled + days,
        ends=course.ends + days,
    )


def _need(holds: bool, expected: str, received: object) -> None:
    if not holds:
        raise ShapeError(f"expected {expected}, received {received}, in a course for its money")
