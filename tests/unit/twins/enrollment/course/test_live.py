"""A live twin's question keeps the moments of its draws; a summary becomes a correction."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import InvalidFieldError
from tests.unit.twins.enrollment.course.worlds import specification
from twins.engine import Device
from twins.enrollment.ahead import Ahead
from twins.enrollment.course import (
    NOTHING,
    EnrollmentCourse,
    Held,
    Known,
    Prices,
    question,
    read_correction,
    reproduce,
    scene_of,
    simulate,
)
from twins.enrollment.course.actions import OpenSites
from twins.enrollment.course.document import read_scenario
from twins.enrollment.study import CLOSED, MONTH, OPEN, PLANNED, Country, Sites, Spans, Study, Subjects, Target


def live(draws: int = 4000) -> tuple[Study, Ahead]:
    """Give a study of two countries a hundred days in: four sites open, two to come, one closed."""
    rng = np.random.default_rng(8)
    country = np.array([0, 0, 0, 1, 1, 1, 1])
    status = np.array([OPEN, OPEN, PLANNED, OPEN, OPEN, PLANNED, CLOSED])
    nan = np.full(21, np.nan)
    site = np.array([0, 1, 3, 4, 6] * 4 + [0])
    days = np.sort(rng.uniform(0.0, 100.0, 21))
    none = np.full(21, -1)
    subjects = Subjects(site, none, nan, nan, nan, nan, none, days, nan, nan, nan, nan, nan, nan)
    sites = Sites(
        tuple(f"S{k}" for k in range(7)), country, status, np.zeros(7), np.zeros(7),
        np.array([np.inf, 12.0, np.inf, np.inf, np.inf, np.inf, np.inf]),
    )  # fmt: skip
    spans = Spans(np.array([0]), np.array([0.0]), np.array([100.0]))
    study = Study(
        "ST-9", 100.0, "enrolled", (Country("DE", 60.0), Country("ES")), sites, spans, subjects,
        (Target("look", 30, 200.0), Target("last", 80, 420.0)),
    )  # fmt: skip
    together, shared = rng.gamma(25.0, 0.04, (draws, 1)), rng.gamma(10.0, 0.1, (draws, 2))
    rate = rng.gamma(4.0, 0.7 / MONTH / 4.0, (draws, 7)) * shared[:, country] * together
    opens = np.full((draws, 7), 100.0)
    opens[:, 2], opens[:, 5] = 100.0 + rng.gamma(9.0, 5.0, draws), 100.0 + rng.gamma(9.0, 8.0, draws)
    opens[:, 6] = np.inf
    new_rate = rng.gamma(2.0, 0.35 / MONTH, (draws, 2, 3)) * shared[:, :, None] * together[:, :, None]
    factor = np.exp(np.cumsum(0.06 * rng.standard_normal((draws, 2, 24)), axis=2))
    steps = 100.0 + MONTH * np.arange(25.0)
    return study, Ahead(steps, rate, factor, opens, new_rate, rng.gamma(9.0, 12.0, (draws, 2, 3)))


def test_the_pool_finds_what_the_draws_of_the_twin_find() -> None:
    study, ahead = live()
    plans = [(OpenSites("DE", 2, 30_000.0),)]
    prices = Prices(per_site_month=1_000.0, price_of_day=5_000.0)
    known = Known("2026-03-01T00:00:00Z", "aa", "bb")
    record = reproduce(question(study, ahead, plans, prices, seed=1, known=known))
    base, opened = simulate(scene_of(study), Held(ahead), [NOTHING, *plans], seed=1).outcomes
    end = float(ahead.steps[-1])
    for option, one in zip(record.options, (base, opened), strict=False):
        low, middle, high = np.quantile(np.minimum(one.finish, end), [0.05, 0.5, 0.95])
        width = high - low
        assert option.finish_quantiles == pytest.approx((low, middle, high), abs=0.08 * width)
        assert option.p_on_time == pytest.approx(one.on_time.mean(), abs=0.04)
    gained = (np.minimum(base.finish, end) - np.minimum(opened.finish, end)).mean()
    assert record.options[1].days_gained == pytest.approx(gained, rel=0.15)
    assert (record.have, record.wanted, record.due) == (21, 80, 420.0)
    assert (record.known_at, record.facts_hash) == ("2026-03-01T00:00:00Z", "aa")


def test_moments_are_kept_and_sites_that_bring_nobody_are_left_out() -> None:
    study, ahead = live(20_000)
    scenario = read_scenario(question(study, ahead, [], Prices(), seed=1, target="look"))
    assert scenario.shared_cv == pytest.approx(0.2, abs=0.05)
    germany, spain = scenario.countries
    assert germany.shared_cv == pytest.approx(10.0**-0.5, rel=0.15)
    assert germany.drift == pytest.approx(0.06, rel=0.15)
    assert [site.name for site in spain.sites] == ["S3", "S4", "S5"]
    assert spain.enrolled == 12
    assert germany.sites[0].rate.mean == pytest.approx(0.7, rel=0.03)
    assert germany.sites[0].rate.cv == pytest.approx(0.5, rel=0.1)
    assert germany.sites[0].opens is None
    assert germany.sites[1].cap == 12
    assert germany.sites[2].opens is not None
    assert germany.sites[2].opens.late.mean == pytest.approx(45.0, rel=0.05)
    assert germany.lead.mean == pytest.approx(108.0, rel=0.05)
    assert scenario.target.subjects == 30


def summary() -> dict[str, Any]:
    run = EnrollmentCourse().prepare(specification(draws=600), (), Device())
    while run.run(1.0).done < 1.0:
        pass
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(run.answer().summary))
    return found


def test_a_summary_becomes_a_correction() -> None:
    said = summary()
    correction = read_correction(said)
    record = reproduce(specification(draws=600))
    assert correction.record_hash == record.hash
    assert correction.best.words == correction.chosen == record.best.words
    totals = [one.total for one in correction.options]
    assert totals == sorted(totals)
    assert f"P(on time) from {record.options[0].p_on_time:.0%}" in correction.words or correction.chosen == "do nothing"


@pytest.mark.parametrize(
    "change", [{"options": []}, {"chosen_place": 40}, {"record_hash": "x"}, {"p_on_time": "often"}], ids=str
)
def test_what_is_no_correction_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidFieldError, match="expected"):
        read_correction({**summary(), **change})
