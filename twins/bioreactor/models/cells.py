"""What cultures of animal cells share: the states of a CHO culture, viability, the output of growth."""

from __future__ import annotations

from twins.bioreactor.models.model import Array, Namespace, Output, Rates, StateInfo, rows

# Initial values are assumed: an inoculum of 0.2e6 cells/mL in a usual medium.
CHO_CULTURE = (
    StateInfo("viable_cells", "/L", "log", 1e8, "viable cells", 2e8),
    StateInfo("dead_cells", "/L", "softplus", 1e8, "dead cells", 0.0),
    StateInfo("glucose", "mmol/L", "softplus", 1.0, "glucose", 25.0),
    StateInfo("glutamine", "mmol/L", "softplus", 0.1, "glutamine", 4.0),
    StateInfo("lactate", "mmol/L", "softplus", 1.0, "lactate", 0.0),
    StateInfo("ammonia", "mmol/L", "softplus", 0.1, "ammonia", 0.0),
)


def viability(xp: Namespace, t: Array, x: Array, u: Array, p: Array) -> Array:
    """Give viable cells, the first state, as a share of them and the second, dead cells [%]; 100 without any."""
    X, XD = rows(x, 2)
    some = X + XD > 0.0
    return xp.where(some, 100.0 * X / xp.where(some, X + XD, 1.0), 100.0)


VIABILITY = Output("viability", "%", "viable cells of all cells", viability)


def growth_output(of: Rates) -> Output:
    """Give the output of the specific growth rate, for models that have a death rate beside it."""
    return Output("growth_rate", "/h", "specific growth rate, death not taken off", of)
