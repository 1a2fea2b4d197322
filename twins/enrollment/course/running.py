"""One course as a job of the pool: pieces of work, checkpoints, the answer. Source: `Run` in twins/engine.py.

A checkpoint is msgpack under a hash: of each plan that was worked on its finishes and money, and the counts of the two
that are told in full. Nothing in it follows from the specification.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from schemas.errors import SnapshotError
from schemas.jobs import SimulationSpec, hash_of
from twins.engine import Answer, Standing
from twins.enrollment.course.actions import Action
from twins.enrollment.course.answering import make_answer
from twins.enrollment.course.course import Course, Question, Tally
from twins.enrollment.course.document import Scenario
from twins.enrollment.course.records import record_of
from twins.enrollment.course.uniforms import BLOCK

MAGIC = b"TWCO"
_HASH = 32  # bytes


class _SavedTally(Struct, frozen=True):
    plan: tuple[Action, ...]
    due: float
    finish: bytes
    spend: bytes
    subjects: list[int]


class _Saved(Struct, frozen=True):
    specification: str
    versions: dict[str, str]
    stages: list[list[tuple[Action, ...]]]
    next: int
    tallies: list[_SavedTally]
    fans: list[tuple[tuple[Action, ...], bytes]]


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(_Saved)


class CourseRun:
    """A job. For one thread."""

    def __init__(
        self, spec: SimulationSpec, scenario: Scenario, question: Question, threads: int, versions: dict[str, str]
    ) -> None:
        self._spec, self._scenario, self._question = spec, scenario, question
        self._threads, self._versions = threads, versions
        self._course = Course(question, threads)

    def run(self, seconds: float) -> Standing:
        """See `twins.engine.Run`."""
        course, end = self._course, time.monotonic() + seconds
        while not course.done:
            course.go_on()
            if time.monotonic() >= end:
                break
        if course.done:
            return Standing(1.0, 1.0, "done")
        return Standing(course.share, 1.0, f"{len(course.stages[-1])} plans, block {course.next} of {course.blocks}")

    def checkpoint(self) -> bytes:
        """See `twins.engine.Run`."""
        course = self._course
        tallies = [
            _SavedTally(plan, one.due, _joined(one.finish), _joined(one.spend), one.subjects.tolist())
            for plan, one in course.tallies.items()
        ]
        fans = [(plan, _joined(parts)) for plan, parts in course.fans.items()]
        saved = _Saved(hash_of(self._spec), self._versions, course.stages, course.next, tallies, fans)
        body = _ENCODE.encode(saved)
        return MAGIC + hashlib.sha256(body).digest() + body

    def restore(self, body: bytes) -> str:
        """See `twins.engine.Run`."""
        saved = _read(body)
        if (saved.specification, saved.versions) != (hash_of(self._spec), self._versions):
            raise SnapshotError("expected a checkpoint of this specification and these versions, received another")
        course = Course(self._question, self._threads)
        course.stages, course.next = saved.stages, saved.next
        columns = len(course.steps) - 1
        for one in saved.tallies:
            subjects = np.array(one.subjects, dtype=np.int64)
            course.tallies[one.plan] = Tally(one.due, _blocks(one.finish, 1), _blocks(one.spend, 1), subjects)
        course.fans = {plan: _blocks(part, columns, np.int32) for plan, part in saved.fans}
        course.close_stage()
        self._course = course
        return "exact"

    def answer(self) -> Answer:
        """See `twins.engine.Run`."""
        if not self._course.done:
            raise RuntimeError("expected a course that has ended, received one under way; call run until done")
        found = self._course.found()
        record = record_of(self._spec, self._scenario, self._question, found)
        return make_answer(record, found, self._versions)


def _joined(parts: list[Any]) -> bytes:  # Any: arrays of one type
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def _blocks(body: bytes, columns: int, kind: type = np.float64) -> list[Any]:
    whole: Any = np.frombuffer(body, dtype=kind)
    if columns > 1 or kind is np.int32:
        whole = whole.reshape(-1, columns)
    return [whole[first : first + BLOCK] for first in range(0, len(whole), BLOCK)]


def _read(body: bytes) -> _Saved:
    head = len(MAGIC) + _HASH
    if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body[head:]).digest() != body[len(MAGIC) : head]:
        raise SnapshotError(f"expected a whole checkpoint of a course, received {len(body)} other bytes; take another")
    try:
        return _DECODE.decode(body[head:])
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"expected a checkpoint of this shape, received {error}; take another") from None
