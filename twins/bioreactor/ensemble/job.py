"""One ensemble under way: first its pilots, which choose the step, then all draws of all scenarios.

Source: `Run` in twins/engine.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError, SnapshotError
from twins.bioreactor.draws import Drawn
from twins.bioreactor.ensemble.answering import Method, make_document, make_summary
from twins.bioreactor.ensemble.checkpoint import VERSION, Saved, SavedTrack, read, write
from twins.bioreactor.ensemble.launch import Launch
from twins.bioreactor.ensemble.pilot import Pilot
from twins.bioreactor.ensemble.question import PER_REPORT, STIFF_STEP, Question
from twins.bioreactor.ensemble.reporting import Reporter
from twins.bioreactor.ensemble.stepping import Stepper
from twins.bioreactor.ensemble.tracks import MOST_STEPS, MOST_STIFF_STEPS, Track
from twins.bioreactor.steps import Leg, lay_legs
from twins.engine import Answer, Standing

Floats = NDArray[np.float64]

PILOT_SHARE = 0.1  # of the work, in what is said of progress


class EnsembleRun:
    """A job. For one thread. `reporters` hold what has been reported of each scenario."""

    def __init__(self, question: Question, stepper: Stepper, launch: Launch, versions: dict[str, str]) -> None:
        self._question, self._stepper, self._launch, self._versions = question, stepper, launch, versions
        drawn = Drawn(question.spec, question.model, question.inputs)
        self._p, self._x = drawn.parameters(), drawn.initial()
        self._problem: SettingsError | None = None
        self._begin()
        launch.jobs.append(self)

    def _begin(self) -> None:
        question = self._question
        self.reporters: list[Reporter] = []
        self._tracks: list[Track] = []
        self._pilots: list[Pilot] = []
        self._error: float | None = None
        given = question.inputs.step_hours or (STIFF_STEP if question.stiff else None)
        if given is None:
            self._pilots = [
                Pilot(question.model, course.stretches, question.hours, self._x, self._p) for course in question.courses
            ]
        else:
            self._begin_all([list(lay_legs(course.stretches, question.hours, given)) for course in question.courses])

    def _begin_all(self, legs: Sequence[Sequence[Leg]]) -> None:
        question, most = self._question, MOST_STIFF_STEPS if self._question.stiff else MOST_STEPS
        for course, some in zip(question.courses, legs, strict=True):
            reporter = Reporter(question, self._x, self._p, course.stretches[0].inputs(0.0))
            asked = [leg for leg in some if leg.stop <= question.hours[-1]]
            track = Track(question.model, asked, self._x, self._p, reporter, most)
            track.open()
            self.reporters.append(reporter)
            self._tracks.append(track)

    def under_way(self) -> Sequence[Track]:
        """See `launch.Job`."""
        return [] if self._problem else self._tracks

    def failed(self, error: SettingsError) -> None:
        """See `launch.Job`."""
        self._problem = error

    def choose(self) -> bool:
        """See `launch.Job`."""
        if self._tracks or self._problem:
            return False
        try:
            if not any(pilot.go_on(self._stepper) for pilot in self._pilots):
                self._error = max(pilot.error for pilot in self._pilots)
                self._begin_all([pilot.legs() for pilot in self._pilots])
        except SettingsError as error:
            self._problem = error
        return True

    @property
    def _share(self) -> float:
        if not self._tracks:
            return PILOT_SHARE * sum(pilot.share for pilot in self._pilots) / len(self._pilots)
        part = sum(track.share for track in self._tracks) / len(self._tracks)
        return PILOT_SHARE + (1.0 - PILOT_SHARE) * part if self._pilots else part

    @property
    def _finished(self) -> bool:
        return bool(self._tracks) and all(track.finished for track in self._tracks)

    @property
    def _lengths(self) -> tuple[float, float]:
        """Give the shortest and the longest step."""
        lengths = [piece.leg.length for track in self._tracks for piece in track.pieces]
        return min(lengths), max(lengths)

    def run(self, seconds: float) -> Standing:
        """See `twins.engine.Run`."""
        before, begun = self._share, time.monotonic()
        self._launch.work(seconds)
        if self._problem is not None:
            raise self._problem
        if self._finished:
            return Standing(1.0, 1.0, "done")
        spent = max(time.monotonic() - begun, 1e-9)
        members = self._question.spec.draws * len(self._question.courses)
        rates = {"member_hours_per_second": (self._share - before) * members * self._question.spec.horizon / spent}
        note = "moving all draws" if self._tracks else "choosing the steps"
        return Standing(min(self._share, 0.999999), 1.0, note, rates)

    def checkpoint(self) -> bytes:
        """See `twins.engine.Run`. While the step is being chosen, there is nothing to keep."""
        tracks = [
            SavedTrack(
                track.at,
                track.done,
                track.z[:, : track.draws].tobytes(),
                len(reporter.rows),
                b"".join(row.tobytes() for row in reporter.rows),
                np.packbits(reporter.left).tobytes(),
            )
            for track, reporter in zip(self._tracks, self.reporters, strict=True)
        ]
        chosen = [[leg.steps for leg in _legs(track)] for track in self._tracks] if self._pilots else []
        name = self._stepper.name
        return write(Saved(VERSION, self._question.hash, self._versions, name, chosen, self._error, tracks))

    def restore(self, body: bytes) -> str:
        """See `twins.engine.Run`."""
        saved = read(body)
        ours = (self._question.hash, self._versions, self._stepper.name)
        if (saved.question, saved.versions, saved.backend) != ours:
            raise SnapshotError("expected a checkpoint of this specification and these versions, received another")
        self._begin()
        if not saved.tracks:
            return "exact"
        try:
            if self._pilots:
                self._begin_all([pilot.recalled(steps) for pilot, steps in zip(self._pilots, saved.steps, strict=True)])
                self._error = saved.error
            for one, track, reporter in zip(saved.tracks, self._tracks, self.reporters, strict=True):
                _recall(one, track, reporter)
        except (ValueError, IndexError) as error:
            self._begin()
            raise SnapshotError(f"expected a checkpoint of this shape, received {error}; take another") from None
        return "exact"

    def answer(self) -> Answer:
        """See `twins.engine.Run`."""
        if not self._finished:
            raise RuntimeError("expected an ensemble that has ended, received one under way; call run until done")
        method = Method(self._stepper.name, self._stepper.device, *self._lengths, self._error, self._stepper.bucket)
        document: dict[str, Any] = make_document(self._question, self.reporters, method, self._versions)
        document["summary"] = make_summary(self._question, self.reporters, method)
        return Answer(document["summary"], document, "exact", self._stepper.bucket)


def _legs(track: Track) -> list[Leg]:
    return [piece.leg for piece in track.pieces if piece.closes]


def _recall(saved: SavedTrack, track: Track, reporter: Reporter) -> None:
    """Put a track where it was. Its columns beyond the draws are copies of the last, as ever."""
    z = np.frombuffer(saved.z, dtype=np.float64).reshape(len(track.z), track.draws)
    if not (0 <= saved.at <= len(track.pieces) and 0 <= saved.done < track.tiles):
        raise ValueError("a place that is not there")
    track.z[:, : track.draws], track.z[:, track.draws :] = z, z[:, -1:]
    track.at, track.done = saved.at, saved.done
    rows = np.frombuffer(saved.rows, dtype=np.float64).reshape(saved.reports, PER_REPORT, len(reporter.names))
    reporter.rows = [np.array(row) for row in rows]
    bits = np.unpackbits(np.frombuffer(saved.left, dtype=np.uint8), count=reporter.left.size)
    reporter.left = bits.reshape(reporter.left.shape).astype(np.bool_)
    if track.finished:
        reporter.recall(track.pieces[-1].leg, track.z[:, : track.draws])
