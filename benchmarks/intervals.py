"""How far a share that was counted may be from the true one."""

from __future__ import annotations

import math

NORMAL_90, NORMAL_95 = 1.6448536269514722, 1.959964  # standard deviations on either side of so much of a normal law


def wilson(hits: int, of: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Give Wilson's interval of a share, 95 % unless told (Wilson 1927, JASA 22:209).

    Examples
    --------
    >>> [round(x, 3) for x in wilson(95, 100)]
    [0.888, 0.978]
    """
    if of == 0:
        return 0.0, 1.0
    p = hits / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
