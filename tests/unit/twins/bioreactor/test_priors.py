"""What is known of a donor before the run, told with the batch: where it counts, and what is refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.bioreactor import AssayResulted
from tests.unit.twins.bioreactor.script import Script, records_of
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.bioreactor.models import MODELS
from twins.bioreactor.models.solve import solve
from twins.block import Effects
from twins.checks import Folded, fold

CONFIG: dict[str, Any] = {
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 1800,
    "forecast_seconds": 43200,
    "horizon_hours": 48,
    "process": {
        "model": "t_cell",
        "channels": [{"tag": "biomass", "state": "viable_cells", "relative": 0.02, "gain_sd": 0.05}],
        "unsure": {"rg": 0.2, "bi": 0.2},
    },
}
DONOR = {"process.rg": 0.026, "process.rg.sd": 0.05}


def folded(script: Script, **more: Any) -> Folded:
    return fold(BioreactorModel.from_config(CONFIG | more), records_of(script.events))


@cache
def cells() -> NDArray[np.float64]:
    """Viable cells of the donor each half an hour from the first on [1e6/mL], solved accurately."""
    model = MODELS["t_cell"]
    x = np.array([state.initial for state in model.states])
    u = np.array([one.default for one in model.inputs])
    p = np.array([DONOR.get(f"process.{one.name}", one.value) for one in model.parameters])
    states, _ = solve(model, (0.0, 120.0), x, lambda _: u, p, np.arange(0.5, 120.0, 0.5))
    viable: NDArray[np.float64] = states[0] / 1e6
    return viable


def run(hours: float, parameters: dict[str, float]) -> Script:
    """The donor's culture as the biomass probe sees it each half an hour."""
    script = Script()
    script.start(0, parameters=parameters)
    for place in range(int(hours * 2)):
        script.read((place + 1) * 1800, biomass=(float(cells()[place]), "10*6/mL"))
    return script


def parameters_of(effects: list[Effects]) -> dict[str, dict[str, Any]]:
    last: dict[str, dict[str, Any]] = [one for part in effects for one in part.estimates][-1].data["process"][
        "parameters"
    ]
    return last


def test_a_run_begins_with_its_donors_priors_and_others_with_the_configurations() -> None:
    told = parameters_of(folded(run(0.5, DONOR)).frames)
    usual = parameters_of(folded(run(0.5, {})).frames)
    assert told["rg"]["value"] == pytest.approx(0.026, rel=0.01)
    assert told["rg"]["high"] / told["rg"]["low"] == pytest.approx(np.exp(2 * 1.6449 * 0.05), rel=0.01)
    assert usual["rg"]["value"] == pytest.approx(0.020, rel=0.01)
    assert usual["rg"]["high"] / usual["rg"]["low"] == pytest.approx(np.exp(2 * 1.6449 * 0.2), rel=0.02)
    assert told["bi"]["low"] == pytest.approx(usual["bi"]["low"], rel=1e-6)


def test_a_forecast_from_a_donors_priors_is_narrower_and_nearer() -> None:
    """Twelve hours after seeding, when little was seen: the donor that was known grows as was said of it."""
    wide, near = (
        [one.data["process"] for part in folded(run(12, parameters)).frames for one in part.forecasts][-1]["values"]
        for parameters in ({}, DONOR)
    )
    truth = float(cells()[119])
    low, *_, high = near["viable_cells"][-1]
    assert low < truth < high
    assert abs(near["viable_cells"][-1][2] - truth) < abs(wide["viable_cells"][-1][2] - truth)
    assert high - low < 0.8 * (wide["viable_cells"][-1][-1] - wide["viable_cells"][-1][0])


def test_seen_is_said_of_the_donors_own_doubt() -> None:
    """A narrow prior is no word of the data: it counts as seen when the data have narrowed it further."""
    told = parameters_of(folded(run(1, DONOR)).frames)["rg"]
    assert told["doubt_left"] == pytest.approx(1.0, abs=0.01)
    assert not told["seen"]
    assert parameters_of(folded(run(48, DONOR)).frames)["rg"]["seen"]


def test_an_inoculation_begins_from_them_too_and_the_next_batch_without() -> None:
    script = run(2, DONOR)
    script.inoculate(3 * 3600)
    script.read(3.5 * 3600, biomass=(0.3, "10*6/mL"))
    assert parameters_of(folded(script).frames)["rg"]["value"] == pytest.approx(0.026, rel=0.01)
    script.end(4 * 3600)
    script.start(5 * 3600, "B-2")
    script.read(6 * 3600, biomass=(0.3, "10*6/mL"))
    assert parameters_of(folded(script).frames)["rg"]["value"] == pytest.approx(0.020, rel=0.01)


def test_a_late_assay_goes_back_to_the_same_priors() -> None:
    """In order, and six hours late: the same belief to the bit."""
    counted = CONFIG["process"]["channels"] + [{"tag": "glucose", "state": "glucose", "relative": 0.05}]
    process = CONFIG["process"] | {"channels": counted}
    beliefs = []
    for known in (None, 11 * 3600.0):
        script = run(10, DONOR)
        also = {} if known is None else {"known": known}
        script.say(
            4 * 3600 + 60, "bioreactor.assay_resulted", AssayResulted("S-1", "glucose", 3.0, "mg/mL"), id="g", **also
        )
        if known is None:
            script.events.sort(key=lambda event: event.event_time)
        block = folded(script, process=process).block
        assert isinstance(block, BioreactorBlock)
        beliefs.append(block.belief("BR-1"))
    assert beliefs[0] == beliefs[1]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"process.rc": 1.0}, "unsure in the configuration (process.rg, process.bi)"),
        ({"process.rg": 0.0}, "process.rg above 0"),
        ({"process.rg": -1.0}, "a value that t_cell@1 allows"),
        ({"process.rg.sd": 3.0}, "process.rg.sd above 0 and at most 2"),
    ],
)
def test_a_prior_that_cannot_be_is_refused_and_the_batch_does_not_start(
    parameters: dict[str, float], expected: str
) -> None:
    effects = folded(run(0.5, parameters)).frames
    rejects = [one.data for part in effects for one in part.rejects]
    assert expected in rejects[0]["expected"]
    assert "did not start" in rejects[0]["advice"]


def test_a_prior_without_a_process_model_is_refused() -> None:
    script = Script()
    script.start(0, parameters=DONOR)
    one = fold(BioreactorModel(), records_of(script.events))
    assert "a process model in the configuration" in next(reject.data for reject in one.frames[0].rejects)["expected"]
