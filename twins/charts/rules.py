"""Western Electric and Nelson rules on standardised residuals, for many charts at once.

A chart is one tag of one unit. It remembers the marks of its last 15 points, packed in nine registers of 16 bits,
and the last residual; nothing else can grow. Every chart is computed element by element, so its result does not
depend on its neighbours.

What the texts leave open is decided so: a point on a line is not beyond it, a point on the centre line is on
neither side, equal neighbours neither rise nor fall. A rule looks at the last points at every point and is never
restarted by a signal: it fires again at each further point that ends such a sequence, as both texts mark the last
point of every sequence. Where m of n points count, the last point is one of the m; the odd one may lie anywhere.

Source
------
Western Electric Company, Statistical Quality Control Handbook, 1956, pp. 25-28. Nelson 1984, The Shewhart control
chart: tests for special causes, J. Quality Technology 16:237. Nelson's test 7 asks for zone C on either side, his
test 8 for points on both sides with none in zone C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twins.charts.points import NEVER, Bools, Floats, Ints, Marks, begins, check_shapes, chosen

# Bits of what fired.
NELSON_1, NELSON_2, NELSON_3, NELSON_4, NELSON_5, NELSON_6, NELSON_7, NELSON_8 = (1 << bit for bit in range(8))
WESTERN_ELECTRIC_1, WESTERN_ELECTRIC_2, WESTERN_ELECTRIC_3, WESTERN_ELECTRIC_4 = (1 << bit for bit in range(8, 12))
NELSON = 0x0FF
WESTERN_ELECTRIC = 0xF00
MEANINGS: tuple[tuple[str, str], ...] = (
    ("nelson.1", "1 point beyond 3 sigma"),
    ("nelson.2", "9 points in a row on one side of the centre line"),
    ("nelson.3", "6 points in a row, each above the one before, or each below"),
    ("nelson.4", "14 points in a row, up and down in turn"),
    ("nelson.5", "2 of 3 points in a row beyond 2 sigma on one side"),
    ("nelson.6", "4 of 5 points in a row beyond 1 sigma on one side"),
    ("nelson.7", "15 points in a row within 1 sigma of the centre line, on either side"),
    ("nelson.8", "8 points in a row, none within 1 sigma, on both sides"),
    ("western_electric.1", "1 point beyond 3 sigma"),
    ("western_electric.2", "2 of 3 points in a row beyond 2 sigma on one side"),
    ("western_electric.3", "4 of 5 points in a row beyond 1 sigma on one side"),
    ("western_electric.4", "8 points in a row on one side of the centre line"),
)

# Rows of the registers; in each, bit 0 is the newest point.
ABOVE, BELOW, ABOVE_1, BELOW_1, ABOVE_2, BELOW_2, WITHIN_1, ROSE, FELL = range(9)
REGISTERS = 9
REMEMBERED = 15  # points: what the longest rule looks at

_ALL = (1 << REMEMBERED) - 1
_ZIG, _ZAG = 0x1555, 0x0AAA  # 13 differences that alternate


@dataclass(frozen=True, slots=True, eq=False)
class RuleState:
    """What n charts remember.

    Parameters
    ----------
    registers : array of uint16, shape (9, n)
        The marks of the last 15 points.
    previous : array, shape (n,)
        The last residual; means something where `seen` does.
    seen : array of int64, shape (n,)
        The newest point's instant [us], `NEVER` where there was none.
    """

    registers: Marks
    previous: Floats
    seen: Ints


def start(count: int) -> RuleState:
    """Give the state of so many charts that have seen nothing."""
    return RuleState(np.zeros((REGISTERS, count), np.uint16), np.zeros(count), np.full(count, NEVER, np.int64))


def step(
    state: RuleState, instants: Ints, residuals: Floats, there: Bools, longest_gap: int | Ints
) -> tuple[RuleState, Marks]:
    """Fold at most one point into each chart, and say which rules fire at it.

    Parameters
    ----------
    state : RuleState
        Of n charts; it is left as it was.
    instants : array of int64, shape (n,)
        When each point happened [us].
    residuals : array, shape (n,)
        Standardised residuals: mean 0 and standard deviation 1 while all is well. One that is not finite is missing.
    there : array of bool, shape (n,)
        Which charts have a point. A missing one counts as no point: the chart stays as it was.
    longest_gap : int or array of int64, shape (n,)
        A chart silent for longer than this forgets its points before it takes the new one [us].

    Returns
    -------
    (RuleState, array of uint16, shape (n,))
        The new state, and the rules that fired as bits (`names_of` reads them); 0 where there was no point.

    Raises
    ------
    ShapeError
        If the arrays do not have one element a chart.

    Examples
    --------
    >>> state, fired = step(start(1), np.array([0]), np.array([3.5]), np.array([True]), 60_000_000)
    >>> names_of(int(fired[0]))
    ('nelson.1', 'western_electric.1')
    """
    check_shapes(state.seen, instants, residuals, there)
    take = there & np.isfinite(residuals)
    fresh = begins(state.seen, instants, longest_gap)
    registers = advance(np.where(fresh, np.uint16(0), state.registers), state.previous, fresh, residuals)
    fired = np.where(take, judge(registers, residuals), np.uint16(0))
    return chosen(take, RuleState(registers, residuals, np.maximum(instants, state.seen)), state), fired


def restart(state: RuleState, which: Bools) -> RuleState:
    """Make charts forget their points, as after a correction of the process."""
    return chosen(which, start(len(state.seen)), state)


def names_of(fired: int) -> tuple[str, ...]:
    """Name the rules of a bit mask."""
    return tuple(name for bit, (name, _) in enumerate(MEANINGS) if fired >> bit & 1)


def advance(registers: Marks, previous: Floats, fresh: Bools, z: Floats) -> Marks:
    """Push one point's marks into the registers, shape (9, n); `fresh` charts have no point before it."""
    marks = np.array([
        z > 0, z < 0, z > 1, z < -1, z > 2, z < -2, np.abs(z) <= 1, (z > previous) & ~fresh, (z < previous) & ~fresh,
    ])  # fmt: skip
    pushed: Marks = ((registers << 1) | marks) & np.uint16(_ALL)
    return pushed


def judge(r: Marks, z: Floats) -> Marks:
    """Say which rules fire, from registers that end with the point `z`."""
    beyond_3 = np.abs(z) > 3
    two_of_three = _of(r[ABOVE_2], 2, 3) | _of(r[BELOW_2], 2, 3)
    four_of_five = _of(r[ABOVE_1], 4, 5) | _of(r[BELOW_1], 4, 5)
    up, down = r[ROSE] & _bits(13), r[FELL] & _bits(13)
    both_sides = (r[ABOVE_1] & _bits(8) != 0) & (r[BELOW_1] & _bits(8) != 0)
    rules = (
        beyond_3,
        _run(r[ABOVE], 9) | _run(r[BELOW], 9),
        _run(r[ROSE], 5) | _run(r[FELL], 5),
        ((up == _ZIG) & (down == _ZAG)) | ((up == _ZAG) & (down == _ZIG)),
        two_of_three,
        four_of_five,
        _run(r[WITHIN_1], 15),
        _run(r[ABOVE_1] | r[BELOW_1], 8) & both_sides,
        beyond_3,
        two_of_three,
        four_of_five,
        _run(r[ABOVE], 8) | _run(r[BELOW], 8),
    )
    fired = np.zeros(z.shape, np.uint16)
    for bit, fires in enumerate(rules):
        fired |= fires.astype(np.uint16) << np.uint16(bit)
    return fired


def _bits(count: int) -> np.uint16:
    return np.uint16((1 << count) - 1)


def _run(register: Marks, count: int) -> Bools:
    """Whether the last `count` points all have the mark."""
    whole: Bools = (register & _bits(count)) == _bits(count)
    return whole


def _of(register: Marks, least: int, count: int) -> Bools:
    """Whether the last point and at least `least` of the last `count` have the mark."""
    enough: Bools = np.bitwise_count(register & _bits(count)) >= least
    return enough & (register & np.uint16(1) > 0)
