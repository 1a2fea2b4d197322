"""Old payloads read by new code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.bioreactor import EVENTS, AssayResulted, BatchStarted, Channel, Reading, SampleDrawn
from schemas.errors import InputError, InvalidFieldError, UnknownTypeError
from schemas.events import read_structured
from schemas.fields import Quantity
from schemas.upcast import NEWEST, UPCASTERS, upcast

OLD = Path(__file__).parents[2] / "replay" / "bioreactor_v1.jsonl"


def test_a_file_written_by_the_first_version_reads_as_the_newest() -> None:
    assert [read_structured(line).data for line in OLD.read_bytes().splitlines()] == [
        BatchStarted("CHO-2019-44", volume=Quantity(1500.0, "mL")),
        Reading((Channel("dissolved_oxygen", 62.5, "%", "good"),)),
        Reading((Channel("ph", 7.0, "[pH]", "bad"),)),
        Reading((Channel("temperature", 98.6, "[degF]", "good"),)),
        SampleDrawn(Quantity(5.0, "mL"), "S-1"),
        AssayResulted("S-1", "glucose", 31.2, "mmol/L", "enzymatic"),
    ]


@pytest.mark.parametrize("name", EVENTS)
def test_every_type_has_a_step_from_every_version_but_the_newest(name: str) -> None:
    assert {version for kind, version in UPCASTERS if kind == name} == set(range(1, NEWEST))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tag": "ph"},
        {"tag": "ph", "value": 7.0, "unit": "[pH]", "status": 2},
        {"tag": "ph", "value": 7.0, "unit": "[pH]", "status": "0"},
        {"tag": "ph", "value": 7.0, "unit": "[pH]", "status": None},
        {"tag": "ph", "value": 7.0, "unit": "[pH]", "quality": "good"},
        {"channels": []},
    ],
)
def test_what_cannot_be_lifted_is_refused_never_guessed(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidFieldError):
        upcast("bioreactor.reading", 1, data)


def test_a_type_without_a_step_is_unknown() -> None:
    with pytest.raises(UnknownTypeError) as refused:
        upcast("bioreactor.exploded", 1, {})
    assert isinstance(refused.value, InputError)
