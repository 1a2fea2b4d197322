"""A COMMIT may be durable though its reply was lost: whoever tries again must look first."""

from __future__ import annotations

import pytest

from tests.faults.conftest import MakeRig
from tests.faults.proxy import CommitLoser
from tests.faults.rig import Rig
from tests.faults.workers import until

pytestmark = [pytest.mark.postgres, pytest.mark.faults]
SEED = 20261202
CUTS = 40


def lose_replies(rig: Rig, proxy: CommitLoser) -> None:
    """Run one worker through the proxy until enough COMMITs were cut, then let it end in peace."""
    rig.feed(per_second=300)
    life = rig.launch()
    until(lambda: proxy.cut_after + proxy.cut_before >= CUTS or not life.alive, 60, f"{CUTS} cuts")
    proxy.share = 0.0
    rig.stop_feeding()
    rig.end_well(life)
    print(f"COMMITs cut: {proxy.cut_before} before they were done, {proxy.cut_after} after")


@pytest.mark.parametrize("defects", [(), ("forget_applied",)], ids=["product", "planted: a blind retry"])
def test_a_commit_without_reply_is_neither_lost_nor_doubled(
    make_rig: MakeRig, transport: str, postgres_server: object, defects: tuple[str, ...]
) -> None:
    uri = postgres_server.database()  # type: ignore[attr-defined]
    with CommitLoser(uri, SEED, share=0.4) as proxy:
        rig = make_rig(transport, SEED, uri=uri, worker_uri=proxy.uri, defects=defects)
        lose_replies(rig, proxy)
    found = rig.verify()
    assert proxy.cut_after >= CUTS // 4
    if defects:
        assert any("twice" in problem or "doubled" in problem for problem in found.problems)
    else:
        assert not found.problems
