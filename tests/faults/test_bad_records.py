"""20,000 malformed, extreme and shuffled records: no worker ends, and every record is accounted for."""

from __future__ import annotations

import random

import pytest

from schemas.events import pack_headers
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from tests.faults.bad_records import bad_records, kinds
from tests.faults.conftest import MakeRig
from tests.faults.logs import Kept
from tests.faults.verifier import check_ledger
from tests.support.engines import Bench, prepared, rows_of
from tests.support.records import START
from twins.bioreactor import BioreactorModel

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261206
RECORDS = 20_000
THROUGH_A_WORKER = 2000


def as_log(number: int, seed: int) -> dict[int, list[Kept]]:
    """Place bad records as a log would; their headers as either backend has them."""
    rng = random.Random(seed)
    log: dict[int, list[Kept]] = {partition: [] for partition in range(PARTITIONS)}
    for key, value, headers in bad_records(number, seed):
        rows = log[partition_of(key, PARTITIONS)]
        packed = pack_headers(headers) if headers and not isinstance(headers, bytes) and rng.random() < 0.5 else headers
        rows.append(Kept(len(rows), START // 1000 + len(rows), key, value, packed))
    return log


def test_bad_records_are_all_accounted_for(postgres_uri: str) -> None:
    print(f"seed {SEED}; kinds: {', '.join(kinds())}")
    log = as_log(RECORDS, SEED)
    bench = Bench(prepared(postgres_uri), BioreactorModel(), frame_records=4000)
    bench.feed(dict(log), SEED, sizes=(1, 50, 600, 4000))
    bench.stop()
    assert not bench.codes, "an error ended the engine"
    found = check_ledger(postgres_uri, None, BioreactorModel(), SEED, log=log)
    print(f"verified, seed {SEED}: {found}")
    # as the API asks; a line that PostgreSQL cannot read as JSON would end the question
    by_reason = "select convert_from(line, 'UTF8')::jsonb #>> '{data,reason}', count(*) from effect group by 1"
    reasons = {reason: count for reason, count in rows_of(postgres_uri, by_reason) if reason is not None}
    print(f"reasons: {reasons}")
    assert not found.problems
    assert found.records == RECORDS
    assert sum(reasons.values()) > RECORDS // 3
    assert "program_error" not in reasons


def test_bad_records_do_not_end_a_worker(make_rig: MakeRig, transport: str) -> None:
    rig = make_rig(transport, SEED)
    # a client of Kafka refuses to send what has neither key nor value
    records = [row for row in bad_records(THROUGH_A_WORKER, SEED + 1) if row[:2] != (None, None)]
    rig.append(records)
    life = rig.launch()
    rig.end_well(life)
    found = rig.verify()
    assert not found.problems
    assert found.records == len(records)
    assert not rows_of(rig.uri, "select * from trouble")


def test_planted_refused_records_that_vanish_are_seen(make_rig: MakeRig) -> None:
    rig = make_rig("embedded", SEED, defects=("drop_refused",))
    rig.append(bad_records(300, SEED))
    rig.end_well(rig.launch())
    assert any("missing" in problem for problem in rig.verify().problems)
