"""The advisory lane: says who speaks and from what, learns what is there, and changes nothing."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.accuracy.enrollment_funnel import Truth, as_known, make
from schemas.errors import MissingExtraError
from twins.enrollment.funnel.advisory import advise
from twins.enrollment.study import Study

SCATTERED = Truth(rate=8.0, alike=2.0, silent=0.0)


def study_of(truth: Truth, seed: int = 1) -> Study:
    return as_known(make(truth, np.random.default_rng(seed)), truth.days)


def test_it_learns_which_sites_fail_more_and_says_from_what() -> None:
    study = study_of(SCATTERED)
    said = advise(study)
    assert said.lane == "advisory"
    assert said.of_failures.library.startswith("river 0.")
    assert said.of_failures.useful
    assert said.of_failures.gain > 0.1
    assert 0.0 <= said.of_failures.first < said.of_failures.last <= study.as_of
    s = study.subjects
    ended = ~np.isnan(s.failed) | ~np.isnan(s.enrolled)
    share = np.bincount(s.site[ended], ~np.isnan(s.failed[ended])) / np.bincount(s.site[ended])
    assert np.corrcoef(said.fails, share[s.site[said.subjects]])[0, 1] > 0.6
    assert len(said.sites) == len(said.brings) == 30
    assert said.brings.sum() == pytest.approx(8.0 * 0.65 * 28, rel=0.4)


def test_where_sites_are_alike_it_does_not_pretend() -> None:
    said = advise(study_of(replace(SCATTERED, alike=1e6)))
    assert said.of_failures.gain < 0.05


def test_a_share_of_failures_that_moves_is_seen_as_drift() -> None:
    rng = np.random.default_rng(3)
    early, late = (make(replace(SCATTERED, alike=1e6, passing=p), rng) for p in (0.85, 0.15))
    until = as_known(early, 200.0).subjects
    after = as_known(late, 200.0).subjects
    columns = {
        name: np.concatenate(
            [getattr(until, name), getattr(after, name) + (0 if name in ("site", "stratum", "reason") else 200.0)]
        )
        for name in until.__slots__
    }
    study = study_of(SCATTERED)
    moved = replace(study, as_of=400.0, subjects=replace(study.subjects, **columns))
    assert advise(study_of(replace(SCATTERED, alike=1e6, passing=0.85))).of_failures.drifts == 0
    assert advise(moved).of_failures.drifts >= 1


def test_the_same_facts_teach_the_same_and_nothing_is_changed() -> None:
    study = study_of(Truth(), 4)
    before = {name: getattr(study.subjects, name).tobytes() for name in study.subjects.__slots__}
    one, two = advise(study), advise(study)
    assert one.fails.tobytes() == two.fails.tobytes()
    assert one.brings.tobytes() == two.brings.tobytes()
    assert before == {name: getattr(study.subjects, name).tobytes() for name in study.subjects.__slots__}


def test_a_study_without_subjects_has_nothing_to_teach() -> None:
    said = advise(study_of(Truth(rate=1e-9, days=10.0)))
    assert (len(said.fails), said.of_failures.examples, said.of_sites.examples) == (0, 0, 0)
    assert not said.of_failures.useful


def test_without_river_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "twins.enrollment.funnel.learned"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> object:
        if name.partition(".")[0] == "river":
            raise ModuleNotFoundError("No module named 'river'", name="river")
        return real(name, globals, locals, fromlist or (), level)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="online-ml"):
        advise(study_of(Truth(), 5))
