"""How a simulated study's facts reach us: late, twice, out of order, wrong and corrected, of people who never were.

Each fact has its own draw, by its place in the study: noise of one kind changes nothing of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from connectors.enrollment_simulation import Noise
from connectors.enrollment_truth import StudyTruth, stream
from schemas.enrollment import FactName, FactWithdrawn, SubjectConsented, SubjectEnrolled, SubjectScreened
from schemas.events import Event
from schemas.instants import DAY, SECOND, Instant, parse_instant

_NOISE = 9  # purpose of the stream
_CORRECTION_DAYS = 10.0  # mean time until a wrong date is corrected, or a wrong fact withdrawn (assumed)
_WRONG_DAYS = 12.0  # how far a wrong date is off at most (assumed)
_FUTURE_DAYS = 3.0  # how far ahead of itself an impossible date is


class Telling(NamedTuple):
    """A fact, and when it reaches us [us]: its record time, but for one that comes again or out of order."""

    told_at: int
    event: Event


def disturbed(
    sure: Sequence[Event], subjects: Sequence[Event], truth: StudyTruth, seed: int, number: int, source: str
) -> Iterator[Telling]:
    """Tell a study's facts as its noise has it. `sure` ones are told at once; those of subjects after a lag."""
    noise: Noise = truth.study.noise
    for event in sure:
        yield Telling(event.record_time, event)
    rng = stream(seed, number, _NOISE)
    n = len(subjects)
    lag = rng.gamma(1.5, noise.lag_days / 1.5, n) if noise.lag_days > 0 else np.zeros(n)
    u, wait = rng.random((n, 8)), rng.exponential(1.0, (n, 3))
    for row, event in enumerate(subjects):
        known = event.event_time + _days(float(lag[row]))
        yield from _one(event, known, noise, u[row], wait[row])
    yield from _phantoms(truth, noise, rng, n, source)


def _one(
    event: Event, known: int, noise: Noise, u: NDArray[np.float64], wait: NDArray[np.float64]
) -> Iterator[Telling]:
    """Tell one fact of a subject. A correction names the fact it replaces, and has its own lag."""
    if u[0] < noise.future:
        # told before it happened: what no site can know, for the twin to refuse; the true fact follows it
        early = Instant(event.event_time - _days(_FUTURE_DAYS))
        wrong = msgspec.structs.replace(event, id=f"{event.id}-early"[:128], record_time=early)
        yield Telling(early, wrong)
    first = msgspec.structs.replace(event, record_time=Instant(known))
    if u[1] < noise.corrections:
        off = _days(max(float(u[2]) * _WRONG_DAYS, 1.0))
        wrong = msgspec.structs.replace(first, event_time=Instant(event.event_time - off))
        yield from _told(wrong, noise, u, wait)
        later = Instant(known + _days(_CORRECTION_DAYS * float(wait[0])))
        named = FactName(event.source, event.id)
        data: Any = msgspec.structs.replace(event.data, supersedes=named, because="date corrected")  # Any: its struct
        yield Telling(
            later, msgspec.structs.replace(event, id=f"{event.id}-corrected"[:128], record_time=later, data=data)
        )
        return
    yield from _told(first, noise, u, wait)


def _told(event: Event, noise: Noise, u: NDArray[np.float64], wait: NDArray[np.float64]) -> Iterator[Telling]:
    """Tell a fact when it is known, or later than its record time says, and perhaps once more."""
    at = event.record_time
    if u[3] < noise.out_of_order:
        at = Instant(at + _days(5.0 * float(wait[1])))  # held up on its way (assumed: 5 d on average)
    yield Telling(at, event)
    if u[4] < noise.duplicates:
        yield Telling(at + _days(3.0 * float(wait[2])), event)


def _phantoms(truth: StudyTruth, noise: Noise, rng: np.random.Generator, facts: int, source: str) -> Iterator[Telling]:
    """Tell of subjects who never were (withdrawn later), and of some at a site that nobody named."""
    origin, study = _origin(truth), truth.study.study
    opened = [site for site in truth.sites if site.opened < truth.factor.shape[1]]
    for share, unknown in ((noise.withdrawn, False), (noise.unknown_sites, True)):
        for place in range(round(share * facts / 3) if opened else 0):
            site = opened[int(rng.integers(len(opened)))]
            day = site.opened + rng.random() * max(truth.factor.shape[1] - site.opened, 1.0)
            named = "XX-99" if unknown else site.name
            subject = f"{named}-{'U' if unknown else 'W'}{place + 1:03d}"
            back = _days(_CORRECTION_DAYS * float(rng.exponential()))
            for step, struct in enumerate((SubjectConsented, SubjectScreened, SubjectEnrolled)):
                when = Instant(origin + _days(day + 5.0 * step))
                known = Instant(when + _days(float(rng.gamma(1.5, max(noise.lag_days, 0.1) / 1.5))))
                kind = ("subject_consented", "subject_screened", "subject_enrolled")[step]
                data = struct(site=named, subject=subject)
                event = Event(f"{subject}-{kind}", source, f"enrollment.{kind}", study, when, known, data)
                yield Telling(known, event)
                if not unknown:
                    yield _withdrawn(event, Instant(known + back))


def _withdrawn(event: Event, known: Instant) -> Telling:
    data = FactWithdrawn(FactName(event.source, event.id), "entered for the wrong study")
    name = f"{event.id}-withdrawn"[:128]
    return Telling(known, Event(name, event.source, "enrollment.fact_withdrawn", event.subject, known, known, data))


def _origin(truth: StudyTruth) -> int:
    return int(parse_instant(truth.study.starts, "starts"))


def _days(days: float) -> int:
    return round(days * DAY / SECOND) * SECOND
