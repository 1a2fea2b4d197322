"""What the routes of EPCIS work with: built with the app, started and stopped with it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from prometheus_client import Gauge

from connectors.epcis import open_identification
from streams.api.config import ApiConfig
from streams.api.keys import is_loopback
from streams.api.metrics import ApiMetrics
from streams.api.pace import Pace
from streams.api.ports import LogReader, LogWriter
from streams.epcis.capturing import Capturer
from streams.epcis.following import Follower
from streams.epcis.subscribing import Subscriber
from streams.ledger.epcis_store import EpcisStore

CAPTURES_A_MINUTE = 600  # by one API key: documents and single events together


@dataclass(frozen=True, slots=True)
class EpcisServices:
    """The parts of EPCIS' interfaces."""

    store: EpcisStore
    follower: Follower
    capturer: Capturer
    subscriber: Subscriber
    pace: Pace

    async def start(self) -> None:
        """Connect, and begin to follow, capture and tell."""
        await self.store.open()
        self.follower.start()
        self.capturer.start()
        self.subscriber.start()

    async def stop(self) -> None:
        """End all of it; each goes on where it stood when it starts again."""
        await self.subscriber.stop()
        await self.capturer.stop()
        await self.follower.stop()
        await self.store.close()


def build_epcis(config: ApiConfig, reader: LogReader, writer: LogWriter, metrics: ApiMetrics) -> EpcisServices:
    """Build the parts. Raises UsageError if the table of identification cannot be used."""
    store = EpcisStore(config.database)
    follower = Follower(store, reader)
    table = open_identification(config.epcis_identify)
    lag = Gauge(
        "twinstream_epcis_lag_records", "Records of supply.events not yet in the index.", registry=metrics.registry
    )
    lag.set_function(lambda: follower.lag)
    capturer = Capturer(
        store, writer, follower, table, lambda outcome, events: metrics.ingested.labels(outcome).inc(events)
    )
    subscriber = Subscriber(store, follower, loopback=is_loopback(config.host))
    return EpcisServices(store, follower, capturer, subscriber, Pace(CAPTURES_A_MINUTE))


def epcis_of(request: Request) -> EpcisServices:
    """Find the services of the app that a request came to."""
    services = request.app.state.epcis
    assert isinstance(services, EpcisServices)
    return services
