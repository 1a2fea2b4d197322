"""Numbers that chance gives, by name: the same seed, purpose and draw always meet the same number.

That is what makes two scenarios comparable draw by draw (common random numbers), and an answer independent of how the
draws are cut into pieces or spread over threads.
"""

from __future__ import annotations

import hashlib

import numpy as np

from twins.enrollment.study import Floats

BLOCK = 512  # draws that share a key; pieces of work are whole blocks
_EDGE = 2.0**-48  # as near as a uniform comes to 0 and to 1


def uniforms(seed: int, purpose: str, block: int, rows: int, draws: int = BLOCK) -> Floats:
    """Give uniforms in (0, 1), shape (draws, rows), of one block of draws.

    More rows or fewer draws change none of those that were there.

    Examples
    --------
    >>> few, more = uniforms(7, "DE", 3, 2, 5), uniforms(7, "DE", 3, 4)
    >>> bool((few == more[:5, :2]).all())
    True
    """
    drawn = generator(seed, purpose, block).random((rows, BLOCK))
    return np.clip(drawn[:, :draws], _EDGE, 1.0 - _EDGE).T


def generator(seed: int, purpose: str, block: int) -> np.random.Generator:
    """Give the source of chance of a block of draws for one purpose. Draw `BLOCK` of each, keep what is needed."""
    name = hashlib.blake2b(f"{seed}|{purpose}|{block}".encode(), digest_size=16).digest()
    key = np.frombuffer(name, dtype=np.dtype("<u8")).astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
