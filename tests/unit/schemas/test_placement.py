"""Placement: murmur2 as Kafka's clients compute it."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.placement import murmur2, partition_of
from schemas.topics import PARTITIONS, TOPICS

# Source: Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2.
PUBLISHED = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), PUBLISHED.items())
def test_published_vectors(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF


@given(st.binary(max_size=70))
def test_the_hash_is_that_of_aiokafka(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF


@given(st.binary(min_size=1, max_size=40), st.integers(1, 64))
def test_a_key_lives_on_one_of_the_partitions_always_the_same(key: bytes, partitions: int) -> None:
    place = partition_of(key, partitions)
    assert 0 <= place < partitions
    assert place == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions


@pytest.mark.parametrize("key", [None, b""])
def test_a_record_without_a_key_goes_to_partition_0(key: bytes | None) -> None:
    assert partition_of(key, PARTITIONS) == 0


def test_every_topic_has_the_partitions_that_placement_was_built_on() -> None:
    assert {topic.partitions for topic in TOPICS.values()} == {PARTITIONS} == {8}
