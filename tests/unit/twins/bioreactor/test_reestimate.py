"""The engine of re-estimation, whole: what it finds, what it says where it cannot, and that pieces change no bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.errors import SettingsError, SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec
from tests.unit.twins.bioreactor.reestimated import BATCH, asked, row_of, run_of, started
from twins.bioreactor.reestimate import Reestimate
from twins.bioreactor.reestimation.course import Course
from twins.block import Memory
from twins.engine import Answer, Device, Engine, Run

ENGINE = Reestimate()


def begun(spec: SimulationSpec, past: Sequence[Memory]) -> Course:
    return ENGINE.prepare(spec, past, Device())


def whole(spec: SimulationSpec, past: Sequence[Memory]) -> Answer:
    course = begun(spec, past)
    while (standing := course.run(60.0)).done < standing.total:
        pass
    return course.answer()


def bits(answer: Answer) -> bytes:
    return msgspec.json.encode((answer.summary, answer.document))


@pytest.fixture(scope="module")
def changed() -> Answer:
    """Growth fell to 60 % at hour 24, asked at hour 42."""
    return whole(asked(draws=128), run_of(42, changed=24.0, factor=0.6))


def test_the_engine_keeps_the_contract() -> None:
    engine: Engine = ENGINE
    run: Run = begun(asked(), run_of(1))
    assert engine.kind == "bioreactor.reestimate"
    assert run.run(0.0).done >= 0.0


def test_a_change_is_found_with_its_hour_and_its_factor(changed: Answer) -> None:
    change = changed.summary["change"]
    assert change["probability"] > 0.95
    assert change["hour"]["q05"] <= 24.0 <= change["hour"]["q95"]
    assert abs(change["hour"]["q50"] - 24.0) < 4.0
    assert change["factor"]["q05"] <= 0.6 <= change["factor"]["q95"]


def test_parameters_that_hold_now_come_out_with_their_doubt(changed: Answer) -> None:
    growth = changed.summary["parameters"]["mu_m"]
    assert growth["seen"]
    assert abs(math.log(growth["median"] / (0.6 * 0.029))) < 3.0 * growth["sd_log"]
    assert growth["sd_log"] < 0.15
    assert abs(changed.summary["parameters"]["Y_XS"]["median"] / 1.69e8 - 1.0) < 0.15
    covariance = np.array(changed.summary["covariance_log"])
    assert changed.summary["order"] == ["Y_XS", "d_G", "mu_m"]
    assert (covariance == covariance.T).all()
    assert np.linalg.eigvalsh(covariance).min() > 0.0


def test_a_parameter_that_the_data_cannot_see_keeps_its_prior(changed: Answer) -> None:
    unseen = changed.summary["parameters"]["d_G"]
    place = changed.summary["order"].index("d_G")
    row = changed.summary["covariance_log"][place]
    assert unseen == {"median": 7.2e-3, "sd_log": 0.2, "seen": False, "prior_median": 7.2e-3, "prior_sd_log": 0.2}
    assert [value != 0.0 for value in row] == [False, True, False]


def test_the_summary_is_whole_and_fits_a_message(changed: Answer) -> None:
    said = changed.summary
    hours, viable = said["trajectory"]["hours"], said["trajectory"]["quantities"]["viable_cells"]
    assert said["batch"] == BATCH
    assert said["verdict"] == ""
    assert len(msgspec.json.encode(said)) <= MOST_SUMMARY_BYTES
    assert hours[0] == 0.0
    assert hours[-1] == 4.0
    assert len(hours) == len(viable["q50"]) <= 24
    assert viable["unit"] == "10*6/mL"
    assert said["end"]["viable_cells"]["q50"] == viable["q50"][-1]
    assert all(
        low < middle < high for low, middle, high in zip(viable["q05"], viable["q50"], viable["q95"], strict=True)
    )
    assert said["effective_sample_size"] >= 32.0
    assert set(said) <= set(changed.document)


def test_a_healthy_run_is_left_in_peace() -> None:
    said = whole(asked(), run_of(20, seed=2)).summary
    assert said["change"]["probability"] < 0.5  # less than before any data: nothing speaks for one
    assert abs(said["parameters"]["mu_m"]["median"] / 0.029 - 1.0) < 0.1


def test_too_little_data_is_said() -> None:
    said = whole(asked(), [started(), row_of(29)]).summary
    assert said["verdict"] == "not enough data"
    assert not any(one["seen"] for one in said["parameters"].values())
    assert said["change"] == {"probability": 0.0, "hour": None, "factor": None}


def test_what_is_planned_is_done_once_at_its_hour() -> None:
    bolus = {"at_hour": 2.0, "volume_litres": 0.25, "composition": {"glucose": 100.0}}
    feed = {"from_hour": 3.0, "to_hour": 4.0, "rate_litres_per_hour": 0.25, "composition": {"glucose": 0.0}}
    rows = [started(), row_of(29)]
    plain = whole(asked(), rows).summary["trajectory"]
    fed = whole(asked(boluses=[bolus], feeds=[feed]), rows).summary["trajectory"]
    for hour, wanted in ((1.0, 25.0), (2.5, (25.0 + 25.0) / 1.25), (4.0, 50.0 / 1.5)):
        found, without = (np.interp(hour, one["hours"], one["quantities"]["glucose"]["q50"]) for one in (fed, plain))
        assert found == pytest.approx(wanted, abs=25.0 - without + 0.3)


def test_pieces_and_checkpoints_change_no_bit() -> None:
    spec, past = asked(), run_of(16, changed=13.0, factor=0.5)
    once = bits(whole(spec, past))
    course, turns = begun(spec, past), 0
    while (standing := course.run(0.0)).done < standing.total:  # the smallest piece, however fast the machine
        turns += 1
        if turns % 17 == 0:
            body = course.checkpoint()
            course = begun(spec, past)
            assert course.restore(body) == "exact"
            assert course.checkpoint() == body
    assert turns > 10
    assert bits(course.answer()) == once
    again = begun(spec, past)
    again.restore(course.checkpoint())
    assert bits(again.answer()) == once


def test_progress_rises_to_its_end() -> None:
    course = begun(asked(), run_of(4))
    shares = [0.0]
    while shares[-1] < 1.0:
        standing = course.run(0.05)
        shares.append(standing.done / standing.total)
    assert shares == sorted(shares)


def test_the_order_in_which_rows_come_changes_no_bit() -> None:
    spec, past = asked(), run_of(7)
    late = [*past[:12], *past[13:], past[12]]
    assert begun(spec, late).checkpoint() == begun(spec, past).checkpoint()  # which names all that is measured
    assert begun(spec, past[:12]).checkpoint() != begun(spec, past[:13]).checkpoint()


@pytest.mark.parametrize(
    "hurt",
    [lambda body: body[:-1], lambda body: body[:60] + b"\x00" + body[61:], lambda body: b"", lambda body: b"x" * 99],
)
def test_a_torn_checkpoint_is_refused_and_leaves_the_run_as_prepared(hurt: Any) -> None:
    spec, past = asked(), run_of(6)
    course = begun(spec, past)
    fresh = course.checkpoint()
    course.run(0.05)
    with pytest.raises(SnapshotError, match="expected a whole one"):
        course.restore(hurt(course.checkpoint()))
    assert course.checkpoint() == fresh


def test_a_checkpoint_of_another_question_or_past_is_refused() -> None:
    past = run_of(6)
    body = begun(asked(seed=7), past).checkpoint()
    for other in (begun(asked(seed=8), past), begun(asked(seed=7), past[:-1])):
        with pytest.raises(SnapshotError, match="of another"):
            other.restore(body)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (asked(draws=63), "64 to 4096 draws"),
        (asked(horizon=2000.0), "horizon up to 1440"),
        (asked(prior={}), "length >= 1"),
        (asked(prior={"mu": [1.0, 0.2]}), "received 'mu'"),
        (asked(prior={"mu_m": [1e9, 0.2]}), "expected mu_m between"),
        (asked(prior={"mu_m": [0.029, 3.0]}), "expected"),
        (asked(channels=[]), "length >= 1"),
        (asked(channels=[{"tag": "glucose", "state": "sugar", "relative": 0.1}]), "received 'sugar'"),
        (asked(changing="Y_XG"), "received 'Y_XG'"),
        (asked(surprise=1), "unknown field"),
        (asked(at="yesterday"), "yesterday"),
        (asked(initial={"volume": -1.0}), "volume above 0"),
    ],
)
def test_a_specification_that_cannot_be_used_is_refused(spec: SimulationSpec, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ENGINE.validate(spec)


def test_a_past_without_the_batch_is_refused() -> None:
    for past in ([], run_of(2)[1:], [started(batch="B-2")]):
        with pytest.raises(SettingsError, match="from the start of batch B-1"):
            begun(asked(), past)
