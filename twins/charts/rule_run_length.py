"""Exact average run lengths of run rules, from the chain of everything the rules can remember.

A point falls into one of eight zones between the lines at -3 ... 3 standard deviations. What the wanted rules still
remember after it is the state of a Markov chain, and the very code that runs live gives its transitions. The run
length follows from one sparse set of linear equations.

Source
------
Champ and Woodall 1987, Exact results for Shewhart control charts with supplementary runs rules, Technometrics 29:393.
Nelson's rules 3 and 4 compare points with each other, not with lines, and have no such chain; `simulation` measures
them.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, identity
from scipy.sparse.linalg import spsolve
from scipy.special import ndtr

from schemas.errors import SettingsError
from twins.charts import rules
from twins.charts.points import Floats, Marks

_LINES = np.arange(-3.0, 4.0)
_ZONES = np.arange(-3.5, 4.0)  # a point of each
_ABSORBED = -1


def rules_arl(wanted: int, shift: float = 0.0) -> float:
    """Give the mean number of points until one of the wanted rules fires.

    Parameters
    ----------
    wanted : int
        Bits of `twins.charts.rules`, without Nelson's rules 3 and 4.
    shift : float
        The mean of the residuals, in their standard deviations, from the first point on.

    Returns
    -------
    float
        In points.

    Raises
    ------
    SettingsError
        If no rule is wanted, or one that has no chain.

    Examples
    --------
    >>> round(rules_arl(rules.WESTERN_ELECTRIC), 2)
    91.75
    """
    known = (rules.NELSON | rules.WESTERN_ELECTRIC) & ~(rules.NELSON_3 | rules.NELSON_4)
    if not wanted or wanted & ~known:
        raise SettingsError(
            f"expected rules that look at zones, received {rules.names_of(wanted) or wanted}; "
            "measure Nelson's rules 3 and 4 with twins.charts.simulation"
        )
    below = ndtr(_LINES - shift)
    chances = np.diff(below, prepend=0.0, append=1.0)
    successors = _explore(wanted)
    count = len(successors)
    states, zones = np.nonzero(successors != _ABSORBED)
    onward = coo_matrix((chances[zones], (states, successors[states, zones])), shape=(count, count))
    lengths: Floats = spsolve(identity(count, format="csc") - onward.tocsc(), np.ones(count))
    return float(lengths[0])


def _explore(wanted: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Give the successor of each state by zone, shape (states, 8); a signal is `_ABSORBED`. State 0 is the start."""
    frontier = np.zeros((rules.REGISTERS, 1), np.uint16)
    index: dict[bytes, int] = {frontier[:, 0].tobytes(): 0}
    rows: list[list[int]] = []
    while frontier.shape[1]:
        found: list[Marks] = []
        for state in frontier.T:
            places = len(_ZONES)
            still = np.ones(places, np.bool_)  # the first of all: rising and falling are not asked for
            after = rules.advance(np.repeat(state[:, None], places, axis=1), _ZONES, still, _ZONES)
            fired = rules.judge(after, _ZONES) & wanted
            after = _remembered(after, wanted)
            row: list[int] = []
            for place in range(places):
                key = after[:, place].tobytes()
                if fired[place]:
                    row.append(_ABSORBED)
                    continue
                if key not in index:
                    index[key] = len(index)
                    found.append(after[:, place])
                row.append(index[key])
            rows.append(row)
        frontier = np.array(found, np.uint16).reshape(-1, rules.REGISTERS).T
    return np.array(rows, np.int64)


def _remembered(registers: Marks, wanted: int) -> Marks:
    """Keep of the registers only what can still matter to a wanted rule."""
    kept = np.zeros_like(registers)
    side = 8 if wanted & rules.NELSON_2 else 7 if wanted & rules.WESTERN_ELECTRIC_4 else 0
    for row in (rules.ABOVE, rules.BELOW):
        kept[row] = _tail(registers[row]) & _newest(side)
    within = 14 if wanted & rules.NELSON_7 else 0
    kept[rules.WITHIN_1] = _tail(registers[rules.WITHIN_1]) & _newest(within)
    outside = _tail(registers[rules.ABOVE_1] | registers[rules.BELOW_1])
    outside &= _newest(7 if wanted & rules.NELSON_8 else 0)
    four = _newest(4 if wanted & (rules.NELSON_6 | rules.WESTERN_ELECTRIC_3) else 0)
    for row in (rules.ABOVE_1, rules.BELOW_1):
        kept[row] = registers[row] & (outside | four)
    two = _newest(2 if wanted & (rules.NELSON_5 | rules.WESTERN_ELECTRIC_2) else 0)
    for row in (rules.ABOVE_2, rules.BELOW_2):
        kept[row] = registers[row] & two
    return kept


def _newest(points: int) -> np.uint16:
    return np.uint16((1 << points) - 1)


def _tail(register: Marks) -> Marks:
    """Keep the unbroken run of marks that ends with the newest point."""
    return register & ~(register + np.uint16(1))
