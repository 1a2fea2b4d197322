"""The examples' outputs are what a fold gives today: ids, words and order exactly, numbers but for their last bits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from streams.fold import fold_lines
from streams.models import load_model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "bioreactor"
EVENTS = sorted(EXAMPLES.glob("*.jsonl"))
CONFIGS = {"cho_run": "cho.json", "probe_change": "phases.json"}
TOLERANCE = 1e-9  # relative: vector units of other CPUs round exp and log differently in the last bits


def same(ours: Any, theirs: Any, where: str = "") -> None:  # Any: JSON values
    """Compare two JSON values, numbers with a tolerance."""
    if isinstance(ours, float) and isinstance(theirs, float | int):
        assert math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=1e-12), (where, ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for name, value in ours.items():
            same(value, theirs[name], f"{where}/{name}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(a, b, f"{where}/{i}")
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("events", EVENTS, ids=[path.stem for path in EVENTS])
def test_an_example_folds_to_its_recorded_effects(events: Path) -> None:
    model = load_model("bioreactor", EXAMPLES / CONFIGS.get(events.stem, "config.json"))
    with events.open("rb") as lines:
        folded = [json.loads(line) for line in fold_lines(model, lines, frame_records=7)]
    recorded = [json.loads(line) for line in (EXAMPLES / "effects" / events.name).read_bytes().splitlines()]
    assert [one["id"] for one in folded] == [one["id"] for one in recorded]
    for ours, theirs in zip(folded, recorded, strict=True):
        same(ours, theirs, ours["id"])
