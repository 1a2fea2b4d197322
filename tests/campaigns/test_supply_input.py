"""Bad input of a supply chain, drawn: a line counts once or is refused by its field, and its neighbours go on as if it
had never come."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.jsonl import outgoing
from schemas import supply as s
from schemas.events import Event, write_structured
from schemas.partitions import TimePassed
from streams.fold import FileRecord, fold_records
from tests.support.supply_story import Story, story
from tests.unit.twins.supply.telling import packed
from twins.supply import SupplyModel

SEEDS = (1, 2, 3)
Line = dict[str, Any]  # Any: an event or an effect, as JSON


def facts(seed: int) -> list[Line]:
    """Tell of all four kinds of twin, and of withdrawals and corrections of some, before and after they come."""
    events: list[Event] = [one for one in story(seed) if not isinstance(one.data, TimePassed)]
    lines: list[Line] = [json.loads(write_structured(one)) for one in events]
    rng = random.Random(100 + seed)
    for number, line in enumerate(rng.sample(lines, 12)):
        name = {"source": line["source"], "id": line["id"]}
        if number % 2 and "supersedes" in line["data"]:
            lines.append({**line, "id": f"r{number}", "data": {**line["data"], "supersedes": name}})
        else:
            told = {"fact": name, "reason": "wrong"}
            lines.append({**line, "id": f"w{number}", "type": "supply.fact_withdrawn", "data": told})
    return lines


def spoilt(line: Line, how: str, number: int, rng: random.Random) -> Line:
    """Give a line that cannot count."""
    data, bad = dict(line["data"]), {**line, "id": f"bad{number}"}
    if how == "unknown field":
        return {**bad, "data": {**data, "colour": "red"}}
    if how == "wrong type":
        field = rng.choice([name for name in data if name not in ("because", "supersedes")])
        return {**bad, "data": {**data, field: {"what": ["is", "this"]}}}
    if how == "missing":
        return {**bad, "type": "supply.plate_read", "data": {"plate": "P"}}
    if how == "impossible":
        return {**bad, "type": "supply.shipper_weighed", "subject": "shipper:B1", "data": {"fill_kg": -1.0}}
    if how == "future":
        return {**bad, "time": "2031-01-01T00:00:00Z"}
    if how == "unknown type":
        return {**bad, "type": "supply.eaten"}
    if how == "unknown twin":
        return {**bad, "subject": rng.choice(["planet:X", "patient:", "COI-0"])}
    if how == "wrong twin":
        return {**bad, "type": "supply.plate_read", "subject": "network:N1", "data": {"plate": "P", "cfu": 1}}
    assert how == "bad time", how
    return {**bad, "type": "supply.plate_exposed", "subject": "room:R1",
            "data": {"plate": "P", "kind": "settle", "until": "later"}}  # fmt: skip


WHERE = {  # what a refusal has to name; empty: whatever field it was
    "unknown field": "colour", "wrong type": "", "missing": "cfu", "impossible": "fill_kg", "future": "time",
    "unknown type": "type", "unknown twin": "subject", "wrong twin": "type", "bad time": "until",
}  # fmt: skip


def folded(lines: Sequence[Line | bytes]) -> tuple[dict[int, Line], dict[str, Line]]:
    """Give refusals by the line's number, and each twin's newest estimate."""
    records = []
    for offset, line in enumerate(lines):
        text = line if isinstance(line, bytes) else json.dumps(line).encode()
        (one,) = outgoing([text], family="supply", partitions=1)
        records.append(FileRecord(offset, 0, one.key, one.value, one.headers))
    refused: dict[int, Line] = {}
    estimates: dict[str, Line] = {}
    for text in fold_records(SupplyModel(), "supply.events", 0, records, frame_records=61):
        effect = json.loads(text)
        if effect["kind"] == "reject":
            assert effect["data"]["offset"] not in refused, "a line was refused twice"
            refused[effect["data"]["offset"]] = effect["data"]
        elif effect["kind"] == "estimate":
            estimates[effect["key"]] = effect["data"]
    return refused, estimates


def ends() -> list[Line]:
    """Give a last fact of each twin, at which it speaks."""
    made = Story()
    made.room("R1", [], 2000.0)
    made.patient("COI-0", 2000.0)
    made.patient("COI-1", 2000.0)
    made.network("N1", 2000.0, [])
    day = "2026-06-01T00:00:00Z"
    made.tell(2000.0, "shipper:B1", packed())
    made.tell(2000.0, "shipper:B1", s.TransitExpected(low=day, median=day, high=day))
    return [{**json.loads(write_structured(one)), "id": f"end{n}"} for n, one in enumerate(made.events)]


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_lines_are_refused_by_field_and_change_nothing_for_the_others(seed: int) -> None:
    rng, good = random.Random(seed), facts(seed)
    rng.shuffle(good)
    doubled = rng.sample(good, 15)
    bad = [(how, spoilt(rng.choice(good), how, 20 * place + n, rng)) for place, how in enumerate(WHERE)
           for n in range(6)]  # fmt: skip
    mixed: list[tuple[str, Line]] = [("good", line) for line in good]
    for how, line in [*bad, *(("doubled", line) for line in doubled)]:
        mixed.insert(rng.randrange(len(mixed) + 1), (how, line))
    refused, estimates = folded([*(line for _, line in mixed), *ends()])
    clean, expected = folded([*good, *ends()])

    reasons = Counter(one["reason"] for one in refused.values())
    already = Counter(one["reason"] for one in clean.values())
    assert reasons["duplicate"] - already["duplicate"] == len(doubled), f"seed {seed}"
    assert len(refused) == len(clean) + len(bad) + len(doubled), f"seed {seed}: {reasons}"
    for offset, (how, line) in enumerate(mixed):
        if how in WHERE:
            assert offset in refused, f"seed {seed}: {how} counted: {line}"
            said = refused[offset]
            assert all(said[name] for name in ("reason", "expected", "received", "where")), said
            assert WHERE[how] in f"{said['where']} {said['received']}", f"seed {seed}, {how}: {said}"
    assert estimates.keys() == expected.keys()
    for key, estimate in expected.items():
        assert estimates[key] == estimate, f"seed {seed}, {key}"


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_arrival_ends_in_the_same_estimates(seed: int) -> None:
    rng, good = random.Random(seed), facts(seed)
    found = []
    for _ in range(2):
        rng.shuffle(good)
        found.append(folded([*good, *rng.sample(good, 10), *ends()])[1])
    for key in found[0]:
        assert found[0][key] == found[1][key], f"seed {seed}, {key}"


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_is_refused_line_by_line(seed: int) -> None:
    rng, good = random.Random(seed), facts(seed)
    told: list[Line | bytes] = []
    for line in rng.sample(good, 40):
        text = bytearray(json.dumps(line).encode())
        for _ in range(rng.randrange(1, 8)):
            text[rng.randrange(len(text))] = rng.randrange(32, 127)
        told.append(bytes(text))
    refused, _ = folded(told)
    assert set(refused) <= set(range(len(told)))
    assert len(refused) >= len(told) // 2, f"seed {seed}"  # most of what is broken is no event any more
