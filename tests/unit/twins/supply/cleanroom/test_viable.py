"""Plates read late: whom they exposed against brute force, and which rooms keep growing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.instants import DAY, HOUR, MINUTE, SECOND
from twins.supply.cleanroom.config import Adjoining, RoomConfig
from twins.supply.cleanroom.facts import PlateExposed
from twins.supply.cleanroom.viable import Presence, Window, exposed_units, growth, recurring, result

ADJOINING = (Adjoining("airlock", 10 / 60),)
CONFIG = RoomConfig(room="B1", grade="B", volume_m3=60, air_changes_per_hour=30)
presences = st.builds(
    lambda room, unit, since, length, opened: Presence(
        room, f"u{unit}", f"p{unit}", since * SECOND, None if length is None else (since + length) * SECOND, opened
    ),
    st.sampled_from(["B1", "airlock", "store"]), st.integers(0, 5), st.integers(0, 90),
    st.none() | st.integers(1, 60), st.booleans(),
)  # fmt: skip


@given(st.lists(presences, max_size=12), st.integers(0, 80), st.integers(1, 40), st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_the_exposed_are_those_of_a_grid_of_seconds(there: list[Presence], since: int, length: int, tail: int) -> None:
    window = Window("B1", "plate", since * SECOND, (since + length) * SECOND)
    found = exposed_units(there, window, tail * SECOND, ADJOINING)
    expected: dict[tuple[str, str, int, int | None, bool], list[int]] = {}
    counts: dict[tuple[str, str, int, int | None, bool], int] = {}
    for each in there:
        key = each.room, each.unit, each.since, each.until, each.opened
        counts[key] = counts.get(key, 0) + 1
        for second in range(since, since + length + (tail if each.room == "B1" else 10)):
            inside = each.since <= second * SECOND and (each.until is None or second * SECOND < each.until)
            if inside and each.room != "store" and second not in expected.setdefault(key, []):
                expected[key].append(second)
    wanted = sorted(
        (key[1], key[0], seconds[0] * SECOND, (seconds[-1] + 1) * SECOND, key[4])
        for key, seconds in expected.items() if seconds for _ in range(counts[key])
    )  # fmt: skip
    assert sorted((e.unit, e.room, e.since, e.until, e.opened) for e in found) == wanted


def test_a_unit_there_for_one_instant_was_exposed() -> None:
    window = Window("B1", "plate", 10, 20)
    assert exposed_units([Presence("B1", "u", "p", 19, 19)], window, 0)
    assert not exposed_units([Presence("B1", "u", "p", 20, 20)], window, 0)


def test_a_surface_is_doubted_from_cleaning_to_cleaning() -> None:
    plate = PlateExposed(
        at=HOUR, source="em", id="1", plate="P", kind="contact", site="bench", from_at=10 * HOUR, to_at=10 * HOUR
    )
    found = result(CONFIG, plate, 6, 4 * DAY, 7 * HOUR, 15 * HOUR)
    assert (found.window.since, found.window.until, found.verdict.level) == (7 * HOUR, 15 * HOUR, "action")
    open_ended = result(CONFIG, plate, 6, 4 * DAY)
    assert (open_ended.window.since, open_ended.window.until) == (10 * HOUR - DAY, 10 * HOUR + DAY + 1)
    assert CONFIG.recovery_us() == 552_620_422 or abs(CONFIG.recovery_us() / MINUTE - 9.21) < 0.005


def test_rooms_that_keep_growing_and_rates_that_rise_are_named() -> None:
    rng = np.random.Generator(np.random.Philox(key=11))
    plates = {f"R{k}": [(float(d), int(rng.poisson(0.1))) for d in range(120)] for k in range(8)}
    plates["R3"] = [(float(d), int(rng.poisson(0.5))) for d in range(120)]
    plates["R5"] = [(float(d), int(rng.poisson(0.05 if d < 90 else 0.6))) for d in range(120)]
    rows = {row.room: row for row in growth(plates, 119.0)}
    assert "R3" in recurring(rows.values())
    assert not {"R0", "R1", "R2", "R4", "R6", "R7"} & set(recurring(rows.values()))
    assert rows["R5"].rises > 0.99
    assert rows["R3"].low < 0.5 < rows["R3"].high
