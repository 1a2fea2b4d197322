"""What is simulated: sites and countries as they stand, what they may still bring, and the draws of their future."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schemas.errors import ShapeError
from twins.enrollment.ahead import Ahead
from twins.enrollment.course.uniforms import BLOCK
from twins.enrollment.study import OPEN, Floats, Ints, Study


@dataclass(frozen=True, slots=True)
class Scene:
    """A study as a simulation needs it, from `as_of` on.

    `site_left` (s,) and `country_left` (c,) are subjects that a cap still allows, inf without a cap. `have` subjects
    count already, of `wanted`, by day `due`. Days are those of the study.
    """

    as_of: float
    sites: tuple[str, ...]
    site_country: Ints
    site_left: Floats
    site_open: tuple[bool, ...]
    countries: tuple[str, ...]
    country_left: Floats
    have: int
    wanted: int
    due: float

    @property
    def need(self) -> int:
        """Subjects still to come, 0 or more."""
        return max(self.wanted - self.have, 0)


class Draws(Protocol):
    """Joint draws of the future, block by block: what a block holds depends on nothing but its number."""

    @property
    def count(self) -> int:
        """How many draws there are."""
        ...

    def block(self, number: int) -> Ahead:
        """Give draws `number * BLOCK` to before `(number + 1) * BLOCK`, or to the last."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """Draws that are in memory. `factor` may be one draw for all."""

    ahead: Ahead

    @property
    def count(self) -> int:
        """See `Draws`."""
        return len(self.ahead.site_rate)

    def block(self, number: int) -> Ahead:
        """See `Draws`."""
        one, part = self.ahead, slice(number * BLOCK, (number + 1) * BLOCK)
        factor = np.broadcast_to(one.factor, (self.count, *one.factor.shape[1:]))
        return Ahead(
            one.steps, one.site_rate[part], factor[part], one.opens[part], one.new_rate[part], one.new_delay[part]
        )


def scene_of(study: Study, target: str | None = None) -> Scene:
    """Give the scene of a study: what came so far is counted, caps are what they still allow.

    Parameters
    ----------
    target : str or None
        Name of the target that is asked about, one of subjects; the last of subjects where none is named.

    Raises
    ------
    ShapeError
        If the study has no such target.
    """
    aims = [one for one in study.targets if one.of == "subjects" and target in (None, one.name)]
    if not aims:
        named = "a target of subjects" if target is None else f"a target of subjects named {target!r}"
        raise ShapeError(f"expected {named}, received {[one.name for one in study.targets]}, for study {study.key}")
    aim = aims[-1]
    by_site, by_country = study.brought_by_site(), study.brought_by_country()
    caps = np.array([one.cap for one in study.countries])
    return Scene(
        study.as_of,
        study.sites.names,
        study.sites.country,
        np.maximum(study.sites.cap - by_site, 0.0),
        tuple(bool(status == OPEN) for status in study.sites.status),
        tuple(one.name for one in study.countries),
        np.maximum(caps - by_country, 0.0),
        int(by_site.sum()),
        aim.count,
        aim.day,
    )


def check_fits(scene: Scene, ahead: Ahead) -> None:
    """Check that draws are of this scene.

    Raises
    ------
    ShapeError
        If shapes do not agree, edges do not ascend from `as_of` on, or a rate is negative or not finite.
    """
    d, s = ahead.site_rate.shape
    c, m = len(scene.countries), len(ahead.steps) - 1
    wanted = {"site_rate": (d, len(scene.sites)), "opens": (d, s), "factor": (d, c, m)}
    for name, shape in wanted.items():
        found = getattr(ahead, name).shape
        if found != shape:
            raise ShapeError(f"expected {name} of shape {shape} of the draws ahead, received {found}")
    for name in ("new_rate", "new_delay"):
        found = getattr(ahead, name).shape
        if found[:2] != (d, c):
            raise ShapeError(f"expected {name} of shape ({d}, {c}, sites), received {found}")
    if ahead.steps[0] != scene.as_of:
        raise ShapeError(f"expected steps from day {scene.as_of:g} on, received from {ahead.steps[0]:g}")
    if not (np.diff(ahead.steps) > 0.0).all():
        raise ShapeError(f"expected edges of steps that ascend, received {ahead.steps[:5].tolist()}")
    for name in ("site_rate", "factor", "new_rate"):
        values = getattr(ahead, name)
        if values.size and not (np.isfinite(values).all() and values.min() >= 0.0):
            raise ShapeError(f"expected {name} of the draws ahead to be finite and 0 or more, received others")
