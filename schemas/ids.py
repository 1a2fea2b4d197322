"""Identifiers as types: checked once at birth, then trusted.

An id is 1 to 128 printable characters without spaces at its ends. Tag names are hostile by default
(they come from other people's historians), so control characters never get past this door.
"""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from schemas.errors import InvalidFieldError

UnitId = NewType("UnitId", str)
BatchId = NewType("BatchId", str)
SampleId = NewType("SampleId", str)
Tag = NewType("Tag", str)
EventId = NewType("EventId", str)
EffectId = NewType("EffectId", str)
TwinKey = NewType("TwinKey", str)

LONGEST = 128
# What may stand anywhere in an id, and what may stand at its ends.
_INNER = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
_OUTER = r"[^\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]"
_FINE = re.compile(f"{_OUTER}({_INNER}{{0,{LONGEST - 2}}}{_OUTER})?")


def check_id(text: str, where: str) -> str:
    """Give the id back if it is one.

    Raises
    ------
    InvalidFieldError
        If it is empty, too long, or holds control characters or outer spaces.

    Examples
    --------
    >>> check_id("BR-017", "subject")
    'BR-017'
    """
    # plain ASCII, nearly all there is, is told without the expression
    if text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST and text[0] != " " and text[-1] != " ":
        return text
    if _FINE.fullmatch(text) is None:
        raise InvalidFieldError(
            expected=f"an id of 1 to {LONGEST} printable characters", received=repr(text)[:80], where=where
        )
    return text


def effect_id(topic: str, partition: int, offset: int, n: int) -> EffectId:
    """Name the n-th effect of one record.

    Examples
    --------
    >>> effect_id("bioreactor.events", 3, 17, 0)
    'bioreactor.events/3/17/0'
    """
    return EffectId(f"{topic}/{partition}/{offset}/{n}")


def event_hash(source: str, event_id: str) -> int:
    """Fold (source, id), which names a duplicate, into a signed 64-bit number (BLAKE2b).

    Never 0, which stands for an empty place in the twins' memory of ids.

    Examples
    --------
    >>> event_hash("sim", "1") == event_hash("sim", "1"), event_hash("sim", "1") == event_hash("si", "m1")
    (True, False)
    """
    digest = hashlib.blake2b(f"{source}\x00{event_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) or 1
