"""The gas balance of a vessel: oxygen uptake, carbon dioxide evolution, respiratory quotient from inlet and off-gas.

Source
------
Inert balance over dry gas: what is neither oxygen nor carbon dioxide leaves as it came, so the outlet flow follows from
the inlet flow and the four mole fractions. One mole is 22.414 L at 0 C and 1 atm.
"""

from __future__ import annotations

from typing import NamedTuple

from twins.bioreactor.models.model import Array, Namespace

MOLAR_LITRES = 22.414  # L/mol at 0 C, 1 atm
AIR_OXYGEN = 0.2095
AIR_CARBON_DIOXIDE = 0.0004  # dry air; varies, give the measured inlet where there is one


class GasBalance(NamedTuple):
    """What the culture takes up and gives off, per litre of liquid."""

    oxygen_uptake: Array  # OUR [mmol/L/h]
    carbon_dioxide_evolution: Array  # CER [mmol/L/h]
    respiratory_quotient: Array  # RQ [mol/mol], NaN without oxygen uptake


def outlet_flow(inlet: Array, oxygen_in: Array, carbon_in: Array, oxygen_out: Array, carbon_out: Array) -> Array:
    """Give the flow that leaves, from the one that enters, by the balance of the inert gas.

    Examples
    --------
    >>> round(outlet_flow(60.0, 0.2095, 0.0004, 0.19, 0.02), 4)
    60.0076
    """
    return inlet * (1.0 - oxygen_in - carbon_in) / (1.0 - oxygen_out - carbon_out)


def gas_balance(
    xp: Namespace,
    inlet_litres_per_hour: Array,
    litres: Array,
    oxygen_in: Array,
    carbon_in: Array,
    oxygen_out: Array,
    carbon_out: Array,
) -> GasBalance:
    """Give OUR, CER and RQ.

    Parameters
    ----------
    inlet_litres_per_hour : array
        Dry gas that enters, as litres at 0 C and 1 atm [L/h].
    litres : array
        Liquid volume [L].
    oxygen_in, carbon_in, oxygen_out, carbon_out : array
        Mole fractions of the dry gas, 0 to 1.

    Notes
    -----
    Valid for: dry gas, steady gas hold-up, no other gas made or taken up. Not valid for: ammonia or methane in the
    off-gas, a changing head space.

    Examples
    --------
    >>> import numpy as np
    >>> [round(float(v), 3) for v in gas_balance(np, 60.0, 1.0, 0.2095, 0.0004, 0.19, 0.02)]
    [52.135, 52.474, 1.006]
    """
    out = outlet_flow(inlet_litres_per_hour, oxygen_in, carbon_in, oxygen_out, carbon_out)
    millimoles = 1000.0 / MOLAR_LITRES / litres
    oxygen = (inlet_litres_per_hour * oxygen_in - out * oxygen_out) * millimoles
    carbon = (out * carbon_out - inlet_litres_per_hour * carbon_in) * millimoles
    some = oxygen != 0.0
    quotient = xp.where(some, carbon / xp.where(some, oxygen, 1.0), xp.nan)
    return GasBalance(oxygen, carbon, quotient)
