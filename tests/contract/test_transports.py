"""What every transport promises: the embedded log, the Kafka protocol (librdkafka's mock), a real Kafka."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from schemas.errors import LogError, TopicMissingError
from schemas.events import read_headers
from schemas.placement import partition_of
from tests.contract.backends import Backend
from tests.contract.faust_worker import Worker, eventually

SEED = 20260301
BACKENDS = [
    pytest.param("postgres", marks=pytest.mark.postgres),
    "mock",
    pytest.param("kafka", marks=pytest.mark.kafka),
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "postgres":
        yield Backend("postgres", database=request.getfixturevalue("postgres_uri"))
    elif request.param == "mock":
        yield Backend("mock", broker=request.getfixturevalue("mock_kafka"))
    else:
        yield Backend("kafka", broker=request.getfixturevalue("kafka_server").url)


def rows(count: int, prefix: str = "BR", size: int = 20) -> list[tuple[bytes | None, bytes | None, Any]]:
    """Records of forty keys; the value tells its number."""
    return [(f"{prefix}-{i % 40:03d}".encode(), f"{i:08d}".encode().ljust(size, b"."), None) for i in range(count)]


def write(backend: Backend, topic: str, records: list[tuple[bytes | None, bytes | None, Any]], **where: Any) -> None:
    writer = backend.writer()
    try:
        writer.append(topic, records, **where)
    finally:
        writer.close()


def read_all(backend: Backend, topic: str) -> dict[int, list[Any]]:
    reader = backend.reader()
    try:
        found: dict[int, list[Any]] = {}
        for partition, end in reader.ends(topic).items():
            position = 0
            while position < end:
                got = reader.read(topic, partition, position, 500)
                assert got, f"nothing at {position} of {end}"
                found.setdefault(partition, []).extend(got)
                position = got[-1].offset + 1
        return found
    finally:
        reader.close()


# -- writers and readers


def test_each_record_is_read_once_and_keys_keep_their_order(backend: Backend) -> None:
    topic = backend.topic()
    writer = backend.writer()
    sent = rows(3000)
    for begin in range(0, 3000, 700):
        writer.append(topic, sent[begin : begin + 700])
    writer.close()
    found = read_all(backend, topic)
    for partition, records in found.items():
        assert [record.offset for record in records] == list(range(len(records)))
        assert all(partition_of(record.key, backend.partitions) == partition for record in records)
    for key in {row[0] for row in sent}:
        got = [r.value for records in found.values() for r in records if r.key == key]
        assert got == [row[1] for row in sent if row[0] == key]


def test_placement_is_the_same_everywhere_and_keyless_goes_to_zero(backend: Backend) -> None:
    seed = SEED
    print("seed", seed)
    random.seed(seed)
    topic = backend.topic()
    keys = [random.randbytes(random.randint(1, 40)) for _ in range(200)]
    write(backend, topic, [*[(key, b"v", None) for key in keys], (None, b"keyless", None)])
    where = {
        record.value + (record.key or b""): partition
        for partition, all_ in read_all(backend, topic).items()
        for record in all_
    }
    for key in keys:
        assert where[b"v" + key] == partition_of(key, backend.partitions)
    assert where[b"keyless"] == 0


def test_absent_keys_and_values_and_headers_arrive_as_they_left(backend: Backend) -> None:
    topic = backend.topic()
    headers = [("ce_id", b"e-1"), ("ce_type", b"bioreactor.reading"), ("content-type", b"application/json")]
    write(
        backend,
        topic,
        [(None, b"no key", headers), (b"k", None, headers), (b"k", b"", None), (b"", b"empty key", [])],
        partition=1,
    )
    found = read_all(backend, topic)[1]
    assert [(r.key, r.value) for r in found] == [(None, b"no key"), (b"k", None), (b"k", b""), (b"", b"empty key")]
    for record in found[:2]:
        attributes = read_headers(record.headers)
        assert (attributes.ce_id, attributes.ce_type) == ("e-1", "bioreactor.reading")
        assert attributes.content_type == "application/json"
    assert not read_headers(found[2].headers).ce_type


def test_the_place_of_what_was_appended_is_told(backend: Backend) -> None:
    topic = backend.topic()
    writer = backend.writer()
    first = writer.append(topic, [(b"a", b"1", None), (b"a", b"2", None)])
    second = writer.append(topic, [(b"a", b"3", None)])
    writer.close()
    partition = partition_of(b"a", backend.partitions)
    assert [p.offset for p in first] in ([0], [0, 1])  # one for the batch, or one for each row
    assert [(p.topic, p.partition, p.offset) for p in (first[0], second[0])] == [
        (topic, partition, 0),
        (topic, partition, 2),
    ]
    record = read_all(backend, topic)[partition][2]
    if backend.name != "mock":  # it answers with a constant
        assert record.timestamp == second[0].timestamp


def test_reading_at_the_end_gives_nothing_and_news_is_found(backend: Backend) -> None:
    topic = backend.topic()
    write(backend, topic, rows(10), partition=2)
    reader = backend.reader()
    assert reader.ends(topic)[2] == 10
    assert reader.beginnings(topic)[2] == 0
    assert list(reader.read(topic, 2, 10)) == []
    assert [r.offset for r in reader.read(topic, 2, 4, 3)] == [4, 5, 6]
    write(backend, topic, rows(1), partition=2)
    for _ in range(200):
        got = reader.read(topic, 2, 10)
        if got:
            break
        reader.wait(0.1)
    assert [r.offset for r in got] == [10]
    reader.close()


def test_a_missing_topic_is_an_error(backend: Backend) -> None:
    if backend.name == "mock":  # it makes any topic it is asked for
        return
    backend.topic()
    reader, writer = backend.reader(), backend.writer()
    with pytest.raises(TopicMissingError):
        reader.ends("nowhere")
    with pytest.raises(TopicMissingError):
        writer.append("nowhere", rows(1))
    reader.close()
    writer.close()


def test_a_closed_writer_says_so(backend: Backend) -> None:
    topic = backend.topic()
    writer = backend.writer()
    writer.append(topic, rows(1))
    writer.close()
    writer.close()
    with pytest.raises(LogError, match="closed"):
        writer.append(topic, rows(1))


# -- a Faust agent


def worker(backend: Backend, topic: str, tmp_path: Path, **how: Any) -> Worker:
    how.setdefault("group", f"g-{uuid4().hex[:8]}")
    return Worker(backend.broker, backend.database, topic, tmp_path, partitions=backend.partitions, **how)


def contiguous(seen: Worker, start: int = 0) -> bool:
    return all(offsets == list(range(start, start + len(offsets))) for offsets in seen.offsets.values())


def test_an_agent_gets_every_record_once_in_order(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(5000))

    async def case() -> None:
        async with worker(backend, topic, tmp_path).running() as seen:
            await seen.until(lambda: seen.count() >= 5000)
            for _ in range(5):
                await asyncio.to_thread(write, backend, topic, rows(100))
            await seen.until(lambda: seen.count() >= 5500)
            assert seen.count() == 5500
            assert contiguous(seen)
            assert all(first + count - 1 == last for _, first, last, count in seen.frames)
            assert len(seen.frames) < 500
            assert seen.claimed == [set(range(backend.partitions))]

    asyncio.run(case())


def test_a_frame_keeps_its_bounds(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(100, size=20), partition=1)
    write(backend, topic, [(b"k", b"x" * 5000, None), (b"k", b"x" * 900, None), *rows(3, size=300)], partition=2)

    async def case() -> None:
        async with worker(backend, topic, tmp_path, frame_records=30, frame_bytes=1000).running() as seen:
            await seen.until(lambda: seen.count() >= 105)
            assert contiguous(seen)
            assert max(count for _, _, _, count in seen.frames) <= 30
            frames = [(first, last) for partition, first, last, _ in seen.frames if partition == 2]
            assert frames[:2] == [(0, 0), (1, 1)]

    asyncio.run(case())


def test_it_starts_where_the_ledger_says(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(50), partition=1)
    write(backend, topic, rows(50), partition=2)

    async def case() -> None:
        claims = {1: 17, 2: 50}
        async with worker(backend, topic, tmp_path, claims=claims).running() as seen:
            await seen.until(lambda: seen.count() >= 33)
            await asyncio.to_thread(write, backend, topic, rows(1), partition=2)
            await seen.until(lambda: seen.count() >= 34)
            assert seen.offsets == {1: list(range(17, 50)), 2: [50]}

    asyncio.run(case())


def test_after_a_restart_it_starts_at_the_new_claim_not_at_the_commit(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(200), partition=1)
    group = f"g-{uuid4().hex[:8]}"

    async def case() -> None:
        async with worker(backend, topic, tmp_path, group=group).running() as seen:
            await seen.until(lambda: seen.count() >= 200)
            await eventually(lambda: backend.committed(group, topic).get(1) == 200, what="commit", blocking=True)
        write_more = asyncio.to_thread(write, backend, topic, rows(20), partition=1)
        await write_more
        async with worker(backend, topic, tmp_path, group=group, claims={1: 150}).running() as again:
            await again.until(lambda: again.count() >= 70)
            assert again.offsets == {1: list(range(150, 220))}

    asyncio.run(case())


def test_committed_offsets_keep_up_with_many_small_frames(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    group = f"g-{uuid4().hex[:8]}"

    async def case() -> None:
        writer = backend.writer()
        async with worker(backend, topic, tmp_path, group=group).running() as seen:
            for i in range(60):
                await asyncio.to_thread(writer.append, topic, rows(3), 1)
                if i % 20 == 0:
                    await seen.until(lambda i=i: seen.count() >= 3 * (i + 1))  # type: ignore[misc]
            await seen.until(lambda: seen.count() >= 180)
            assert len(seen.frames) >= 3
            assert contiguous(seen)
            await eventually(
                lambda: backend.committed(group, topic).get(1) == 180, seconds=5, what="commit", blocking=True
            )
        await asyncio.to_thread(writer.close)

    asyncio.run(case())


def test_an_agent_may_go_back(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(300), partition=1)

    async def case() -> None:
        seen = worker(backend, topic, tmp_path, frame_records=100)
        seen.seek_once = {1: 20}
        async with seen.running():
            await seen.until(
                lambda: bool(seen.offsets.get(1)) and seen.offsets[1][-1] == 299 and 20 in seen.offsets[1][100:]
            )
            offsets = seen.offsets[1]
            back = offsets.index(20, 100)  # frames that were under way may come before it, then all from there on
            assert offsets[:100] == list(range(100))
            assert offsets[back:] == list(range(20, 300))

    asyncio.run(case())


def test_no_frame_comes_while_paused_and_none_is_lost(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(500))
    paused = [True]
    asked = [0]

    def is_paused() -> bool:
        asked[0] += 1
        return paused[0]

    async def case() -> None:
        async with worker(backend, topic, tmp_path, paused=is_paused).running() as seen:
            await eventually(lambda: asked[0] > 20, what="looks at `paused`")
            assert seen.frames == []
            paused[0] = False
            await seen.until(lambda: seen.count() >= 500)
            assert seen.count() == 500
            assert contiguous(seen)

    asyncio.run(case())


def test_a_claim_that_fails_ends_the_app(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, rows(10))

    async def case() -> None:
        seen = worker(backend, topic, tmp_path)

        async def refuse(_: Any) -> dict[Any, int]:
            raise LogError("no claim today")

        seen.hooks.claims = refuse
        started = asyncio.ensure_future(seen.app.start())
        await eventually(lambda: seen.app.crashed, what="crash")
        assert isinstance(seen.app.crash_reason, LogError)
        assert seen.frames == []
        await asyncio.wait_for(seen.app.stop(), 30)
        await asyncio.wait([started], timeout=10)
        if started.done() and not started.cancelled():
            assert isinstance(started.exception(), LogError | None)

    asyncio.run(case())


def test_other_topics_keep_the_stock_path(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()
    write(backend, topic, [(b"k", f"{i}".encode(), [("n", str(i).encode())]) for i in range(20)], partition=1)

    async def case() -> None:
        async with worker(backend, topic, tmp_path, framed=False).running() as seen:
            await seen.until(lambda: seen.count() >= 20)
            assert [m.value for m in seen.records] == [f"{i}".encode() for i in range(20)]
            assert [dict(m.headers)["n"] for m in seen.records] == [str(i).encode() for i in range(20)]
            assert seen.claimed == [set()]

    asyncio.run(case())


def test_an_app_can_send(backend: Backend, tmp_path: Path) -> None:
    topic = backend.topic()

    async def case() -> None:
        async with worker(backend, topic, tmp_path).running() as seen:
            await eventually(lambda: seen.claimed, what="assignment")
            channel = seen.app.topic(topic, key_serializer="raw", value_serializer="raw")
            where = await (await channel.send(key=b"a", value=b"hello", headers={"h": b"x"}))
            await channel.send(key=None, value=b"keyless")
            await seen.until(lambda: seen.count() >= 2)
            assert where.partition == partition_of(b"a", backend.partitions)
            got = {
                r.value: p
                for p, offsets in seen.offsets.items()
                for r in seen.records
                if offsets and r.offset in offsets
            }
            assert b"hello" in got
            assert {r.key for r in seen.records if r.value == b"keyless"} == {None}
            assert 0 in seen.offsets

    asyncio.run(case())
