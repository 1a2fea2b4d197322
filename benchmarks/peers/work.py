"""The work that every peer does with a reading: decode it, fold it into its twin's filter, check a limit.

Only the peers' own packages are used. Headers and values are those that twinstream gets.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import msgspec
from fedbatch import TAGS, Scalar

LIMIT = 10.0  # of dissolved oxygen [%]
ESTIMATE_EVERY = 60  # readings

State = list[Any]  # time [s], x (8), P (64), readings since the last estimate, alarm
_PLACE = {tag: place for place, tag in enumerate(TAGS)}


class Channel(msgspec.Struct):
    """One channel of a reading."""

    tag: str
    value: float
    unit: str
    quality: str = "good"


class Reading(msgspec.Struct):
    """A reading."""

    channels: list[Channel]


_decode = msgspec.json.Decoder(Reading).decode
_filter = Scalar()


def fold(state: State | None, value: bytes, headers: Any) -> tuple[State, bytes | None]:
    """Fold one reading; give the new state and, now and then, an estimate to send."""
    z = [0.0] * len(TAGS)
    for channel in _decode(value).channels:
        z[_PLACE[channel.tag]] = channel.value
    seconds = _seconds(headers)
    if state is None:
        return [seconds, *_filter.begin(z), 0, False], None
    before, x, p, since, alarm = state
    x, p = _filter.step(x, p, (seconds - before) / 3600, z)
    low = z[1] < LIMIT
    if since + 1 < ESTIMATE_EVERY and low == alarm:
        return [seconds, x, p, since + 1, low], None
    said = json.dumps({"state": x, "variance": p[:: len(x) + 1], "alarm": low}).encode()
    return [seconds, x, p, 0, low], said


def _seconds(headers: Any) -> float:
    """Read the time of a reading from its headers, pairs of name and bytes; a benchmark does not last a month."""
    for name, value in headers:
        if name == "ce_time":
            text = value.decode() if isinstance(value, bytes) else value
            hours = int(text[8:10]) * 24 + int(text[11:13])
            return (hours * 60 + int(text[14:16])) * 60 + float(text[17:-1])
    raise KeyError("ce_time")


class Meter:
    """Counts records from the first on; at the last it says the rate and ends the process."""

    def __init__(self, records: int, warm_up: int) -> None:
        self._left = records + warm_up
        self._records = records
        self._begun = self._cpu = 0.0

    def count(self) -> None:
        """Count one record."""
        self._left -= 1
        if self._left == self._records:
            self._begun, self._cpu = time.perf_counter(), time.process_time()
        elif self._left == 0:
            seconds, cpu = time.perf_counter() - self._begun, time.process_time() - self._cpu
            print(json.dumps({"rate": self._records / seconds, "cpu_us": cpu / self._records * 1e6}), flush=True)
            os._exit(0)


def arguments() -> tuple[str, str, Meter]:
    """Read the command line: host:port, topic, records that count, records before them."""
    server, topic, records, warm_up = sys.argv[1:5]
    sys.argv = sys.argv[:1]
    return server, topic, Meter(int(records), int(warm_up))
