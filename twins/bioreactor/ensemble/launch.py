"""A launch: the tracks of one job or of several, worked on together in pieces.

Tiles of tracks that are at the same steps stand side by side. What one job does wrong ends that job alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from twins.bioreactor.ensemble.stepping import Stepper
from twins.bioreactor.ensemble.tracks import TILE, Track

Floats = NDArray[np.float64]


class Job(Protocol):
    """What a launch carries on."""

    def under_way(self) -> Sequence[Track]:
        """Give the tracks that are to be moved now; none when all is done."""

    def choose(self) -> bool:
        """Go on with choosing steps; say whether there was something to do."""

    def failed(self, error: SettingsError) -> None:
        """End with an error."""


@dataclass(frozen=True, slots=True)
class Span:
    """Tiles of one track, from `first` up to `stop`."""

    job: Job
    track: Track
    first: int
    stop: int

    @property
    def columns(self) -> slice:
        """Where they stand in the track."""
        return slice(TILE * self.first, TILE * self.stop)


class Launch:
    """Jobs of one model and back end. For one thread, which may use others."""

    def __init__(self, stepper: Stepper, threads: int) -> None:
        self._stepper, self.jobs = stepper, list[Job]()
        self._threads = max(1, threads) if stepper.parallel else 1
        self._pool: ThreadPoolExecutor | None = None

    def work(self, seconds: float) -> None:
        """Go on for about so long, or until nothing is left."""
        until = time.monotonic() + seconds
        with np.errstate(all="ignore"):  # what is not finite is told where it is reported
            while self._round() and time.monotonic() < until:
                pass

    def _round(self) -> bool:
        """Do one piece of some tiles; say whether there was one. Steps are chosen first, so that jobs meet."""
        if any(job.choose() for job in self.jobs):
            return True
        waiting = [(job, track) for job in self.jobs for track in job.under_way() if not track.finished]
        if not waiting:
            return False
        place = min(track.next.place for _, track in waiting)
        groups = list(self._groups([one for one in waiting if one[1].next.place == place]))
        now = groups[: self._threads]
        if len(now) == 1:
            self._move(now[0])
        else:
            self._pool = self._pool or ThreadPoolExecutor(self._threads, "ensemble")
            list(self._pool.map(self._move, now))
        for span in (span for group in now for span in group):
            span.track.done = span.stop
            if span.stop == span.track.tiles:
                self._close(span)
        return True

    def _groups(self, waiting: Sequence[tuple[Job, Track]]) -> Iterator[list[Span]]:
        """Fill launches with tiles that have yet to do this piece, in order."""
        most = self._stepper.columns // TILE
        group, room = list[Span](), most
        for job, track in waiting:
            first = track.done
            while first < track.tiles:
                stop = min(track.tiles, first + room)
                group.append(Span(job, track, first, stop))
                room -= stop - first
                first = stop
                if not room:
                    yield group
                    group, room = [], most
        if group:
            yield group

    def _move(self, group: Sequence[Span]) -> None:
        piece = group[0].track.next
        u = [np.repeat(one.track.inputs()[:, :, None], one.stop - one.first, axis=2) for one in group]
        z = np.concatenate([one.track.z[:, one.columns] for one in group], axis=1)
        p = np.concatenate([one.track.p[:, one.columns] for one in group], axis=1)
        z = self._stepper.advance(z, p, piece.hours(), piece.leg.length, np.concatenate(u, axis=2))
        begin = 0
        for one in group:
            end = begin + TILE * (one.stop - one.first)
            one.track.z[:, one.columns] = z[:, begin:end]
            begin = end

    def _close(self, span: Span) -> None:
        try:
            span.track.close()
        except SettingsError as error:
            span.job.failed(error)
