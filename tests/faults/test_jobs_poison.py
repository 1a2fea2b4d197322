"""Jobs that kill, hang, swell or cannot be read, and checkpoints that were torn: each costs itself alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.job_pool import Pool
from tests.faults.job_process import WATCHED
from tests.faults.workers import until
from tests.support.engines import rows_of
from tests.support.jobs import change, said

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
_WAITS_OVER = "update job set not_before = clock_timestamp() where state = 'queued' and not_before > clock_timestamp()"


def test_poison_goes_to_the_dead_letters_after_three_attempts_and_holds_up_nobody(pool: Pool) -> None:
    poison = [
        *pool.ask(5, trouble={"what": "kill validator"}),
        *pool.ask(5, trouble={"what": "crash"}),
        *pool.ask(5, trouble={"what": "raise"}),
    ]
    (refused,) = pool.ask(13)  # the engine says no: another attempt would do no better
    pool.put((b"BR-0", b"no json"))
    good = pool.ask(*[20] * 12)
    pool.launch("dispatcher")
    pool.launch("worker", places=1)
    until(lambda: all(pool.state(name) == "done" for name in good), 30, "the neighbours to end; " + pool.told())
    assert not pool.count("failures >= 3")  # they did not wait for it

    def dead() -> bool:
        change(pool.uri, _WAITS_OVER)
        return pool.count("state = 'failed'") == 4

    until(dead, 30, "the dead letters; " + pool.told())
    ends = {name: (attempt, failures) for name, attempt, failures in rows_of(
        pool.uri, "select id, attempt, failures from job where state = 'failed'"
    )}  # fmt: skip
    assert ends == {**dict.fromkeys(poison, (3, 3)), refused: (1, 1)}
    letters = [headers for _, _, headers in said(pool.uri, "resim.requests.dlq")]
    assert sorted(headers["ce_id"] for headers in letters if headers["ce_id"] in pool.asked) == sorted(ends)
    assert len(letters) == 5
    why = {headers["ce_id"]: headers["reject_received"] for headers in letters}
    assert "SIGKILL" in why[poison[0]]
    assert "SIGSEGV" in why[poison[1]]
    assert "a bad number" in why[poison[2]]
    failed = [one.job for one in pool.results() if one.status == "failed"]
    assert sorted(failed) == sorted(ends)
    pool.assert_each_answered_once(without=tuple(ends))


def test_an_engine_that_hangs_swells_or_loses_its_memory_is_ended_and_goes_on(pool: Pool, tmp_path: Path) -> None:
    """While it hangs its worker goes on renewing the lease: only the progress tells."""
    whats = {"hang": WATCHED, "still": WATCHED, "swell": "counting", "memory": "counting"}
    for what, kind in whats.items():
        (flag := tmp_path / what).touch()
        pool.ask(60, kind=kind, trouble={"what": what, "at": 30, "once": str(flag)})
    good = pool.ask(*[20] * 6)
    pool.launch("dispatcher")
    pool.launch("worker", places=2)

    def all_ended() -> bool:
        change(pool.uri, _WAITS_OVER)
        return pool.count("state in ('queued', 'running')") == 0 and pool.count("true") == len(pool.asked)

    until(all_ended, 30, "all to end; " + pool.told())
    pool.assert_each_answered_once()
    attempts = dict(rows_of(pool.uri, "select id, (attempt, failures, lost)::text from job"))
    assert [attempts[name] for name in list(pool.asked)[:4]] == ["(2,1,0)"] * 4
    assert [attempts[name] for name in good] == ["(1,0,0)"] * len(good)


def test_a_flipped_checkpoint_falls_back_to_the_one_before_and_torn_ones_to_the_beginning(pool: Pool) -> None:
    flipped, torn = pool.ask(1000, 1000)
    pool.launch("dispatcher")
    worker = pool.launch("worker")
    pool.until("share > 0.2 and (select count(*) from job_checkpoint c where c.job = job.no) = 2", 2)
    worker.kill()
    kept = rows_of(
        pool.uri, "select c.seq from job_checkpoint c join job j on j.no = c.job where j.id = %s order by seq", flipped
    )
    newest = "c.seq = (select max(seq) from job_checkpoint where job = c.job)"
    change(
        pool.uri,
        "update job_checkpoint c set body = set_byte(c.body, 9, get_byte(c.body, 9) # 1) from job j"
        f" where j.no = c.job and j.id = %s and {newest}",
        flipped,
    )
    change(
        pool.uri,
        "update job_checkpoint c set body = substr(c.body, 1, length(c.body) / 2) from job j"
        " where j.no = c.job and j.id = %s",
        torn,
    )
    pool.launch("worker")
    pool.all_ended()
    assert pool.assert_each_answered_once() == 1
    resumed = {one.job: one.provenance.resumed for one in pool.results()}
    assert resumed == {flipped: (f"1/{kept[0][0]} exact",), torn: ()}
