"""Networks drawn at random: priorities, resources held over others, rework with and without an end, outages, ties."""

from __future__ import annotations

from typing import Any

import numpy as np

Document = dict[str, Any]  # Any: JSON


def random_network(seed: int, patients: int = 60) -> Document:
    """Draw the document of a network. Resources are asked for in their order, so that nobody waits for ever."""
    rng = np.random.default_rng([20260711, seed])
    count = int(rng.integers(3, 8))
    names = [f"r{k}" for k in range(count)]
    resources = [_resource(name, rng) for name in names]
    routes = [_route(f"route{k}", names, rng) for k in range(int(rng.integers(1, 3)))]
    whole = rng.random() < 0.4  # of days: many things happen at one instant
    if whole:
        for route in routes:
            for step in route["steps"]:
                step["duration"] = {"law": "deterministic", "days": float(rng.integers(0, 4))}
    classes = []
    for k in range(int(rng.integers(1, 5))):
        route = routes[int(rng.integers(len(routes)))]
        arrivals = _arrivals(k, patients // 3, whole, rng)
        classes.append(
            {"name": f"c{k}", "route": route["name"], "priority": int(rng.integers(0, 3)), "arrivals": arrivals}
        )
    start = []
    for named in range(int(rng.integers(0, 6))):
        one = classes[int(rng.integers(len(classes)))]
        steps = next(route["steps"] for route in routes if route["name"] == one["route"])
        start.append(
            {
                "patient": f"s{named}", "class": one["name"], "step": steps[int(rng.integers(len(steps)))]["name"],
                "elapsed": float(np.round(rng.exponential(1.0), 2)), "waiting": bool(rng.random() < 0.5),
            }
        )  # fmt: skip
    return {
        "name": f"random {seed}", "resources": resources, "routes": routes, "classes": classes, "start": start,
        "weekday": int(rng.integers(0, 7)),
    }  # fmt: skip


def _resource(name: str, rng: np.random.Generator) -> Document:
    units = int(rng.integers(1, 4))
    found: Document = {"name": name, "units": units}
    if rng.random() < 0.5:
        begin = float(rng.integers(1, 30))
        found["windows"] = [
            {"begin": begin, "end": begin + float(rng.integers(1, 15)), "units": int(rng.integers(0, units + 2))}
        ]
    if rng.random() < 0.3:
        found["weekly"] = [{"begin": 5.0, "end": 7.0, "units": int(rng.integers(0, units))}]
    return found


def _route(name: str, names: list[str], rng: np.random.Generator) -> Document:
    """Draw a route. Held ones come from the front of the network's order, needed ones from behind them."""
    count = int(rng.integers(2, 7))
    steps: list[Document] = []
    held = int(rng.integers(0, 3)) if len(names) > 3 else 1
    for k in range(count):
        behind = names[held:]
        size = int(rng.choice([0, 1, 1, 1, 2]))
        needs = sorted(rng.choice(behind, size=min(size, len(behind)), replace=False).tolist())
        outcomes: list[Document] = []
        if rng.random() < 0.6:
            back = int(rng.integers(0, k + 1))
            outcomes.append({"probability": float(rng.uniform(0.05, 0.3)), "to": f"step{back}"})
            if rng.random() < 0.5:
                outcomes[0] |= {"most": int(rng.integers(0, 3)), "then": str(rng.choice(["leave", "next"]))}
        if rng.random() < 0.3:
            outcomes.append({"probability": float(rng.uniform(0.01, 0.1)), "to": "leave"})
        if k + 2 < count and rng.random() < 0.2:
            outcomes.append({"probability": 0.1, "to": f"step{k + 2}"})
        steps.append({"name": f"step{k}", "duration": _law(rng), "needs": needs, "outcomes": outcomes})
    holds, free = [], 0
    for k in range(held):  # those of a later resource begin within or behind those of an earlier one
        first = int(rng.integers(free, count))
        last = int(rng.integers(first, count))
        free = first
        holds.append({"resource": names[k], "first": f"step{first}", "last": f"step{last}"})
    if len(holds) == 2 and holds[0]["last"] >= holds[1]["first"]:
        holds[1]["last"] = holds[0]["last"]  # an earlier resource must not be asked for while a later one is held
    return {"name": name, "steps": steps, "holds": holds}


def _law(rng: np.random.Generator) -> Document:
    mean = float(rng.uniform(0.2, 3.0))
    laws: list[Document] = [
        {"law": "deterministic", "days": mean},
        {"law": "exponential", "mean": mean},
        {"law": "gamma", "shape": float(rng.uniform(0.5, 20.0)), "scale": 0.1},
        {"law": "lognormal", "median": mean, "sigma": 0.5},
        {"law": "uniform", "low": 0.5 * mean, "high": 1.5 * mean},
        {"law": "empirical", "levels": [0.0, 0.3, 0.9, 1.0], "days": [0.1, 0.5, mean + 1.0, mean + 4.0]},
    ]
    return laws[int(rng.integers(len(laws)))]


def _arrivals(place: int, patients: int, whole: bool, rng: np.random.Generator) -> Document:
    draw = rng.random()
    if draw < 0.2:
        return {"kind": "closed", "patients": int(rng.integers(1, 4))}
    if draw < 0.5 or whole:
        days = np.sort(rng.integers(0, 30, patients)) if whole else np.sort(rng.uniform(0.0, 30.0, patients))
        return {
            "kind": "scheduled",
            "patients": [{"patient": f"b{place}-{k}", "day": float(day)} for k, day in enumerate(days)],
        }
    surges = [{"begin": 5.0, "end": 12.0, "factor": 3.0}] if rng.random() < 0.5 else []
    return {"kind": "poisson", "per_day": float(rng.uniform(0.3, 2.0)), "most": patients, "surges": surges}
