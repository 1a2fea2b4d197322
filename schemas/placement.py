"""Where a key lives: the same partition on every backend.

Source: Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2` (MurmurHash2, seed 0x9747b28c) and
its default partitioner `toPositive(murmur2(key)) % partitions`. A record without a key goes to partition 0,
so that a fold of a file and a live run agree on it.
"""

from __future__ import annotations

from functools import lru_cache

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Hash bytes as Kafka's Java client does, as an unsigned 32-bit number.

    Examples
    --------
    >>> murmur2(b"21") == (-973932308) & 0xFFFFFFFF
    True
    """
    length = len(data)
    h = (0x9747B28C ^ length) & _MASK
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * _M) & _MASK
        k ^= k >> 24
        k = (k * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    rest = length - whole
    if rest:
        if rest == 3:
            h ^= data[whole + 2] << 16
        if rest >= 2:
            h ^= data[whole + 1] << 8
        h ^= data[whole]
        h = (h * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=1 << 17)
def partition_of(key: bytes | None, partitions: int) -> int:
    """Place a key.

    Examples
    --------
    >>> partition_of(b"BR-017", 8), partition_of(None, 8)
    (0, 0)
    """
    if not key:
        return 0
    return (murmur2(key) & 0x7FFFFFFF) % partitions
