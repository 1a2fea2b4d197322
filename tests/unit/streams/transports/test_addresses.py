"""Which transport serves an address, and how a frame is cut. No server."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest
from faust.transport import drivers
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import LogError, SettingsError
from streams.log import Record
from streams.transports import CoalescingHooks, attach, hooks_of, transport_url
from streams.transports.addresses import kafka_servers
from streams.transports.coalescing import _frames
from streams.transports.kafka import FreezeGuard, place


@pytest.mark.parametrize(
    ("broker", "url"),
    [
        ("kafka://broker:9092", "twinstream-kafka://broker:9092"),
        ("kafka://broker", "twinstream-kafka://broker:9092"),
        ("kafka://a:1;kafka://b:2", "twinstream-kafka://a:1;twinstream-kafka://b:2"),
        ("kafka://[::1]:9092", "twinstream-kafka://[::1]:9092"),
        (None, "twinstream-pg://log/plant"),
    ],
)
def test_the_broker_chooses_the_transport(broker: str | None, url: str) -> None:
    assert transport_url(broker, "postgresql://user:secret@host/plant?sslmode=require") == url
    for one in url.split(";"):
        assert drivers.by_url(one).__module__ == f"streams.transports.{'kafka' if broker else 'postgres'}"


@pytest.mark.parametrize("broker", ["", "localhost:9092", "amqp://x", "kafka://", "kafka://a;redis://b"])
def test_an_address_that_is_no_brokers_is_refused(broker: str) -> None:
    with pytest.raises(SettingsError, match="kafka://127"):
        kafka_servers(broker)


def test_hooks_are_needed() -> None:
    class App:
        pass

    app = App()
    with pytest.raises(LogError, match="attach"):
        hooks_of(app)

    async def claims(_: Any) -> dict[Any, int]:
        return {}

    hooks = CoalescingHooks(claims=claims)
    attach(app, hooks)
    assert hooks_of(app) is hooks
    assert hooks.framed("bioreactor.events")
    assert not hooks.framed("twin.alerts")
    assert not hooks.framed("nowhere")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 20), st.integers(1, 120))
def test_frames_keep_order_and_bounds(sizes: list[int], most_records: int, most_bytes: int) -> None:
    rows = [Record(i, 0, None, b"x" * size if size else None, None) for i, size in enumerate(sizes)]
    frames = [list(frame) for frame in _frames(rows, most_records, most_bytes)]
    assert [row for frame in frames for row in frame] == rows
    for frame in frames:
        assert 1 <= len(frame) <= most_records
        assert len(frame) == 1 or sum(len(row.value or b"") for row in frame) <= most_bytes


def test_the_partitioner_is_the_one_of_the_embedded_log() -> None:
    assert place(None, list(range(8)), [3]) == 0
    assert place(b"BR-017", list(range(8)), []) == 0
    assert place(b"21", [0, 1, 2], []) == ((-973932308) & 0x7FFFFFFF) % 3


def test_having_stood_still_is_noticed_once() -> None:
    reasons: list[str] = []
    guard = FreezeGuard(6.0, reasons.append)
    assert guard.holds()
    guard._seen = monotonic() - 7.0
    assert not guard.holds()
    assert "stood still" in reasons[0]
    guard.close()
    assert len(reasons) == 1
