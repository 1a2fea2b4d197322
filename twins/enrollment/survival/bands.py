"""Quantiles of whole numbers whose intervals hold what they say on average, rather than at least that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twins.enrollment.study import Floats


def number_quantiles(numbers: Floats, levels: Sequence[float]) -> Floats:
    """Give quantiles of draws of whole numbers, such that from one to another, both counted in, lies their difference.

    A number has a probability of its own, so an interval from the usual 5 % to the usual 95 % quantile holds more than
    90 %. Below the median the number is taken whose P(less) is nearest to the level; above it, whose P(at most) is.

    Parameters
    ----------
    numbers : array, shape (draws, t)
        Whole numbers.
    levels : sequence of float
        Within 0 and 1.

    Returns
    -------
    array, shape (t, levels)

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.repeat(np.arange(5.0), [3, 12, 70, 12, 3])[:, None]
    >>> number_quantiles(draws, (0.05, 0.5, 0.95)).tolist()
    [[1.0, 2.0, 3.0]]
    """
    ordered, draws = np.sort(numbers, axis=0), len(numbers)
    out = np.empty((numbers.shape[1], len(levels)))
    for k, level in enumerate(levels):
        usual = ordered[max(int(np.ceil(level * draws - 1e-9)), 1) - 1]
        less, at_most = (numbers < usual).mean(axis=0), (numbers <= usual).mean(axis=0)
        if level < 0.5:
            out[:, k] = np.where(level - less <= at_most - level, usual, usual + 1.0)
        elif level > 0.5:
            out[:, k] = np.where(at_most - level <= level - less, usual, usual - 1.0)
        else:
            out[:, k] = usual
    return out
