"""A stream's cursor: the next offset to send of every output partition, as opaque text that survives a restart."""

from __future__ import annotations

import base64

from schemas.errors import InvalidFieldError
from schemas.topics import OUTPUTS, TOPICS

# What is streamed, the most urgent first; the letter stands for the topic in a cursor.
_LETTERS = {"alert": "a", "forecast": "f", "estimate": "e", "correction": "c"}
STREAMED: dict[str, str] = {OUTPUTS[kind]: letter for kind, letter in _LETTERS.items()}
KIND_OF: dict[str, str] = {OUTPUTS[kind]: kind for kind in _LETTERS}

Positions = dict[tuple[str, int], int]

_VERSION = "1"
_LONGEST = 4000
_FEWEST = 3  # topics that a cursor of an older version speaks of


def write_positions(positions: Positions) -> str:
    """Write positions as a cursor.

    Examples
    --------
    >>> cursor = write_positions({("twin.alerts", 1): 7})
    >>> read_positions(cursor)["twin.alerts", 1], read_positions(cursor)["twin.alerts", 0]
    (7, 0)
    """
    parts = [_VERSION]
    for topic, letter in STREAMED.items():
        offsets = ",".join(format(positions.get((topic, p), 0), "x") for p in range(TOPICS[topic].partitions))
        parts.append(letter + offsets)
    return base64.urlsafe_b64encode(";".join(parts).encode()).decode().rstrip("=")


def read_positions(text: str) -> Positions:
    """Read a cursor. One of an older version leaves out topics that were not streamed then.

    Raises
    ------
    InvalidFieldError
        If no stream of ours gave it.
    """
    try:
        if len(text) > _LONGEST:
            raise ValueError(len(text))
        version, *parts = (
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode().split(";")
        )
        if version != _VERSION or not _FEWEST <= len(parts) <= len(STREAMED):
            raise ValueError(version)
        positions: Positions = {}
        for (topic, letter), part in zip(STREAMED.items(), parts, strict=False):
            offsets = [int(offset, 16) for offset in part.removeprefix(letter).split(",")]
            if len(offsets) != TOPICS[topic].partitions or min(offsets) < 0 or max(offsets) >= 1 << 62:
                raise ValueError(part)
            positions.update({(topic, p): offset for p, offset in enumerate(offsets)})
    except ValueError:
        raise InvalidFieldError(
            expected="a cursor that this stream gave",
            received=repr(text)[:60],
            where="Last-Event-ID",
            advice="leave it out to begin at the present",
        ) from None
    return positions
