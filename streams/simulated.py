"""Simulated bioreactors as a live source, for `up` and `ingest simulator`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from connectors.bioreactor_simulation import Simulation
from connectors.bioreactor_simulator import Simulator, live
from connectors.outgoing import Outgoing
from schemas.instants import Instant, format_instant


async def simulated(
    *, units: int, rate_hz: float, seed: int, speed: float, stop: Callable[[], bool]
) -> AsyncIterator[list[Outgoing]]:
    """Give the records of a fleet as they fall due, its event clock running `speed` times as fast as ours from now on.

    With speed 1 its twins live on wall-clock time; faster, only its own words tell them that time passed.
    """
    started = int(time.time()) * 1_000_000
    simulation = Simulation(
        units=units,
        seed=seed,
        rate_hz=rate_hz,
        origin=format_instant(Instant(started)),
        age_hours=0.0 if speed > 1 else 12.0,
        clock="wall" if speed == 1 else "source",
    )
    async for records in live(Simulator(simulation), monotonic=time.monotonic, sleep=asyncio.sleep, speed=speed):
        if stop():
            return
        yield records
