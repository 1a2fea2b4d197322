"""What a run report says, as one value: every number beside the record or effect that it comes from.

The same ledger and the same `known_at` give the same report. Its id is a hash of its content; what a ledger may drop
later (anchors), and the program that wrote the page, stand outside of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

FORMAT = 1  # raise it when the same facts would give other content


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the recipe. `source` is the record that said it."""

    name: str
    start: str
    end: str
    hours: float
    source: str


@dataclass(frozen=True, slots=True)
class Identity:
    """What the report is of. `batch` is None for a period of a unit's life; `ended` None: it was still running."""

    kind: str
    unit: str
    batch: str | None
    product: str | None
    recipe: str | None
    volume: str | None
    start: str
    end: str
    hours: float
    started: str | None  # the record
    ended: str | None  # the record
    end_reason: str | None
    planned_end: str | None
    phases: tuple[Phase, ...]
    batches: tuple[str, ...]  # all that began in the period


@dataclass(frozen=True, slots=True)
class Counted:
    """Records or effects of one type, with the first and last offset; `digest` of effects only."""

    what: str
    count: int
    first_offset: int
    last_offset: int
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What the report was made from. `known_at` is the moment whose knowledge it shows."""

    known_at: str
    topic: str
    partition: int
    first_offset: int | None
    last_offset: int | None
    records: int
    event_time: tuple[str, str] | None
    known: tuple[str, str] | None
    by_type: tuple[Counted, ...]
    effects: tuple[Counted, ...]
    audit: str | None  # number, time and hash of the newest row of the trail then


@dataclass(frozen=True, slots=True)
class ModelUse:
    """From which effect on estimates came from which model; the hash in its name covers the whole configuration."""

    model: str
    lane: str
    process: str | None
    event_time: str
    known_at: str
    source: str


@dataclass(frozen=True, slots=True)
class ParameterUse:
    """A parameter as the run was computed with it; `low` to `high` is what the run showed of it, where it did."""

    name: str
    value: float
    unit: str
    origin: str
    source: str
    meaning: str = ""
    low: float | None = None
    high: float | None = None
    believed: float | None = None
    seen: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model: equations, validity, parameters. `note` says where something could not be shown, and why."""

    name: str
    title: str
    equations: tuple[str, ...]
    source: str
    valid: str
    not_valid: str
    parameters: tuple[ParameterUse, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Belief:
    """A mean with its standard deviation and central 90 % interval."""

    mean: float
    sd: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What was believed at one time, by the newest word known."""

    why: str
    event_time: str
    known_at: str
    phase: str | None
    hours: float | None
    revised: bool
    consistent: bool | None
    source: str
    beliefs: dict[str, Belief]


@dataclass(frozen=True, slots=True)
class ForecastCheck:
    """What was forecast at one moment of the run for another, and what was believed of that in the end.

    `inside` is None where the forecast gave no interval: a volume under the planned feed.
    """

    made_at: str
    share: float
    source: str
    quantity: str
    unit: str
    target: str
    median: float
    low: float
    high: float
    came: float
    came_low: float
    came_high: float
    came_source: str
    inside: bool | None


@dataclass(frozen=True, slots=True)
class AssayWord:
    """One thing that was said of an assay. `standing`: counts, superseded or withdrawn (a value that no longer
    counts), withdrawal (the word that took it back)."""

    standing: str
    value: float | None
    unit: str | None
    method: str
    reason: str
    record_time: str
    known_at: str
    source: str
    by: str


@dataclass(frozen=True, slots=True)
class Assay:
    """All words on one tag of one sample, in the order in which they became known."""

    sample: str
    tag: str
    sample_time: str
    drawn: str | None
    words: tuple[AssayWord, ...]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm from raised to cleared. `standing`: it was not cleared by the end of the period."""

    id: str
    rule: str
    tag: str
    priority: str
    message: str
    raised: str
    cleared: str | None
    cleared_by: str | None
    seconds: float | None
    value: float | None
    limit: float | None
    unit: str
    probability: float | None
    batch: str | None
    phase: str | None
    suppressed_by: str | None
    known_at: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """An alarm that asks for an assessment; `excursion` is the farthest value while it stood, `excursion_source` the
    record or effect that said it."""

    alarm: str
    rule: str
    why: str
    unit: str
    batch: str | None
    phase: str | None
    start: str
    end: str | None
    limit: float | None
    excursion: float | None
    excursion_unit: str
    excursion_at: str | None
    excursion_source: str | None
    message: str
    suppressed_by: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Records that were not used, by reason. `own` false: whose they were could not be read."""

    reason: str
    own: bool
    count: int
    first_offset: int
    last_offset: int
    example: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without a reading."""

    start: str
    end: str
    seconds: float
    after: str
    before: str


@dataclass(frozen=True, slots=True)
class Feed:
    """What was fed, summed up by name and unit."""

    feed: str
    count: int
    total: float
    unit: str
    first: str
    last: str
    first_offset: int
    last_offset: int


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a chart: hours since the start, and whether it counts."""

    hours: float
    value: float
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one quantity: hours since the start, mean, and 90 % interval; columns of equal length."""

    quantity: str
    unit: str
    hours: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    measured: tuple[Dot, ...]
    assays: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A kept state from which `twinstream verify` can fold the records again, and what computed it."""

    next_offset: int
    created_at: str
    model: str
    sha256: str
    program: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunReport:
    """The whole report. `anchors` and `written_by` are not part of its id."""

    format: int
    identity: Identity
    origin: Origin
    models: tuple[ModelUse, ...]
    cards: tuple[ModelCard, ...]
    step_hours: float
    results: tuple[ResultRow, ...]
    forecasts: tuple[ForecastCheck, ...]
    assays: tuple[Assay, ...]
    feeds: tuple[Feed, ...]
    alarms: tuple[Alarm, ...]
    deviations: tuple[Deviation, ...]
    rejects: tuple[Rejected, ...]
    gaps: tuple[Gap, ...]
    gap_seconds: float
    courses: tuple[Course, ...]
    anchors: tuple[Anchor, ...]
    written_by: str


NOT_HASHED = ("anchors", "written_by")


def plain(report: RunReport) -> dict[str, Any]:
    """Give the report as JSON would have it, without its id."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    return document


def report_id(report: RunReport) -> str:
    """Give the SHA-256 of the report's content: canonical JSON, keys sorted, without what NOT_HASHED names."""
    content = {name: value for name, value in plain(report).items() if name not in NOT_HASHED}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def write_json(report: RunReport) -> bytes:
    """Write the report as JSON with its id, keys sorted."""
    return (
        msgspec.json.format(msgspec.json.encode({**plain(report), "id": report_id(report)}, order="sorted"), indent=1)
        + b"\n"
    )
