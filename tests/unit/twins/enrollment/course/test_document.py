"""A scenario document is refused with the name of the field that is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from schemas.errors import SettingsError
from tests.unit.twins.enrollment.course.worlds import specification
from twins.enrollment.course.document import read_scenario


def changed(path: str, value: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(specification().inputs))
    *way, last = path.split(".")
    at: Any = inputs
    for name in way:
        at = at[int(name)] if name.isdigit() else at[name]
    at[last] = value
    return inputs


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("target.subjects", 0, "inputs.target.subjects"),
        ("target.day", 4000.0, "horizon"),
        ("countries.0.rate.mean", -1.0, "inputs.countries[0].rate.mean"),
        ("countries.0.name", "ES", "inputs.countries"),
        ("countries.0.activation", None, "inputs.countries[0]"),
        ("countries.1.planned_sites", 2, "inputs.countries[1]"),
        ("countries.1.enrolled", 1, "inputs.countries[1].enrolled"),
        ("actions.0.sites", 0, "inputs.actions[0].sites"),
        ("actions.0.action", "pray", "inputs.actions[0].action"),
        ("prices.days", "some", "inputs.prices.days"),
        ("step_days", 1.0, "inputs.step_days"),
        ("budgets", 3, "inputs"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Any, where: str) -> None:
    spec = msgspec.structs.replace(specification(), inputs=changed(path, value))
    with pytest.raises(SettingsError) as caught:
        read_scenario(spec)
    assert "expected" in str(caught.value)
    assert f"in {where}" in str(caught.value)


def test_what_is_beyond_its_bounds_is_refused() -> None:
    with pytest.raises(SettingsError, match="draws"):
        read_scenario(specification(draws=10_000_000))
    with pytest.raises(SettingsError, match="parameters"):
        read_scenario(msgspec.structs.replace(specification(), parameters={"rate": 1.0}))


def test_a_scenario_reads_back_as_it_was_written() -> None:
    scenario = read_scenario(specification())
    again = msgspec.structs.replace(specification(), inputs=msgspec.to_builtins(scenario))
    assert read_scenario(again) == scenario
