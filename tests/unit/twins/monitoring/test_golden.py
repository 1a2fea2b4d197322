"""The document: what was written scores as what was fitted, and what was changed is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from schemas.errors import SettingsError
from tests.unit.twins.monitoring.made import TAGS, batches, fitted
from twins.monitoring import (
    Golden,
    Options,
    Run,
    fit_golden,
    model_name,
    read_golden,
    score,
    score_golden,
    write_golden,
)


def continuous() -> Golden:
    runs = batches(1, 3)
    runs[0].values[3, 1] = np.nan
    return fit_golden(runs, TAGS, Options(mode="continuous", components=2))


@pytest.mark.parametrize(
    "golden",
    [continuous(), fitted(batches(1, 10)), fitted(batches(1, 10), align="dtw", missing="pmp")],
    ids=["continuous", "batch", "dtw"],
)
def test_written_and_read_a_model_gives_the_same_bytes_and_the_same_scores(golden: Golden) -> None:
    text = write_golden(golden)
    again = read_golden(text, "a test")
    assert write_golden(again) == text
    assert model_name(again) == model_name(golden)
    for one, two in zip(score_golden(golden, batches(9, 3)), score_golden(again, batches(9, 3)), strict=True):
        assert one.scores.t2.tobytes() == two.scores.t2.tobytes()
        assert one.scores.spe.tobytes() == two.scores.spe.tobytes()
        assert one.scores.spe_limit.tobytes() == two.scores.spe_limit.tobytes()


def test_fitting_twice_gives_the_same_document() -> None:
    assert write_golden(fitted(batches(1, 10))) == write_golden(fitted(batches(1, 10)))


def test_the_document_says_where_it_comes_from() -> None:
    document = json.loads(write_golden(fitted(batches(1, 10), significance=0.95)))
    assert document["twinstream_golden"] == 1
    assert set(document["versions"]) == {"numpy", "python", "scipy"}
    assert [run["name"] for run in document["content"]["training"]] == [f"B-{number:03d}" for number in range(10)]
    assert document["content"]["options"]["significance"] == 0.95


def test_a_document_that_was_changed_is_refused() -> None:
    document = json.loads(write_golden(continuous()))
    document["content"]["model"]["t2_limit"] *= 2
    with pytest.raises(SettingsError, match="expected content of SHA-256"):
        read_golden(json.dumps(document).encode(), "m.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("sha256"),
        lambda d: d.update(twinstream_golden=2),
        lambda d: d["content"]["model"]["mean"].pop(),
        lambda d: d["content"]["model"]["loadings"][0].pop(),
        lambda d: d["content"]["model"]["sd"].__setitem__(0, None),
        lambda d: d["content"]["model"]["sd"].__setitem__(0, "x"),
        lambda d: d["content"].update(alignment={"kind": "elapsed", "duration_hours": 1.0}),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_place(change: object) -> None:
    document = json.loads(write_golden(continuous()))
    change(document)  # type: ignore[operator]
    with pytest.raises(SettingsError, match=r"in m.json"):
        read_golden(json.dumps(document).encode(), "m.json")
    with pytest.raises(SettingsError, match=r"in m.json"):
        read_golden(b"{", "m.json")


def test_a_live_batch_unit_needs_its_state() -> None:
    with pytest.raises(SettingsError, match="the state that `start` gives"):
        score(fitted(batches(1, 10)), np.zeros(1), np.zeros((1, 4)), None)


def test_live_in_continuous_mode_is_a_row_by_itself() -> None:
    golden = continuous()
    run = batches(9, 1)[0]
    whole = score_golden(golden, [run])[0].scores
    scores, state = score(golden, np.zeros(len(run.hours)), run.values, None)
    assert state is None
    assert scores.t2.tobytes() == whole.t2.tobytes()


def test_nothing_to_fit_and_limits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="received 0 runs"):
        fit_golden([], TAGS, Options())
    with pytest.raises(SettingsError, match="add --limits empirical"):
        fit_golden(batches(1, 10), TAGS, Options(), batches(2, 10))
    lacking = Run("no progress", np.arange(3.0), np.zeros((3, 4)))
    runs = [Run(run.name, run.hours, run.values, run.hours) for run in batches(1, 10)]
    golden = fitted(runs, align="maturity", maturity_tag="feed")
    with pytest.raises(SettingsError, match="received none in no progress"):
        score_golden(golden, [lacking])
