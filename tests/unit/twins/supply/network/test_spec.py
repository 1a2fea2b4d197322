"""What a network's document must keep; each refusal names the field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError
from tests.support.supply_networks import random_network
from twins.supply.network import read_network
from twins.supply.network.calendars import cumulative, units_by_day, units_days
from twins.supply.network.spec import Poisson, Resource, Surge, Window

Document = dict[str, Any]  # Any: JSON

GOOD: Document = {
    "name": "small",
    "resources": [{"name": "suite", "units": 2}, {"name": "staff", "units": 1}],
    "routes": [
        {
            "name": "r",
            "steps": [
                {"name": "make", "duration": {"law": "gamma", "shape": 4.0, "scale": 0.5}, "needs": ["staff"]},
                {
                    "name": "test",
                    "duration": {"law": "deterministic", "days": 7.0},
                    "outcomes": [{"probability": 0.1, "to": "make", "most": 1}],
                },
            ],
            "holds": [{"resource": "suite", "first": "make", "last": "test"}],
        }
    ],
    "classes": [{"name": "c", "route": "r", "arrivals": {"kind": "poisson", "per_day": 0.1}}],
    "start": [{"patient": "p", "class": "c", "step": "test", "elapsed": 2.0}],
}


def route(document: Document) -> Document:
    found: Document = document["routes"][0]
    return found


WRONG: list[tuple[str, Callable[[Document], object], str]] = [
    ("a field nobody knows", lambda d: d.update(x=1), "inputs.network"),
    ("a unit below 0", lambda d: d["resources"][0].update(units=-1), "resources[0].units"),
    ("a law nobody knows", lambda d: route(d)["steps"][0].update(duration={"law": "x"}), "steps[0].duration"),
    ("a need that is none", lambda d: route(d)["steps"][0].update(needs=["x"]), "routes[0].steps[0].needs[0]"),
    ("a need that is held", lambda d: route(d)["steps"][0].update(needs=["suite"]), "routes[0].steps[0].needs"),
    ("rework to nowhere", lambda d: route(d)["steps"][1]["outcomes"][0].update(to="x"), "outcomes[0].to"),
    (
        "rework without end",
        lambda d: route(d)["steps"][1].update(outcomes=[{"probability": 1.0, "to": "make"}]),
        "steps[1].outcomes",
    ),
    (
        "probabilities above 1",
        lambda d: route(d)["steps"][1].update(outcomes=[{"probability": 0.6, "to": one} for one in ("make", "leave")]),
        "steps[1].outcomes",
    ),
    ("a hold the wrong way", lambda d: route(d)["holds"][0].update(first="test", last="make"), "holds[0]"),
    ("a class of no route", lambda d: d["classes"][0].update(route="x"), "classes[0].route"),
    ("a start in no step", lambda d: d["start"][0].update(step="x"), "start[0].step"),
    ("a patient twice", lambda d: d["start"].append(d["start"][0]), "start"),
    (
        "a window of no days",
        lambda d: d["resources"][0].update(windows=[{"begin": 3, "end": 3, "units": 0}]),
        "windows[0]",
    ),
    (
        "levels that fall",
        lambda d: route(d)["steps"][0].update(
            duration={"law": "empirical", "levels": [0, 0.5, 0.4, 1], "days": [1, 2, 3, 4]}
        ),
        "steps[0].duration.levels",
    ),
    ("nobody who comes", lambda d: (d["classes"][0].pop("arrivals"), d.pop("start")), "classes"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "where"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_what_is_wrong_is_refused_by_its_field(wrong: Callable[[Document], object], where: str) -> None:
    document = copy.deepcopy(GOOD)
    read_network(document)
    wrong(document)
    with pytest.raises(SettingsError, match=r"expected .* received .*; correct") as refusal:
        read_network(document)
    assert where in str(refusal.value)


def test_patients_that_could_wait_for_each_other_for_ever_are_refused() -> None:
    document = copy.deepcopy(GOOD)
    other = copy.deepcopy(route(document)) | {
        "name": "other",
        "holds": [{"resource": "staff", "first": "make", "last": "test"}],
    }
    other["steps"][0]["needs"] = ["suite"]
    document["routes"].append(other)
    with pytest.raises(SettingsError, match="a circle among staff, suite: a deadlock"):
        read_network(document)


@pytest.mark.parametrize("seed", range(40))
def test_the_random_networks_are_taken(seed: int) -> None:
    assert read_network(random_network(seed)).name == f"random {seed}"


def test_the_last_window_wins_and_a_dated_one_over_a_weekly_one() -> None:
    resource = Resource("r", 3, (Window(5.0, 9.0, 1), Window(8.0, 10.0, 2)), (Window(5.0, 7.0, 0),))
    course = units_by_day(resource, 20.0, weekday=1)  # day 0 is a Tuesday: the weekend is 4 to 6
    assert course == [(0.0, 3), (4.0, 0), (5.0, 1), (8.0, 2), (10.0, 3), (11.0, 0), (13.0, 3), (18.0, 0)]


def test_surges_multiply_the_rate_where_they_overlap() -> None:
    days, expected = cumulative(Poisson(1.0, surges=(Surge(2.0, 6.0, 2.0), Surge(4.0, 8.0, 3.0))), 10.0)
    assert days == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert expected == [0.0, 2.0, 6.0, 18.0, 24.0, 26.0]


def test_units_are_summed_over_the_days_that_count() -> None:
    document = copy.deepcopy(GOOD)
    document["resources"][0]["windows"] = [
        {"begin": 4.0, "end": 6.0, "units": 0},
        {"begin": 8.0, "end": 9.0, "units": 5},
    ]
    found = units_days(read_network(document), 20.0, 3.0, np.array([3.0, 5.0, 8.5, 20.0]))
    assert found[:, 0].tolist() == [0.0, 2.0, 2.0 + 4.0 + 2.5, 2.0 + 4.0 + 5.0 + 22.0]
    assert found[:, 1].tolist() == [0.0, 2.0, 5.5, 17.0]
