"""A configuration is checked once, and what is wrong is said."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import SettingsError
from twins.bioreactor import BioreactorModel, read_config
from twins.bioreactor.config import rules_of


def test_the_default_has_one_measured_limit_and_silence() -> None:
    assert [rule.name for rule in rules_of(read_config({}))] == ["dissolved_oxygen.low.measured", "silence"]


def test_limits_are_kept_in_canonical_units() -> None:
    config = read_config({"limits": [{"tag": "temperature", "high": 100.4, "deadband": 1.8, "unit": "[degF]"}]})
    rule = rules_of(config)[0]
    assert rule.unit == "Cel"
    assert rule.limit == pytest.approx(38.0)
    assert rule.clear == pytest.approx(37.0)


def test_any_difference_gives_the_model_another_name() -> None:
    documents: list[dict[str, Any]] = [{}, {"parameters": {"gain_sd": 0.1}}, {"limits": []}, {"silence_minutes": 31}]
    names = {BioreactorModel.from_config(document).name for document in documents}
    assert len(names) == 4
    assert BioreactorModel().name == BioreactorModel.from_config({}).name
    assert BioreactorModel().name.startswith("growth@1+")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"modle": "growth"}, "modle"),
        ({"parameters": {"mu": 1}}, "growth_rate_mean"),
        ({"parameters": {"gain_sd": -1}}, "gain_sd between"),
        ({"limits": [{"tag": "ph"}]}, "low or high"),
        ({"limits": [{"tag": "ph", "low": 6, "unit": "Cel"}]}, "acidity"),
        ({"limits": [{"tag": "mine", "low": 6}]}, "add `unit`"),
        ({"limits": [{"tag": "ph", "low": 6}, {"tag": "ph", "low": 5}]}, "once"),
        ({"limits": [{"tag": "ph", "low": 6, "unit": "furlong"}]}, "furlong"),
        ({"predicted": [{"tag": "ph", "low": 6}]}, "biomass"),
        ({"predicted": [{"tag": "biomass", "high": -1}]}, "above 0"),
        ({"predicted": [{"tag": "biomass", "high": 1, "raise_at": 0.4}]}, "clear_at"),
        ({"estimate_seconds": 0}, "estimate_seconds"),
    ],
)
def test_a_wrong_configuration_says_what_was_expected(document: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=r"expected") as error:
        BioreactorModel.from_config(document)
    assert says in str(error.value)
