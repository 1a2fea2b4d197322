"""The bottleneck on small traces, and against the definition applied instant by instant."""

from __future__ import annotations

import numpy as np

from twins.supply.network.bottleneck import shares


def test_shares_of_a_small_trace() -> None:
    resource = np.array([0, 1, 0, 2])
    period = np.array([[0.0, 4.0], [3.0, 10.0], [6.0, 8.0], [12.0, 13.0]])
    sole, shifting = shares(resource, period, 3, 0.0, 20.0)
    np.testing.assert_allclose(sole, [3.0 / 20.0, 6.0 / 20.0, 1.0 / 20.0])
    np.testing.assert_allclose(shifting, [1.0 / 20.0, 1.0 / 20.0, 0.0])


def test_whoever_is_sole_has_the_longest_period_at_that_time() -> None:
    rng = np.random.default_rng(5)
    resource, rows = [], []
    for r in range(4):
        day = rng.exponential(2.0)
        while day < 100.0:
            length = rng.exponential(3.0)
            resource.append(r)
            rows.append((day, min(day + length, 100.0)))
            day += length + rng.exponential(2.0)
    period = np.array(rows)
    sole, shifting = shares(np.array(resource), period, 4, 0.0, 100.0)
    owner = np.zeros(4)
    grid = (np.arange(100_000) + 0.5) / 1_000.0
    for day in grid:
        active = (period[:, 0] <= day) & (day < period[:, 1])
        if active.any():
            longest = np.argmax(np.where(active, period[:, 1] - period[:, 0], -1.0))
            owner[resource[int(longest)]] += 1.0 / len(grid)
    assert (sole <= owner + 1e-3).all()  # sole: its own time less that in which it shifts
    assert (owner <= sole + shifting + 1e-3).all()
    assert sole.sum() + shifting.sum() / 2.0 <= 1.0 + 1e-9
