"""What was learned, as bytes and back: JSON of named numbers with a version, under a SHA-256. No code in it is run.

Floats are written in their shortest form that reads back as the same bits. What another version of river wrote is
refused, as its objects are filled member by member (`models.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import river
from msgspec import Struct

from schemas.errors import SnapshotError
from twins.learning.residual import LearnerState, ResidualLearner
from twins.learning.settings import LearningSection

RIVER = str(river.__version__)
SCHEMA = 1
MOST_BYTES = 1_000_000  # more is no learner of ours
_DIGEST = 32


class Document(Struct, frozen=True):
    """A stored learner: who wrote it, what it is of, what it remembers."""

    schema: int
    river: str
    name: str  # of what is learned, with its version and settings
    inputs: list[str]
    learner: LearnerState


_ENCODE = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(Document)


def write_learner(learner: ResidualLearner, names: Sequence[str], section: LearningSection) -> bytes:
    """Write all that a learner remembers: the same memory, the same bytes."""
    body = _ENCODE.encode(Document(SCHEMA, RIVER, section.name, list(names), learner.state()))
    return hashlib.sha256(body).digest() + body


def read_learner(stored: bytes, names: Sequence[str], section: LearningSection) -> ResidualLearner:
    """Make the learner that `write_learner` wrote: it goes on to the bit.

    Raises
    ------
    SnapshotError
        If the bytes are changed or cut, or are of other settings, other inputs or another version of river.
    """
    body = stored[_DIGEST:]
    if len(stored) > MOST_BYTES or hashlib.sha256(body).digest() != stored[:_DIGEST]:
        raise SnapshotError(
            f"expected a learner of at most {MOST_BYTES} bytes with its SHA-256, received {len(stored)} bytes without; "
            "let the learning begin anew"
        )
    try:
        head = msgspec.json.decode(body, type=_Head)
        if (head.schema, head.river) != (SCHEMA, RIVER):
            raise SnapshotError(
                f"expected a learner of schema {SCHEMA} and river {RIVER}, received schema {head.schema} and river "
                f"{head.river}; let the learning begin anew, or put the old version of river back"
            )
        document = _DECODE.decode(body)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"expected a readable learner, received {error}; let the learning begin anew") from None
    if document.name != section.name or document.inputs != list(names):
        raise SnapshotError(
            f"expected a learner {section.name} of {', '.join(names)}, received {document.name} of "
            f"{', '.join(document.inputs)}; let the learning begin anew"
        )
    return ResidualLearner(names, section, document.learner)


class _Head(Struct):
    schema: int
    river: str
