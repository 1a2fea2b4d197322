"""What a twin keeps of the re-simulations that it asked for: the newest answer of its present run, and nothing else.

An answer is a fact that counts when it arrives, in the order of the log: its event time is that of the request, so it
is older than the twin's newest, and nothing is folded again because of it. It moves no belief; `adopting` says how a
person lets one. Kept beside the arrays, for those units alone that asked or were answered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct

from schemas.errors import InputError, InvalidFieldError
from schemas.events import Event
from schemas.instants import format_instant
from schemas.jobs import MOST_SUMMARY_BYTES, ResimulationResult
from twins.bioreactor.rows import Batch

MOST_ASKED = 8  # requests of a run that are remembered; a unit asks three times a day unless it is told otherwise
MOST_PARAMETERS = 32  # of an answer; a filter's vector has 40 rows
MOST_POINTS = 512
MOST_QUANTITIES = 64
MOST_VERSIONS = 16
ROUNDED = (
    1e-6  # of a correlation: answers say some six digits. A diagonal is raised by as much, so that none is below 0
)

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Points = Annotated[tuple[float, ...], Meta(min_length=1, max_length=MOST_POINTS)]


class Spread(Struct, frozen=True):
    """A parameter as it was re-estimated: its median, and the standard deviation of its logarithm."""

    median: Annotated[float, Meta(gt=0)]
    sd_log: Annotated[float, Meta(ge=0)]


class Quantiles(Struct, frozen=True):
    """Quantiles of a quantity at each of the trajectory's hours."""

    unit: Annotated[str, Meta(max_length=32)]
    q05: Points
    q25: Points
    q50: Points
    q75: Points
    q95: Points

    @property
    def rows(self) -> tuple[Points, ...]:
        """All five, in the order of `forecast.QUANTILES`."""
        return self.q05, self.q25, self.q50, self.q75, self.q95


class Trajectory(Struct, frozen=True):
    """What is expected at `hours` from the request's event time on."""

    hours: Points
    quantities: Annotated[dict[Name, Quantiles], Meta(min_length=1, max_length=MOST_QUANTITIES)]


class Summary(Struct, frozen=True):
    """What a twin reads of an answer's summary; what else an engine says is for people."""

    parameters: Annotated[dict[Name, Spread], Meta(max_length=MOST_PARAMETERS)] = {}
    order: Annotated[tuple[Name, ...], Meta(max_length=MOST_PARAMETERS)] | None = None
    covariance_log: Annotated[tuple[tuple[float, ...], ...], Meta(max_length=MOST_PARAMETERS)] | None = None
    trajectory: Trajectory | None = None
    batch: Name | None = None
    verdict: Annotated[str, Meta(max_length=128)] | None = None


class Answer(Struct, frozen=True, array_like=True):
    """An answer that is held: of which job, facts up to which offset it knew, and what it says of parameters.

    `covariance` is the lower triangle of that of their logarithms, row by row; `asked_at` the request's event time.
    """

    job: str
    kind: str
    asked_at: int
    known: int
    device: str
    versions: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    medians: tuple[float, ...]
    covariance: tuple[float, ...]
    verdict: str | None = None  # what speaks against it, by its own word


class Run(Struct, frozen=True, array_like=True):
    """A run, what it asked (offsets of the records that called for it), and what it was told.

    `newest` is the offset up to which the newest answer knew the facts, one that was adopted included.
    """

    batch: str | None
    started: int | None
    inoculated: int | None
    asked: tuple[int, ...] = ()
    newest: int = -1
    held: Answer | None = None


class Answers:
    """The runs of a block's twins that asked or were answered, by row."""

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}

    def of(self, slot: int, batch: Batch) -> Run:
        """Give what is kept of a twin's present run; of a run that is over nothing is."""
        run = self.runs.get(slot)
        if run is None or (run.batch, run.started, run.inoculated) != _identity(batch):
            return Run(*_identity(batch))
        return run

    def held(self, slot: int, batch: Batch) -> Answer | None:
        """Give the answer that a twin's present run holds."""
        return self.of(slot, batch).held if slot in self.runs else None

    def ask(self, slot: int, batch: Batch, offset: int) -> None:
        """Note that a run asked, on account of the record at an offset."""
        run = self.of(slot, batch)
        self.runs[slot] = msgspec.structs.replace(run, asked=(*run.asked, offset)[-MOST_ASKED:])

    def take(self, slot: int, batch: Batch, answer: Answer) -> None:
        """Hold an answer in the place of an older one; one that re-estimates no parameter is said, and not held."""
        if not answer.names:
            return
        self.runs[slot] = msgspec.structs.replace(self.of(slot, batch), newest=answer.known, held=answer)

    def put_down(self, slot: int, batch: Batch) -> None:
        """Hold no answer any more: it was adopted. One that is older stays refused."""
        self.runs[slot] = msgspec.structs.replace(self.of(slot, batch), held=None)

    def forget(self, slot: int) -> None:
        """Forget a run: it is over, or another begins."""
        self.runs.pop(slot, None)


def _identity(batch: Batch) -> tuple[str | None, int | None, int | None]:
    return batch.batch, batch.started, batch.inoculated


# -- is an answer one to this run -----------------------------------------------------------------------------------


def check_answer(
    event: Event, run: Run, running: bool, topic: str, partition: int, offset: int
) -> tuple[Answer, Summary]:  # fmt: skip
    """Hold an answer against the run of the twin that it came to.

    Parameters
    ----------
    event : Event
        A `bioreactor.resimulated`.
    run : Run
        What is kept of the twin's present run.
    running : bool
        Whether there is one.
    topic, partition, offset : str, int, int
        Where the event's record stands.

    Raises
    ------
    InputError
        With a `reason` of its own: `job_failed`, `job_cancelled`, `other_run`, `not_asked`, `outdated`; `invalid_field`
        where the summary is not what a twin reads.
    """
    data: ResimulationResult = event.data
    where = f"{event.subject}, job {data.job}"[:300]
    if data.status != "done":
        raise _refused(
            f"job_{data.status}", "an answer that was computed", f"{data.status}: {data.error or 'no word'}"[:500],
            where, "see the job; the twin goes on as it was",
        )  # fmt: skip
    summary = _read(data, where)
    if not running or (run.started is not None and event.event_time < run.started):
        began = "no run goes on" if not running else f"the present run began {format_instant(run.started or 0)}"
        asked = f"a request of {format_instant(event.event_time)}"
        expected = f"an answer to the present run; {began}"
        raise _refused("other_run", expected, asked, where, "nothing to do: it came too late")
    if summary.batch is not None and summary.batch != run.batch:
        raise _refused("other_run", f"an answer about batch {run.batch}", summary.batch, where, "nothing to do")
    own = _place(data.job.rpartition("/")[0], topic, partition)
    if own not in run.asked and (own is not None or summary.batch is None):
        raise _refused(
            "not_asked", "a job that this run asked for, or a person did for its batch", data.job[:200], where,
            "a summary of a person's job names its `batch`",
        )  # fmt: skip
    inputs = [_place(one, topic, partition) for one in data.provenance.inputs]
    known = max((place for place in inputs if place is not None), default=own)
    if known is None or not known < offset:
        raise _refused(
            "invalid_field", f"inputs up to a record of {topic}/{partition} before {offset}",
            ", ".join(data.provenance.inputs)[:200] or "none", where, "",
        )  # fmt: skip
    if known < run.newest:
        raise _refused(
            "outdated", f"an answer that knew the facts up to offset {run.newest}, as the newest one did",
            f"up to {known}", where, "nothing to do: a newer answer counts",
        )  # fmt: skip
    return _answer(data, summary, int(event.event_time), known), summary


def _answer(data: ResimulationResult, summary: Summary, asked_at: int, known: int) -> Answer:
    names = tuple(summary.order or sorted(summary.parameters))
    matrix = summary.covariance_log
    lower = [
        (matrix[i][k] if matrix is not None else summary.parameters[name].sd_log ** 2 if i == k else 0.0)
        * (1.0 + ROUNDED if i == k and matrix is not None else 1.0)
        for i, name in enumerate(names)
        for k in range(i + 1)
    ]
    versions = tuple(sorted((name[:64], version[:64]) for name, version in data.provenance.versions.items()))
    medians = tuple(summary.parameters[name].median for name in names)
    return Answer(
        data.job, data.kind, asked_at, known, data.provenance.device[:64], versions[:MOST_VERSIONS], names, medians,
        tuple(lower), summary.verdict,
    )  # fmt: skip


def _place(name: str, topic: str, partition: int) -> int | None:
    """Give the offset that `topic/partition/offset` names, if it is a record of this partition."""
    head, _, offset = name.rpartition("/")
    return int(offset) if head == f"{topic}/{partition}" and offset.isdecimal() and len(offset) < 19 else None


def _read(data: ResimulationResult, where: str) -> Summary:
    """Read a summary, and check that it hangs together."""
    try:
        size = len(msgspec.json.encode(data.summary))
        summary = msgspec.convert(data.summary, Summary)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise _refused("invalid_field", "a summary as docs/bioreactor.md has it", str(error)[:300], where, "") from None
    problem = _size(size) or _covariance(summary) or _trajectory(summary.trajectory)
    if problem:
        raise _refused("invalid_field", *problem, f"summary of {where}", "")
    return summary


Problem = tuple[str, str] | None  # what was expected, what came


def _size(size: int) -> Problem:
    return (f"at most {MOST_SUMMARY_BYTES} bytes", str(size)) if size > MOST_SUMMARY_BYTES else None


def _covariance(summary: Summary) -> Problem:
    given = summary.parameters
    if not all(math.isfinite(one.median) and math.isfinite(one.sd_log) for one in given.values()):
        return "finite medians and sd_log", "others"
    order, matrix = summary.order, summary.covariance_log
    if order is not None and sorted(order) != sorted(given):
        return f"each parameter once in order ({', '.join(sorted(given))})"[:300], ", ".join(order)[:300]
    if matrix is None:
        return None
    if order is None or any(len(row) != len(order) for row in matrix) or len(matrix) != len(order):
        return "covariance_log with a row and a column for each name in order", f"{[len(row) for row in matrix]}"[:200]
    square = np.array(matrix, dtype=np.float64).reshape(len(order), len(order))
    variances = np.diagonal(square)
    if not np.isfinite(square).all() or not (variances >= 0.0).all():
        return "a covariance_log that is finite, and not below 0 on its diagonal", "another"
    sds = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    correlation = square / np.outer(sds, sds)
    if (np.abs(correlation - correlation.T) > ROUNDED).any():
        return "a symmetric covariance_log", "another"
    if len(order) and float(np.linalg.eigvalsh(correlation).min()) < -ROUNDED:
        return "a positive semidefinite covariance_log", "another"
    return None


def _trajectory(one: Trajectory | None) -> Problem:
    if one is None:
        return None
    hours = np.array(one.hours)
    if not np.isfinite(hours).all() or not hours[0] >= 0.0 or not (np.diff(hours) > 0.0).all() or hours[-1] > 1e5:
        return "hours that rise from 0 or more", f"{list(one.hours[:4])}"
    for name, quantity in one.quantities.items():
        if any(len(row) != len(hours) for row in quantity.rows):
            return f"{len(hours)} points of each quantile of {name}", f"{[len(row) for row in quantity.rows]}"
        table = np.array(quantity.rows)
        if not np.isfinite(table).all() or not (np.diff(table, axis=0) >= 0.0).all():
            return f"finite quantiles of {name}, each not below the one before", "others"
    return None


def _refused(reason: str, expected: str, received: str, where: str, advice: str) -> InputError:
    error = InvalidFieldError(expected=expected, received=received, where=where, advice=advice)
    error.reason = reason
    return error


def by_name(answer: Answer) -> Mapping[str, tuple[float, float]]:
    """Give median and standard deviation of the logarithm of each parameter of an answer."""
    diagonal = [answer.covariance[(i + 1) * (i + 2) // 2 - 1] for i in range(len(answer.names))]
    return {
        name: (median, math.sqrt(variance))
        for name, median, variance in zip(answer.names, answer.medians, diagonal, strict=True)
    }
