"""A job worker with a short lease; as a process of its own: `python -m tests.support.job_worker URI NAME`."""

from __future__ import annotations

import signal
import sys

from streams.jobs.devices import Place
from streams.jobs.engines import EngineEntry
from streams.jobs.past import read_past
from streams.jobs.slot import Limits
from streams.jobs.store import JobStore
from streams.jobs.work import Pace
from streams.jobs.worker import Worker
from streams.outputs import EmbeddedOutputs
from twins.engine import Device

ENTRY = EngineEntry("counting", "tests.support.counting_engine:CountingEngine", "finish")
LEASE_SECONDS = 1.0


def job_worker(uri: str, name: str = "w", places: int = 1) -> Worker:
    """Make one."""
    return Worker(
        name,
        [Place(Device())] * places,
        {"counting": ENTRY},
        lambda: JobStore(uri, EmbeddedOutputs(uri)),
        lambda claimed: read_past(uri, claimed),
        limits=Limits(lease_seconds=LEASE_SECONDS, renew_seconds=0.1),
        pace=Pace(0.005, 0.01, 0.04),
        reap_seconds=0.2,
    )


if __name__ == "__main__":
    made = job_worker(sys.argv[1], sys.argv[2], 2)
    signal.signal(signal.SIGTERM, lambda *_: made.request_stop())
    sys.exit(made.run())
