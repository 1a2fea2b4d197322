"""Phases of the recipe that change the process model: from when, in what is believed, expected and asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.errors import SettingsError
from schemas.instants import HOUR, parse_instant
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins.bioreactor import BioreactorBlock, BioreactorModel
from twins.bioreactor.models import MODELS
from twins.bioreactor.models.solve import solve
from twins.checks import Folded, fold

SLOW = {"mu_m": 0.004, "Y_LS": 1.5}
CONFIG: dict[str, Any] = {
    "limits": [],
    "silence_minutes": 0,
    "estimate_seconds": 3600,
    "forecast_seconds": 36000,
    "process": {
        "model": "cho_xing",
        "channels": [{"tag": "glucose", "state": "glucose", "relative": 0.04, "absolute": 0.2}],
        "initial_sd": 1e-6,
        "drift": 0.0,
        "phases": {"production": SLOW, "harvest": {}},
    },
}


def folded(script: Script, **more: Any) -> Folded:
    return fold(BioreactorModel.from_config(CONFIG | more), records_of(script.events))


def last(one: Folded, kind: str = "estimate") -> dict[str, Any]:
    data: dict[str, Any] = max((e for e in one.effects if e.kind == kind), key=lambda e: e.event_time).data
    return data


def cells_after(stretches: list[tuple[float, dict[str, float]]]) -> float:
    """Solve the model accurately through stretches of hours with other parameters; viable cells at the end [1e6/mL]."""
    model = MODELS["cho_xing"]
    x = np.array([state.initial for state in model.states])
    u = np.array([0.0 if one.name.startswith("feed_") else one.default for one in model.inputs])
    for hours, other in stretches:
        p = np.array([other.get(one.name, one.value) for one in model.parameters])
        _, x = solve(model, (0.0, hours), x, lambda _: u, p, [hours])
    return float(x[[state.name for state in model.states].index("viable_cells")]) / 1e9


def culture(*phases: tuple[float, str], hours: int = 12, known: float | None = None) -> Script:
    script = Script()
    script.start(0, volume=None)
    for hour in range(1, hours + 1):
        script.read(hour * 3600, biomass=0.5)
    for at, name in phases:
        also = {} if known is None else {"known": known}
        script.phase(at * 3600, name, id=f"to-{name}", **also)
    if known is None:
        script.events.sort(key=lambda event: event.event_time)
    return script


def test_from_its_phase_on_a_parameter_has_the_phases_value_and_after_it_the_usual_one() -> None:
    said = last(folded(culture((2.5, "production"), (10.25, "growth"))))
    expected = cells_after([(2.5, {}), (7.75, SLOW), (1.75, {})])
    assert said["process"]["state"]["viable_cells"]["mean"] == pytest.approx(expected, rel=1e-5)
    assert expected < 0.9 * cells_after([(12.0, {})])


def test_a_phase_that_changes_nothing_changes_nothing() -> None:
    one, other = last(folded(culture())), last(folded(culture((2.5, "harvest"))))
    assert one["process"]["state"] == other["process"]["state"]


def test_a_forecast_goes_on_in_the_phase_the_run_is_in() -> None:
    expected = last(folded(culture((2.5, "production"), hours=11)), "forecast")
    hours = float((parse_instant(expected["at"][-1], "at") - BEGIN) / HOUR)
    ahead = cells_after([(2.5, {}), (hours - 2.5, SLOW)])
    assert expected["process"]["values"]["viable_cells"][-1][2] == pytest.approx(ahead, rel=1e-4)
    assert ahead < 0.8 * cells_after([(hours, {})])


def test_a_late_word_of_a_phase_is_the_word_in_order() -> None:
    """In order, and six hours late: the same belief to the bit."""
    beliefs = []
    for known in (None, 11.5 * 3600.0):
        block = folded(culture((5.0, "production"), known=known)).block
        assert isinstance(block, BioreactorBlock)
        beliefs.append(block.belief("BR-1"))
    assert beliefs[0] == beliefs[1]


def test_cells_that_go_in_during_a_phase_begin_in_it() -> None:
    script = culture((2.0, "production"))
    script.inoculate(4 * 3600)
    script.events.sort(key=lambda event: event.event_time)
    said = last(folded(script))["process"]["state"]["viable_cells"]["mean"]
    assert said == pytest.approx(cells_after([(8.0, SLOW)]), rel=1e-5)
    script.start(13 * 3600, "B-2", volume=None)
    script.read(18 * 3600, biomass=0.5)
    said = last(folded(script))["process"]["state"]["viable_cells"]["mean"]
    assert said == pytest.approx(cells_after([(5.0, {})]), rel=1e-5)


def test_what_is_unsure_departs_from_the_phases_value_and_a_request_carries_it() -> None:
    process = CONFIG["process"] | {"unsure": {"mu_m": 0.1}}
    one = folded(culture((1.5, "growth"), (2.5, "production")), process=process, triggers={"phase": True, "draws": 3})
    said = last(one)["process"]["parameters"]["mu_m"]
    assert said["value"] == pytest.approx(SLOW["mu_m"], rel=1e-6)
    assert said["low"] < SLOW["mu_m"] < said["high"]
    told = last(one, "request")["spec"]["parameters"]
    assert told["Y_LS"] == SLOW["Y_LS"]
    assert told["mu_m"] == pytest.approx(SLOW["mu_m"], rel=1e-6)


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ({"production": {"nonsense": 1.0}}, "expected a parameter of cho_xing"),
        ({"production": {"mu_m": -1.0}}, "in the parameters of cho_xing"),
        ({"production": {"Y_LS": 0.0}}, "Y_LS above 0"),
    ],
)
def test_values_of_a_phase_that_cannot_be_are_refused(phases: dict[str, Any], expected: str) -> None:
    section = CONFIG["process"] | {"unsure": {"Y_LS": 0.1}, "phases": phases}
    with pytest.raises(SettingsError, match=expected):
        BioreactorModel.from_config(CONFIG | {"process": section})


def test_without_phases_the_models_name_is_what_it_was() -> None:
    plain = {name: value for name, value in CONFIG["process"].items() if name != "phases"}
    without = BioreactorModel.from_config(CONFIG | {"process": plain}).name
    assert BioreactorModel.from_config(CONFIG | {"process": plain | {"phases": {}}}).name == without
    assert BioreactorModel.from_config(CONFIG).name != without
