"""Small studies with draws of their future, for the tests of courses."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.jobs import SimulationSpec
from twins.enrollment.ahead import Ahead
from twins.enrollment.course import Held, Scene
from twins.enrollment.study import MONTH


def world(
    draws: int = 700,
    sites: int = 12,
    countries: int = 3,
    months: int = 24,
    cap: float = np.inf,
    site_cap: float = np.inf,
    wanted: int = 90,
    due: float = 400.0,
    seed: int = 1,
) -> tuple[Scene, Held]:
    """Give sites of half a subject a month, a third of them not yet open; four new ones for each country."""
    rng = np.random.default_rng(seed)
    steps = 10.0 + np.arange(months + 1.0) * MONTH
    later = np.arange(sites) % 3 == 2
    opens = np.where(later, 10.0 + rng.gamma(4.0, 20.0, (draws, sites)), 10.0)
    ahead = Ahead(
        steps,
        rng.gamma(2.0, 0.25 / MONTH, (draws, sites)),
        np.exp(np.cumsum(0.05 * rng.standard_normal((draws, countries, months)), axis=2)),
        opens,
        rng.gamma(2.0, 0.25 / MONTH, (draws, countries, 4)),
        rng.gamma(9.0, 12.0, (draws, countries, 4)),
    )
    names = tuple("ABCDEFGH"[:countries])
    places = np.arange(sites) // 3 % countries
    scene = Scene(
        10.0,
        tuple(f"{names[at]}-{k}" for k, at in enumerate(places)),
        places,
        np.full(sites, site_cap),
        tuple(not one for one in later),
        names,
        np.full(countries, cap),
        7,
        wanted,
        due,
    )
    return scene, Held(ahead)


def specification(draws: int = 600, seed: int = 3, **more: Any) -> SimulationSpec:
    """Give a small study that is only planned, with three actions."""
    inputs: dict[str, Any] = {
        "study": "ST-1",
        "target": {"subjects": 60, "day": 420.0},
        "shared_cv": 0.1,
        "countries": [
            {
                "name": "DE",
                "planned_sites": 5,
                "rate": {"mean": 0.6, "cv": 0.6},
                "cap": 40,
                "drift": 0.03,
                "activation": {"first_day": 20.0, "every_days": 20.0, "late": {"mean": 30.0, "sd": 20.0}},
                "lead": {"mean": 90.0, "sd": 20.0},
            },
            {
                "name": "ES",
                "sites": [
                    {"name": "ES-1", "rate": {"mean": 0.8, "cv": 0.4}, "cap": 30, "enrolled": 2},
                    {
                        "name": "ES-2",
                        "rate": {"mean": 0.8, "cv": 0.4},
                        "opens": {"first_day": 60.0, "late": {"mean": 10.0, "sd": 5.0}, "never": 0.1},
                    },
                ],
                "factor": [1.0, 1.0, 0.7, 1.0],
            },
        ],
        "prices": {"per_subject": 9000.0, "per_site_month": 1500.0, "per_month": 40000.0, "price_of_day": 8000.0},
        "actions": [
            {"action": "open_sites", "country": "DE", "sites": 3, "cost_per_site": 30000.0},
            {"action": "boost_site", "site": "ES-1", "factor": 1.5, "cost": 20000.0},
            {"action": "raise_cap", "country": "DE", "by": 20, "cost": 5000.0},
        ],
    }
    return SimulationSpec("enrollment", "poisson_gamma", {}, seed, draws, 900.0 * 24.0, inputs | more)
