"""Who got which arm changes nothing: exports with arms permuted end in the same effects, byte for byte."""

from __future__ import annotations

import random

import pytest

from connectors.outgoing import as_line, encode
from streams.fold import fold_lines
from tests.unit.connectors.exports import EXPORTS, Export, parser_of, payload_of
from twins.enrollment import EnrollmentModel

SEED = 20261124
SITES, SUBJECTS = EXPORTS[0], EXPORTS[1]
LATER = b'{"id":"t","source":"clock","type":"time.passed","time":"2026-04-03T00:00:00Z"}'
WITH_ARMS = [one for one in EXPORTS[1:] if one.arms[0] != b"none"]


def effects(export: Export, payload: bytes) -> list[bytes]:
    """Bring the plan and an export in by the door, and fold what passes it."""
    entries = [*parser_of(SITES)(payload_of(SITES)), *parser_of(export)(payload)]
    lines = [as_line(record) for entry in entries for record in encode(entry)]
    return list(fold_lines(EnrollmentModel(), [*lines, LATER]))


@pytest.mark.parametrize("export", WITH_ARMS, ids=lambda one: one.name)
def test_arms_exchanged_in_an_export_leave_the_effects_as_they_were(export: Export) -> None:
    payload, (one, other) = payload_of(export), export.arms
    swapped = payload.replace(one, b"\0").replace(other, one).replace(b"\0", other)
    assert swapped != payload
    said = effects(export, payload)
    assert any(b'"kind":"estimate"' in line for line in said)
    assert effects(export, swapped) == said


def test_arms_of_many_subjects_permuted_leave_the_effects_as_they_were() -> None:
    rng = random.Random(SEED)
    header = payload_of(SUBJECTS).decode().splitlines()[0]
    rows = [
        f"ONC-301,DE-0{1 + i % 2},{i:03d},2026-03-0{1 + i % 9},2026-03-1{i % 9},,,2026-03-2{i % 9},,ARM,"
        for i in range(60)
    ]
    arms = ["A", "B"] * 30

    def said() -> list[bytes]:
        rng.shuffle(arms)
        told = [row.replace("ARM", arm) for row, arm in zip(rows, arms, strict=True)]
        payload = "\n".join([header, *told]).encode()
        seen.add(payload)
        return effects(SUBJECTS, payload)

    seen: set[bytes] = set()
    first = said()
    assert sum(b'"kind":"reject"' in line for line in first) == 0
    assert b'"randomised":60' in first[-1] or any(b'"randomised":60' in line for line in first)
    assert said() == first
    assert len(seen) == 2
