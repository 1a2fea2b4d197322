"""Jobs over Kafka: killed with answers in the outbox, each answer reaches its twin's topic, and counts there once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from schemas.events import write_headers, write_value
from streams.log import Row
from tests.faults.conftest import MakeRig
from tests.faults.job_pool import Pool, straight
from tests.faults.job_process import DISPATCHER_STEPS
from tests.faults.logs import message_id, read_topic
from tests.faults.plan import PUBLISH_STEPS, Plan
from tests.faults.rig import Rig
from tests.support.engines import rows_of
from tests.unit.twins.bioreactor.script import Script

pytestmark = [pytest.mark.postgres, pytest.mark.faults, pytest.mark.kafka]
SEED = 20261124
BATCH = "B-1"
ANSWERED = "bioreactor.events"
JOBS = 24
_REASONS = "select convert_from(line, 'UTF8')::jsonb -> 'data' ->> 'reason' from effect where kind = 'reject'"


def units_of(names: Sequence[str]) -> list[Row]:
    """A batch begins in the unit of each job: an answer that names it counts there."""
    rows: list[Row] = []
    for name in names:
        event = Script(f"BR-{name}").start(batch=BATCH, id=f"start-{name}")
        rows.append((event.subject.encode(), write_value(event), write_headers(event)))
    return rows


def sent(rig: Rig, topic: str) -> Counter[str]:
    """How often each message stands on a topic."""
    return Counter(message_id(one) for part in read_topic(rig.broker, rig.uri, topic).values() for one in part)


def test_answers_in_the_outbox_outlive_their_workers_and_publishers_and_count_once(
    make_rig: MakeRig, tmp_path: Path
) -> None:
    rig = make_rig("kafka", SEED)
    names = [f"job-{n}" for n in range(JOBS)]
    rig.append(units_of(names))
    rig.end_well(rig.launch())  # the twins know their batches
    with Pool(rig.uri, tmp_path, rig.broker) as pool:
        assert pool.ask(*[20] * (JOBS - 4), *[250] * 4, batch=BATCH) == names
        for step in DISPATCHER_STEPS[:2]:
            assert pool.launch("dispatcher", at=step).wait() == -9, step
        for _ in range(2):
            pool.launch("dispatcher")
        for step in ("finish_written", "finished"):
            worker = pool.launch("worker", at=step, places=1)
            assert worker.wait() == -9, (step, worker.said())
        pool.launch("worker")
        pool.all_ended()
        assert rows_of(rig.uri, "select count(*) from outbox") == [(2 * JOBS,)]  # nobody sends yet
        before, after = PUBLISH_STEPS
        for step in (after, after, before):
            (life,) = rig.live([Plan(step)])
            assert (life.code, life.step) == (-9, step), life.said()
        rig.finish()
        bits = {name: straight(msgspec.json.encode(spec)) for name, spec in pool.asked.items()}
    answers = "select id, convert_from(result, 'UTF8')::jsonb -> 'summary' ->> 'mix' from job where state = 'done'"
    assert dict(rows_of(rig.uri, answers)) == bits
    events, results = sent(rig, ANSWERED), sent(rig, "resim.results")
    assert set(results) == set(names) == set(events) - {f"start-{name}" for name in names}
    again = sum(events[name] - 1 for name in names)
    assert again >= 1, "a publisher was killed between the broker's word and its own: something is there twice"
    folded = rows_of(rig.uri, "select id, count(*) from fact where type = 'bioreactor.resimulated' group by id")
    assert dict(folded) == dict.fromkeys(names, 1)
    refused = Counter(reason for (reason,) in rows_of(rig.uri, _REASONS))
    print(f"{JOBS} answers, {again} of them sent again")
    assert refused == {"duplicate": again}
