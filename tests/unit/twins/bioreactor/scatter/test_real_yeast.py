"""The published yeast plate: the bars of its forecasts, on the whole plate and on the half nobody looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.report import Report
from benchmarks.yeast.forecast import forecasts
from benchmarks.yeast.plate import Plate, read_plate, sampled, target
from benchmarks.yeast.runs import DATA, SETTINGS, fill

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def plate() -> Plate:
    if not DATA.is_file():
        pytest.skip(f"the published data set is not there: {DATA}")
    return read_plate(DATA)


def test_every_bar_is_met(plate: Plate) -> None:
    report = Report("yeast", "", {})
    fill(report, plate, seed=1)
    print(report.markdown())
    assert len(report.bars) == 28
    assert [bar.what for bar in report.bars if not bar.met] == []


def test_nothing_is_known_of_what_comes_later(plate: Plate) -> None:
    """The same to the bit when all readings and samples after a cycle are other ones; the feed plan stays."""
    cut = 290  # between the first samplings and the last
    told = np.arange(len(plate.instants))[:, None] <= cut
    other = replace(
        plate,
        scatter=np.where(told, plate.scatter, plate.scatter * 2.0),
        drawn=np.where(told, plate.drawn, 0.0),
        volume=np.where(told, plate.volume, plate.volume * 1.5),
    )
    one, two = forecasts(plate, SETTINGS), forecasts(other, SETTINGS)
    for name in ("scatter", "lower", "upper"):
        assert getattr(one, name)[:, : cut + 1].tobytes() == getattr(two, name)[:, : cut + 1].tobytes()
    assert one.growth[: cut + 1].tobytes() == two.growth[: cut + 1].tobytes()


def test_windows_and_their_samplings_are_found(plate: Plate) -> None:
    assert plate.scatter.shape == (397, 32)
    assert int((plate.drawn > 0).sum()) == 64
    for lead in (1.0, 3.0, 6.0):
        end = target(plate, lead)
        for cycle in np.flatnonzero(end >= 0)[::17]:
            assert abs(plate.hours[end[cycle]] - plate.hours[cycle] - lead) <= 0.06 + 1e-9
            held = (plate.drawn[cycle : end[cycle] + 1] > 0).any(axis=0)
            assert np.array_equal(sampled(plate, lead)[cycle], held)
