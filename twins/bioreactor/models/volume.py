"""Volume bookkeeping that every vessel shares: feed, evaporation, bolus, sample.

A feed brings mass and volume; evaporation takes volume alone, and so thickens; a sample takes both, and so leaves every
concentration as it is.

Source
------
Mass balance of a well mixed vessel: d(c V)/dt = F c_in + r V, dV/dt = F - E, hence dc/dt = r + F/V c_in - (F-E)/V c.
"""

from __future__ import annotations

from typing import NamedTuple

from twins.bioreactor.models.model import Array, InputInfo, Namespace, StateInfo, available, stack

DRY_LITRES = 1e-6  # assumed: nothing evaporates from less than a drop, so that the volume cannot reach 0

FEED_RATE = InputInfo("feed_rate", "L/h", 0.0, "liquid fed", high=1e6)
EVAPORATION = InputInfo("evaporation_rate", "L/h", 0.0, "water that evaporates", high=1e6)


class Exchange(NamedTuple):
    """What flows do to concentrations: dc/dt = rate + inflow c_in - net c; and to the volume."""

    inflow: Array  # F/V [1/h]
    net: Array  # (F - E)/V [1/h]
    volume_rate: Array  # F - E [L/h]


def volume_state(initial: float) -> StateInfo:
    """Give the state of the liquid volume."""
    return StateInfo("volume", "L", "log", initial, "liquid volume", initial, "volume")


def feed_of(state: StateInfo, default: float) -> InputInfo:
    """Give the input that says how much of a state the feed holds."""
    return InputInfo(f"feed_{state.name}", state.unit, default, f"{state.name} in the feed")


def exchange(volume: Array, feed: Array, evaporation: Array) -> Exchange:
    """Work out what feed and evaporation do.

    Parameters
    ----------
    volume : array
        Liquid volume, above 0 [L].
    feed, evaporation : array
        Flows, 0 or more [L/h].

    Examples
    --------
    >>> flows = exchange(2.0, 0.1, 0.0)
    >>> flows.inflow, flows.net, flows.volume_rate
    (0.05, 0.05, 0.1)
    """
    lost = evaporation * available(volume, DRY_LITRES)
    return Exchange(feed / volume, (feed - lost) / volume, feed - lost)


def add_bolus(xp: Namespace, states: tuple[StateInfo, ...], x: Array, litres: Array, holds: Array) -> Array:
    """Give the states after something was added at once.

    Parameters
    ----------
    x : array, shape (states, ...)
        States before; one of them has the role `volume`.
    litres : array
        Volume added, 0 or more [L].
    holds : array, shape (states, ...)
        What the bolus holds of each state, in its unit; rows that are no concentration are not looked at.

    Examples
    --------
    >>> import numpy as np
    >>> glucose = StateInfo("glucose", "mmol/L", "softplus", 1.0, "", 20.0)
    >>> add_bolus(np, (glucose, volume_state(1.0)), np.array([2.0, 1.0]), 0.25, np.array([22.0, 0.0])).tolist()
    [6.0, 1.25]
    """
    volume = x[place_of_volume(states)]
    after = volume + litres
    mixed = []
    for i, state in enumerate(states):
        if state.role == "concentration":
            mixed.append((x[i] * volume + holds[i] * litres) / after)
        else:
            mixed.append(after if state.role == "volume" else x[i])
    return stack(xp, *mixed)


def draw_sample(xp: Namespace, states: tuple[StateInfo, ...], x: Array, litres: Array) -> Array:
    """Give the states after a sample was drawn: less volume, the same concentrations.

    Examples
    --------
    >>> import numpy as np
    >>> glucose = StateInfo("glucose", "mmol/L", "softplus", 1.0, "", 20.0)
    >>> draw_sample(np, (glucose, volume_state(1.0)), np.array([2.0, 1.0]), 0.25).tolist()
    [2.0, 0.75]
    """
    place = place_of_volume(states)
    return stack(xp, *(x[i] - litres if i == place else x[i] for i in range(len(states))))


def place_of_volume(states: tuple[StateInfo, ...]) -> int:
    """Give the row of the volume."""
    return next(row for row, state in enumerate(states) if state.role == "volume")
