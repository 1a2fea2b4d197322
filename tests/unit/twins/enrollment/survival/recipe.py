"""A trial of 300 subjects by the recipe that eventPred publishes for its example data (`data-raw/DATASET.R`).

Drawn by R's generators, written anew here: Mersenne twister with R's seeding, inversion by -ln u, and exponentials by
Ahrens and Dieter 1972, algorithm SA. Enrollment is that of the package's data sets interimData1 and 2 to the day; the
times to event are of an earlier version of the recipe, so counts of events differ from the package's.
"""

from __future__ import annotations

import math

import numpy as np

from twins.enrollment.study import Floats

MONTH = 30.4375
SUBJECTS = 300


class Stream:
    """Uniforms and exponentials as `set.seed(seed)` gives them in R."""

    def __init__(self, seed: int) -> None:
        state = []
        for turn in range(50 + 625):
            seed = (69069 * seed + 1) % 2**32
            if turn >= 51:
                state.append(seed)
        generator = np.random.MT19937()
        generator.state = {"bit_generator": "MT19937", "state": {"key": np.array(state, dtype=np.uint32), "pos": 624}}
        self._raw = generator.random_raw
        steps = [math.log(2) ** k / math.factorial(k) for k in range(1, 17)]
        self._sums = np.cumsum(steps).tolist()

    def uniform(self) -> float:
        return float(self._raw()) * 2.3283064365386963e-10  # 2^-32, as R rounds it

    def exponential(self) -> float:
        whole, u = 0.0, 2.0 * self.uniform()
        while u <= 1.0:
            whole, u = whole + math.log(2), 2.0 * u
        u -= 1.0
        if u <= self._sums[0]:
            return whole + u
        least, turn = min(self.uniform(), self.uniform()), 1
        while u > self._sums[turn]:
            least, turn = min(least, self.uniform()), turn + 1
        return whole + least * math.log(2)


def trial() -> tuple[Floats, Floats, Floats]:
    """Give days of entry (the first day is 1), times to event and to drop-out, each (300,) in whole days."""
    stream = Stream(123)
    starts, rates = np.arange(9.0) * MONTH, 26 / 9 * np.arange(1.0, 10.0) / MONTH
    spent = np.cumsum([-math.log(stream.uniform()) for _ in range(SUBJECTS)])
    entry = np.ceil(_invert(spent, starts, rates))
    treated = np.array([stream.uniform() >= 0.5 for _ in range(SUBJECTS)])
    event = np.empty(SUBJECTS)
    for arm, after in ((True, 0.0309), (False, 0.0533)):
        draws = np.array([stream.exponential() for _ in range(int((treated == arm).sum()))])
        event[treated == arm] = _invert(draws, np.array([0.0, 6 * MONTH]), np.array([0.0533, after]) / MONTH)
    gone = np.array([stream.exponential() for _ in range(SUBJECTS)]) / (-math.log(0.95) / 365)
    return entry, np.ceil(event), np.ceil(gone)


def _invert(spent: Floats, starts: Floats, rates: Floats) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(rates[:-1] * np.diff(starts))])
    piece = np.searchsorted(sums, spent, side="right") - 1
    return np.asarray(starts[piece] + (spent - sums[piece]) / rates[piece], dtype=np.float64)
