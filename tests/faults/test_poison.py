"""A record that breaks the program: it may end the process twice; then it is set aside, and all others are folded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import psycopg
import pytest

from schemas.ids import effect_id
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.transports import open_reader
from streams.verify import verify
from tests.faults.conftest import MakeRig
from tests.faults.load import TOPIC
from tests.faults.logs import message_id, read_topic
from tests.faults.plan import Plan
from tests.faults.rig import Rig
from tests.faults.workers import Life, until
from tests.support.records import reading, row
from twins.bioreactor import BioreactorModel

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261207
UNIT = "POISONED"
BROKEN = 70
MOST_LIVES = 12


def live_until_folded(rig: Rig, plan: Plan) -> list[Life]:
    """Start workers, one after the other, until one folds all there is; give those that ended."""
    ended: list[Life] = []
    for _ in range(MOST_LIVES):
        life = rig.launch(plan)
        until(partial(_over, rig, life), 60, "an end, or all records applied")
        if life.alive:
            rig.end_well(life)
            return ended
        assert life.code == BROKEN, life.said()
        ended.append(life)
    raise AssertionError(f"expected a worker that folds on, {MOST_LIVES} ended:\n{ended[-1].said()}")


def _over(rig: Rig, life: Life) -> bool:
    return not life.alive or rig.applied() == rig.ends()


def feed_with_poison(rig: Rig, poisons: Sequence[int]) -> None:
    """Append a plant's records, and one unit's readings among them of which some are poison."""
    rig.feed(per_second=0, backlog=600)
    rig.stop_feeding()
    events = [reading(UNIT, 10 * i, event_id=f"poison-{i}" if i in poisons else f"{UNIT}-{i}") for i in range(60)]
    rig.append([row(one) for one in events])
    rig.feed(per_second=0, backlog=300)
    rig.stop_feeding()


@pytest.mark.parametrize(
    ("plan", "most_exits"),
    [(Plan(poison="poison"), 2), (Plan(poison_commit="poison"), 4)],
    ids=["it breaks the fold", "it breaks the commit"],
)
def test_poison_is_set_aside_after_two_ends(make_rig: MakeRig, plan: Plan, most_exits: int) -> None:
    rig = make_rig("embedded", SEED)
    feed_with_poison(rig, poisons=(20, 21))
    ended = live_until_folded(rig, plan)
    print(f"{len(ended)} ends before two poisonous records were set aside")
    assert 2 <= len(ended) <= most_exits
    found = rig.verify()
    assert not found.problems
    assert found.skipped == 2
    with psycopg.connect(rig.uri) as connection:
        skipped = connection.execute("select partition, rec_offset, error from skipped order by 2").fetchall()
    partition = partition_of(UNIT.encode(), PARTITIONS)
    assert [one[0] for one in skipped] == [partition, partition]
    assert all("poison-2" in error for _, _, error in skipped)
    _assert_dead_letters(rig, [(partition, offset) for _, offset, _ in skipped])
    _assert_verified(rig)


def _assert_dead_letters(rig: Rig, places: list[tuple[int, int]]) -> None:
    letters = [one for rows in read_topic(None, rig.uri, f"{TOPIC}.dlq").values() for one in rows]
    by_id = {message_id(one): one for one in letters}
    for partition, offset in places:
        letter = by_id[effect_id(TOPIC, partition, offset, 0)]
        assert b"program_error" in letter.headers
        assert json.loads(letter.value or b"")["channels"]
        assert letter.key == UNIT.encode()


def _assert_verified(rig: Rig) -> None:
    """The product's own verifier heeds the rows of `skipped`."""
    reader = open_reader(None, rig.uri)
    try:
        with psycopg.connect(rig.uri, autocommit=True) as connection:
            verdicts = list(verify(connection, BioreactorModel(), TOPIC, reader.read, lambda *_: 0, frame_records=97))
    finally:
        reader.close()
    assert [one.difference for one in verdicts if one.difference] == []
    assert sum(one.records for one in verdicts) == sum(rig.ends().values())


def test_planted_a_record_left_out_in_silence_is_seen(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("skip_in_silence",))
    feed_with_poison(rig, poisons=(20,))
    live_until_folded(rig, Plan(poison="poison"))
    assert any("missing" in problem or "lost" in problem for problem in rig.verify().problems)
