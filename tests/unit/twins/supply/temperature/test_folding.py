"""One set of rows, one belief: whatever the order, the split, the doubling, live or as a download."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from schemas.errors import ShapeError
from schemas.instants import MINUTE
from twins.supply.temperature import (
    FILL,
    TEMPERATURE,
    TILT,
    Dose,
    DoseState,
    Excursions,
    Filtered,
    Folded,
    Hold,
    Limit,
    Logger,
    Payload,
    Shipper,
    Together,
    fold,
    new_box,
    start,
)

SHIPPER = Shipper(hold_hours=240.0)
PAYLOAD = Payload(Logger(0.5, 0.25))
LAW = Together(
    (
        Hold(SHIPPER, new_box(SHIPPER), PAYLOAD),
        Excursions((Limit("cryo", above=-150.0),)),
        Filtered(PAYLOAD, Dose(83.0, -150.0, (-150.0,))),
    )
)


def rows(count: int = 300, seed: int = 5) -> tuple[list[int], list[int], list[float]]:
    rng = np.random.default_rng(seed)
    instants = np.cumsum(rng.integers(1, 20, count)) * MINUTE
    kinds = rng.choice([TEMPERATURE, FILL, TILT], count, p=[0.6, 0.3, 0.1])
    fill = 1.0 - instants / (240.0 * 60 * MINUTE) + rng.normal(0.0, 0.03, count)
    warm = np.where(np.arange(count) > 80, -190.0 + (np.arange(count) - 80.0), -190.0) + rng.normal(0.0, 0.5, count)
    values = np.choose(kinds, [warm, fill, (rng.random(count) < 0.3).astype(float)])
    return instants.tolist(), kinds.tolist(), values.tolist()


@pytest.mark.parametrize("reach", [3, 40, 1000])
def test_the_order_of_arrival_changes_no_bit(reach: int) -> None:
    instants, kinds, values = rows(110)
    whole, refused = fold(LAW, start(LAW), instants, kinds, values)
    assert not refused
    rng = np.random.default_rng(reach)
    live = start(LAW)
    for place in np.argsort(np.arange(len(instants)) + rng.uniform(0, reach, len(instants))):
        live, refused = fold(LAW, live, [instants[place]], [kinds[place]], [values[place]])
        assert not refused
    assert live.tip == whole.tip
    assert (live.instants, live.kinds, live.values) == (whole.instants, whole.kinds, whole.values)


def test_a_download_after_telemetry_adds_only_what_was_not_known() -> None:
    instants, kinds, values = rows()
    whole, _ = fold(LAW, start(LAW), instants, kinds, values)
    live, _ = fold(LAW, start(LAW), instants[::3], kinds[::3], values[::3])
    both, _ = fold(LAW, live, instants, kinds, values)
    again, _ = fold(LAW, both, instants, kinds, values)
    assert both.tip == whole.tip == again.tip
    assert live.tip != whole.tip


def test_rows_beyond_the_bound_settle_and_older_ones_are_refused() -> None:
    instants, kinds, values = rows()
    whole, _ = fold(LAW, start(LAW), instants, kinds, values)
    short = start(LAW)
    for instant, kind, value in zip(instants, kinds, values, strict=True):
        short, refused = fold(LAW, short, [instant], [kind], [value], limit=100)
        assert not refused
    assert short.tip == whole.tip
    assert len(short.kinds) == 100
    same, refused = fold(LAW, short, [instants[0] + 1], [TEMPERATURE], [-190.0], limit=100)
    assert [one.reason for one in refused] == ["too_late"]
    assert same == short


def test_bad_rows_are_refused_with_their_reason() -> None:
    law = Together((PAYLOAD,))
    state, refused = fold(law, start(law), [1, 2, 3, 4, 5], [0, 0, 7, 1, 0], [float("nan"), -300.0, 1.0, 3.0, -190.0])
    assert [one.reason for one in refused] == ["not_finite", "out_of_range", "unknown_kind", "out_of_range"]
    assert len(state.kinds) == 1
    with pytest.raises(ShapeError, match="as many"):
        fold(law, state, [1], [0], [])


def test_a_state_survives_being_written() -> None:
    instants, kinds, values = rows(80)
    dose = Dose(83.0, 5.0)
    state, _ = fold(dose, start(dose), instants, kinds, values)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Folded[DoseState]) == state
