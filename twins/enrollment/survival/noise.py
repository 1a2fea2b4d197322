"""The random numbers behind a forecast of events: the same for the same seed, purpose, subject and draw, always.

A study that gains a subject, or a forecast that is asked again with another hazard, keeps every other number, so what
is compared differs by what was changed and by nothing else.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twins.enrollment.study import Floats, Ints

EVENT, DROPOUT, ARRIVAL, EVENT_LAW, DROPOUT_LAW = range(5)  # what numbers are for
BLOCK: Final = 256  # draws of one generator: draw j of subject i does not depend on how many draws are asked


def exponentials(seed: int, purpose: int, subjects: Ints, draws: int) -> Floats:
    """Draw unit exponentials, one for each subject and draw.

    Parameters
    ----------
    seed, purpose : int
        Of the forecast; one of the purposes above.
    subjects : array of int, shape (n,)
        Which subjects, ascending; those left out before the first cost nothing.
    draws : int
        How many draws.

    Returns
    -------
    array, shape (n, draws)

    Examples
    --------
    >>> import numpy as np
    >>> all_of_them = exponentials(7, EVENT, np.arange(5), 300)
    >>> bool((all_of_them[[2, 4]] == exponentials(7, EVENT, np.array([2, 4]), 512)[:, :300]).all())
    True
    """
    out = np.empty((len(subjects), draws))
    if not len(subjects):
        return out
    first, count = int(subjects[0]), int(subjects[-1] - subjects[0]) + 1
    for block in range(-(-draws // BLOCK)):
        bits = np.random.Philox(key=_key(seed, purpose, block)).advance(first * BLOCK // 4)  # 4 numbers to a step
        part = out[:, block * BLOCK : (block + 1) * BLOCK]
        part[:] = np.random.Generator(bits).random((count, BLOCK))[subjects - first, : part.shape[1]]
    np.negative(out, out=out)
    np.log1p(out, out=out)
    return np.negative(out, out=out)


def strata(seed: int, purpose: int, part: int, draws: int) -> Floats:
    """Draw one uniform number in each of equal strata, in random order.

    Quantiles of what is made of them are closer to the true ones than those of independent numbers.

    Returns
    -------
    array, shape (draws,)
        Within (0, 1).
    """
    rng = np.random.Generator(np.random.Philox(key=_key(seed, purpose, 1_000_000 + part)))
    return (rng.permutation(draws) + np.clip(rng.random(draws), 1e-9, 1 - 1e-9)) / draws


def _key(seed: int, purpose: int, block: int) -> NDArray[np.uint64]:
    return np.array([seed % 2**64, (purpose << 32) + block], dtype=np.uint64)
