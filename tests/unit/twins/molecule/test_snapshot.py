"""Checkpoints come back whole, or not at all. Needs no OpenMM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SnapshotError
from twins.molecule.observing import COLUMNS
from twins.molecule.snapshot import Mark, Origin, pack, unpack

OF = "a" * 64


def mark(reports: int = 3) -> Mark:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(reports, len(COLUMNS)))
    rows[:, -1] = np.nan
    origin = Origin("8.6.1", "CPU", "cpu", "mixed", 1)
    return Mark(OF, origin, 40, True, rows, rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), np.eye(3), b"native")


@pytest.mark.parametrize("reports", [0, 3])
def test_what_is_packed_comes_back_to_the_bit(reports: int) -> None:
    one = mark(reports)
    back = unpack(pack(one), OF)
    assert (back.of, back.origin, back.at, back.exact, back.native) == (OF, one.origin, 40, True, b"native")
    for name in ("rows", "positions", "velocities", "box"):
        assert getattr(back, name).tobytes() == getattr(one, name).tobytes()
        assert getattr(back, name).shape == getattr(one, name).shape
    assert pack(back) == pack(one)


@given(st.integers(0, len(pack(mark())) * 8 - 1))
def test_a_flipped_bit_is_seen(bit: int) -> None:
    body = bytearray(pack(mark()))
    body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SnapshotError):
        unpack(bytes(body), OF)


@given(st.integers(0, len(pack(mark())) - 1))
def test_a_torn_one_is_seen(length: int) -> None:
    with pytest.raises(SnapshotError):
        unpack(pack(mark())[:length], OF)


def test_that_of_another_specification_is_not_taken() -> None:
    with pytest.raises(SnapshotError, match="specification"):
        unpack(pack(mark()), "b" * 64)
