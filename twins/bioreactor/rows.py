"""One minute of one twin: whole numbers that do not care in which order they came, and the few things that are
not numbers. A row is what the filter folds, what is kept for late facts, and what a late fact changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.instants import MINUTE

# Columns of a bucket, int64: number of good readings, their sum, least and greatest [1e-6 of the canonical unit],
# sum of their times [us after the minute began], feed and sample [nL].
N, TOTAL, LEAST, GREATEST, TIMES, FEED, SAMPLE = range(7)
BUCKET = 7
FIXED = 1e6  # a reading in fixed point
NANOLITRES = 1e9  # per litre
NONE_LEAST, NONE_GREATEST = 1 << 62, -(1 << 62)
EMPTY_BUCKET = (0, 0, NONE_LEAST, NONE_GREATEST, 0, 0, 0)
LARGEST_VOLUME = 10**18  # nL; volumes saturate here, far above any vessel
MOST_ITEMS = 256  # batches, phases, other changes and assays of one twin in one minute

# What a change is, in the order in which changes of one instant count.
# OTHER_PROBE is a calibration or change of a probe that is not that of biomass, SAMPLED what probes said at a sample,
# ADOPTED what a person took over from a re-simulation (`adopting`).
END, START, PHASE, PROBE, INOCULATED, HELD, RESUMED, EXCHANGED, OTHER_PROBE, SAMPLED, DISTRUSTED, TRUSTED = range(12)
ADOPTED = 12
RETAINED = "cells retained"  # the name of an exchange of medium in which they were

Ints = NDArray[np.int64]


class Batch(Struct, frozen=True, array_like=True):
    """What is known of the run: the part of a twin's state that is not numbers."""

    batch: str | None = None
    phase: str | None = None
    started: int | None = None
    planned_end: int | None = None
    clock: str = "wall"
    parameters: tuple[tuple[str, float], ...] = ()
    inoculated: int | None = None
    held: str | None = None  # why, while it is
    gain_sd: float = -1.0  # what the newest calibration or change of the biomass probe said; -1: nothing
    distrusted: tuple[str, ...] = ()  # tags whose readings are not used


class Change(Struct, frozen=True, array_like=True, order=True):
    """What changed at once: a batch ended (order 0) or started (1), and so on. Compared in this order of fields."""

    event_time: int
    order: int
    id: str
    name: str = ""  # phase; reason of a hold; RETAINED; tag that is trusted or not; job that was adopted
    batch: str = ""
    planned_end: int = -1
    clock: str = "wall"
    volume: int = -1  # nL
    parameters: tuple[tuple[str, float], ...] = ()  # of a batch; what a medium holds, canonical; what was adopted
    gain_sd: float = -1.0  # of the biomass probe, relative; -1: the prior's


class Assay(Struct, frozen=True, array_like=True):
    """The newest word on one (sample, tag): the greatest (record_time, id) counts. `value` None: withdrawn."""

    sample: str
    tag: str
    event_time: int
    record_time: int
    id: str
    value: float | None


class Items(Struct, frozen=True, array_like=True):
    """The things of a minute that are not sums, in canonical order."""

    changes: tuple[Change, ...] = ()
    assays: tuple[Assay, ...] = ()

    def __len__(self) -> int:
        return len(self.changes) + len(self.assays)

    def with_change(self, change: Change) -> Items:
        """Give the items with one more change, in canonical order."""
        return Items(tuple(sorted((*self.changes, change))), self.assays)

    def with_assay(self, assay: Assay) -> Items:
        """Give the items with a newer word on an assay, or as they are if the word is older."""
        known = {(one.sample, one.tag): one for one in self.assays}
        place = (assay.sample, assay.tag)
        old = known.get(place)
        if old is None or (assay.record_time, assay.id) > (old.record_time, old.id):
            known[place] = assay
        ordered = sorted(known.values(), key=lambda one: (one.event_time, one.sample, one.tag))
        return Items(self.changes, tuple(ordered))


NO_ITEMS = Items()


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one fact adds to its minute."""

    bucket: tuple[int, ...] = EMPTY_BUCKET
    change: Change | None = None
    assay: Assay | None = None

    def add_to(self, items: Items) -> Items:
        """Add what is not a number."""
        if self.change is not None:
            items = items.with_change(self.change)
        if self.assay is not None:
            items = items.with_assay(self.assay)
        return items


@dataclass(frozen=True, slots=True)
class Row:
    """One minute: its number since 1970, its bucket and its items."""

    minute: int
    bucket: tuple[int, ...] = EMPTY_BUCKET
    items: Items = NO_ITEMS

    def with_contribution(self, one: Contribution) -> Row:
        """Give the row with one more fact in it."""
        return Row(self.minute, add_buckets(self.bucket, one.bucket), one.add_to(self.items))


def add_buckets(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Add two buckets of the same minute.

    Examples
    --------
    >>> add_buckets((1, 5, 5, 5, 10, 0, 0), (1, 7, 7, 7, 20, 3, 0))
    (2, 12, 5, 7, 30, 3, 0)
    """
    return (
        a[N] + b[N],
        a[TOTAL] + b[TOTAL],
        min(a[LEAST], b[LEAST]),
        max(a[GREATEST], b[GREATEST]),
        a[TIMES] + b[TIMES],
        min(a[FEED] + b[FEED], LARGEST_VOLUME),
        min(a[SAMPLE] + b[SAMPLE], LARGEST_VOLUME),
    )


def reading_bucket(value: float, event_time: int) -> tuple[int, ...]:
    """Make the bucket of one good reading."""
    fixed = int(np.rint(value * FIXED))
    return (1, fixed, fixed, fixed, event_time % MINUTE, 0, 0)


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(tuple[tuple[int, ...], Items])


def write_row(bucket: tuple[int, ...] | list[int], items: Items) -> bytes:
    """Write a row's canonical bytes."""
    return _ENCODE.encode((bucket, items))


def read_row(minute: int, body: bytes) -> Row:
    """Read what `write_row` wrote."""
    bucket, items = _DECODE.decode(body)
    return Row(minute, bucket, items)
