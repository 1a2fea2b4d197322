"""A record in the log changes what a partition's twins are computed with; where frames end changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.effects import write_effect
from schemas.errors import SnapshotError
from schemas.partitions import ConfigurationChanged
from streams.changing import MOST_LINES, differences
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Claim
from tests.support.counting import CountingModel
from tests.support.engines import TOPIC
from tests.support.records import START, Record, reading, record
from twins.bioreactor import BioreactorModel
from twins.block import Model
from twins.changing import change_row
from twins.past import MemoryPast

LIMIT: dict[str, Any] = {"tag": "biomass", "high": 1.5, "unit": "g/L"}
OLD = BioreactorModel.from_config({"limits": [LIMIT]})
NEW = BioreactorModel.from_config({"limits": [{**LIMIT, "high": 3.0}]})


def log_with(data: ConfigurationChanged, at: int = 20, key: bytes | None = None) -> list[Record]:
    """A unit above the old limit and below the new one, and one record of a change."""
    row = change_row(data, 0, START + 60_000_000 * at)
    records = [record(reading("U", 60 * i, 2.0), i, 60 * i) for i in range(at)]
    records.append(Record(at, START // 1000, key, row.value, row.headers))
    return records + [record(reading("U", 60 * i, 2.0), i, 60 * i) for i in range(at + 1, 2 * at)]


def folded(records: list[Record], size: int, after: Model | None, begin: Model = OLD) -> tuple[list[bytes], str]:
    kept = MemoryPast()
    fold = PartitionFold(begin, TOPIC, 0, kept.load, lambda *_: after)
    fold.resume(Claim(TOPIC, 0, 0, 0, None, frozenset(), 0))
    lines: list[bytes] = []
    for start in range(0, len(records), size):
        for one in fold.fold_frame(records[start : start + size]):
            kept.keep(one.frame, one.effects)
            lines += [write_effect(effect) for effect in one.effects.all()]
            if one.changed is not None:
                assert (one.frame.first, one.next_offset) == (20, 21)
                assert (one.changed.before.next_offset, one.changed.before.model) == (20, OLD.name)
    return lines, fold.model.name


def test_from_the_record_on_the_new_model_counts_wherever_frames_end() -> None:
    records = log_with(ConfigurationChanged(1, OLD.name, NEW.name, "0" * 64))
    whole, name = folded(records, 100, NEW)
    assert name == NEW.name
    cleared = [line for line in whole if b'"action":"clear"' in line]
    assert len(cleared) == 1
    assert b'"id":"bioreactor.events/0/20/0"' in cleared[0]
    for size in (1, 7, 20, 21):
        assert folded(records, size, NEW) == (whole, name)


@pytest.mark.parametrize(
    ("before", "key", "after"),
    [(OLD.name, None, None), (NEW.name, None, NEW), (OLD.name, b"U", NEW)],
    ids=["not approved", "from another model", "keyed"],
)
def test_a_record_that_may_not_change_anything_is_refused(before: str, key: bytes | None, after: Model | None) -> None:
    records = log_with(ConfigurationChanged(1, before, NEW.name, "0" * 64), key=key)
    lines, name = folded(records, 7, after)
    assert name == OLD.name
    (refused,) = [line for line in lines if b'"kind":"reject"' in line]
    assert b"that was not made before" in refused


def test_twins_that_cannot_change_say_so() -> None:
    model = CountingModel()
    records = log_with(ConfigurationChanged(1, model.name, "counting@2", "0" * 64))
    with pytest.raises(SnapshotError, match="expected twins that can change"):
        folded(records, 100, model, model)


def test_of_many_differences_some_are_shown() -> None:
    lines = differences({}, {f"n{i:03}": i for i in range(MOST_LINES + 5)})
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "... and 5 more"
