"""A plate, live: past is past, wells may stand anywhere, the state is arrays, and the bands hold their share."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.instants import HOUR
from tests.unit.twins.bioreactor.scatter.made import CYCLE, chosen, cycle_of, made, planned_at, run
from twins.bioreactor.scatter import Bands, PlateSettings, live

SETTINGS = PlateSettings()


def arrays(state: Any) -> list[np.ndarray[Any, Any]]:  # whatever a state is made of
    """Every array of a state, however deep."""
    found: list[np.ndarray[Any, Any]] = []
    for field in fields(state):
        value = getattr(state, field.name)
        found += arrays(value) if is_dataclass(value) else [value]
    return found


def test_what_comes_later_changes_nothing_said_before() -> None:
    plate = made(cycles=130, wells=6, seed=21, sample_at=90, shift=0.1)
    other = replace(plate, scatter=plate.scatter.copy(), drawn=plate.drawn.copy())
    other.scatter[100:] *= 3.0
    other.drawn[100:] = 50.0
    _, said = run(plate, SETTINGS)
    _, again = run(other, SETTINGS)
    for one, two in zip(said[:100], again[:100], strict=True):
        for name in ("scatter", "lower", "upper", "growth"):
            assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    assert said[129].scatter.tobytes() != again[129].scatter.tobytes()


def test_the_error_of_six_hours_ahead_is_known_six_hours_later() -> None:
    """Until the first one is due, q of that lead stands as it began, however wrong the forecasts are."""
    plate = made(cycles=70, wells=6, seed=22)
    wild = replace(plate, scatter=plate.scatter.copy())
    wild.scatter[20:] *= 4.0
    settings = SETTINGS
    state = live.start(settings, 6)
    told = []
    for place in range(70):
        state, _ = live.step(
            settings, state, (place + 1) * CYCLE, cycle_of(wild, place), planned_at(wild, place, settings)
        )
        told.append(state.bands.tracked.told.tolist())
    assert told[9] == [0, 0, 0]
    assert told[10] == [1, 0, 0]
    assert told[30] == [21, 1, 0]
    assert told[59] == [50, 30, 0]
    assert told[60] == [51, 31, 1]


def test_wells_may_stand_in_any_order() -> None:
    plate = made(cycles=90, wells=7, seed=23, sample_at=70, shift=0.1)
    order = [3, 0, 6, 1, 5, 2, 4]
    _, said = run(plate, SETTINGS)
    _, other = run(chosen(plate, order), SETTINGS)
    for one, two in zip(said, other, strict=True):
        assert one.lower[:, order].tobytes() == two.lower.tobytes()
        assert one.growth[order].tobytes() == two.growth.tobytes()


def test_the_state_is_plain_arrays_of_a_fixed_size_and_is_left_as_it_was() -> None:
    plate = made(cycles=130, wells=4, seed=24)
    early, _ = run(replace(plate, scatter=plate.scatter[:3]), SETTINGS)
    late, _ = run(plate, SETTINGS)
    assert {array.dtype.name for array in arrays(late)} == {"float64", "int64"}
    assert [array.shape for array in arrays(early)] == [array.shape for array in arrays(late)]
    kept = [array.tobytes() for array in arrays(late)]
    live.step(SETTINGS, late, 131 * CYCLE, cycle_of(plate, 129), planned_at(plate, 129, SETTINGS))
    assert [array.tobytes() for array in arrays(late)] == kept


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03])
def test_bands_hold_their_share_of_runs_that_the_filter_does_not_expect(noise: float) -> None:
    """The filter lets level and yield wander, these runs do not: its own spread is too wide, and the bands find out."""
    plate = made(cycles=400, wells=24, seed=25, noise=noise)
    _, said = run(plate, SETTINGS)
    for place, lead in enumerate((10, 30, 60)):
        held, own = [], []
        for i in range(120, 400 - lead):
            truth = plate.scatter[i + lead]
            held.append(np.mean((truth >= said[i].lower[place]) & (truth <= said[i].upper[place])))
            own.append(np.mean(np.abs(np.log(truth / said[i].scatter[place]))))
        print(f"noise {noise}, lead {lead}: held {np.mean(held):.3f}")
        # too wide at first, and errors of a longer lead are known later: only the shortest has surely arrived
        assert np.mean(held) > 0.86
        if lead == 10:
            assert np.mean(held) < 0.93


def test_a_lead_is_not_narrowed_before_its_own_errors_are_known() -> None:
    plate = made(cycles=80, wells=24, seed=26, noise=0.003)
    _, said = run(plate, SETTINGS)
    width = np.array([np.mean(np.log(one.upper / one.lower), axis=1) for one in said])
    assert width[59, 2] > 0.9 * width[40, 2]  # six hours ahead: calm is not believed yet
    assert width[79, 2] < 0.8 * width[59, 2]  # now it is
    assert width[59, 0] < 0.8 * width[9, 0]


@pytest.mark.parametrize(
    "wrong", [{"leads": ()}, {"leads": (3 * HOUR, HOUR)}, {"leads": (0, HOUR)}, {"clip": 0.0}, {"slots": 0}]
)
def test_wrong_bands_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        Bands(**wrong)


def test_wrong_plates_are_refused() -> None:
    with pytest.raises(SettingsError):
        PlateSettings(peer_spread=-1.0)
    with pytest.raises(SettingsError):
        PlateSettings(growth_hours=(1.0,))
