"""A COMMIT may be durable though its reply was lost: whoever tries again must look first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.proxy import CommitLoser
from tests.faults.verifier import Findings
from tests.faults.workers import until

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261202
CUTS = 20


def lose_replies(make_rig: MakeRig, server: Any, transport: str, cuts: int, *defects: str) -> Findings:
    """Run one worker through the proxy until enough COMMITs were done whose reply is lost, then let it end in peace."""
    uri = server.database()
    with CommitLoser(uri, SEED, share=0.5) as proxy:
        rig = make_rig(transport, SEED, uri=uri, worker_uri=proxy.uri, defects=defects)
        rig.feed(per_second=300)
        life = rig.launch()
        until(lambda: proxy.cut_after >= cuts or not life.alive, 60, f"{cuts} cuts")
        proxy.share = 0.0
        rig.stop_feeding()
        rig.end_well(life)
        assert proxy.cut_after >= cuts
        print(f"COMMITs cut: {proxy.cut_before} before they were done, {proxy.cut_after} after")
    return rig.verify()


def test_a_commit_without_reply_is_neither_lost_nor_doubled(
    make_rig: MakeRig, transport: str, postgres_server: Any
) -> None:
    assert not lose_replies(make_rig, postgres_server, transport, CUTS).problems


def test_planted_a_blind_retry_is_seen(make_rig: MakeRig, transport: str, postgres_server: Any) -> None:
    """With its replies lost such a worker may also end as stale, which hides the defect: then it is tried again."""
    for last in (False, False, True):
        try:
            found = lose_replies(make_rig, postgres_server, transport, CUTS, "forget_applied")
        except AssertionError as error:
            if last or "ended with 75" not in str(error):
                raise
            continue
        assert any("twice" in problem for problem in found.problems)
        return
