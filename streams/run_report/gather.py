"""Gather a run report from the ledger, in one snapshot, and bound by one moment of knowledge.

Where no `known_at` is asked for, it is the moment at which the newest of the run's own records was known: no clock is
read, and the report of a run stays as it is until something more becomes known of that run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.errors import UsageError
from schemas.instants import HOUR, Instant, format_instant, instant_of, parse_instant
from streams.ledger import reads_run
from streams.ledger.reads import Connection, input_topic_of
from streams.ledger.reads_run import Row, Span
from streams.ledger.reads_twins import find_twin
from streams.run_report.alarms import alarms_of, assessed, stretch_of
from streams.run_report.assemble import Raw, assemble
from streams.run_report.configuration import kept_configurations
from streams.run_report.document import RunReport
from twins.bioreactor.config import BioreactorConfig

SHARES = (0.5, 0.8)  # of the run at which forecasts are looked at
MOST_ROWS = 48  # of the table of results: a page or two of paper
STEPS_HOURS = (1, 2, 4, 6, 12, 24, 48, 168)
POINTS = 240  # of a chart: more than its width on paper can show
DOTS = 160  # measured values in a chart
GAP_SECONDS = 600.0  # assumed: ten minutes without a reading are worth a line
GAP_TIMES = 5.0  # assumed: five readings in a row are missing


class NoSuchRunError(UsageError):
    """The ledger knows no such unit, batch or period."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a report is asked of: a batch, the newest one, or a period of a unit's life; times in us."""

    unit: str
    kind: str = "bioreactor"
    batch: str | None = None
    start: Instant | None = None
    end: Instant | None = None
    known_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a run lies: `started` and `ended` are its facts, `bound` the fact that ends it, `batches` all in it."""

    start: Instant
    end: Instant
    batch: str | None
    started: Row | None
    ended: Row | None
    bound: Row | None
    batches: tuple[str, ...]


async def make_report(connection: Connection, choice: Choice, config: BioreactorConfig, written_by: str) -> RunReport:
    """Make the report.

    Parameters
    ----------
    connection : Connection
        To the ledger, outside of a transaction.
    choice : Choice
        Of what, and as known when.
    config : BioreactorConfig
        The configuration at hand, for model cards of which the ledger keeps none.
    written_by : str
        The program that writes the report.

    Raises
    ------
    NoSuchRunError
        If the ledger knows no such unit, batch or period, or did not at that moment.
    """
    async with connection.transaction():
        await connection.execute("set transaction isolation level repeatable read, read only")
        return assemble(await _gather(connection, choice), config, written_by)


async def _gather(connection: Connection, choice: Choice) -> Raw:
    twin = await find_twin(connection, choice.kind, choice.unit)
    topic = input_topic_of(choice.kind)
    if twin is None or topic is None:
        raise NoSuchRunError(
            f"expected a unit that was heard of, received {choice.kind!r:.70}, {choice.unit!r:.140};"
            " /api/v1/twins lists them"
        )
    no = twin["no"]
    known_at = choice.known_at
    if known_at is None:
        known_at = await _newest_known(connection, no, choice)
    found = await _find(connection, no, choice, known_at)
    span = Span(no, topic, twin["partition"], found.start, found.end, known_at)
    counted = await reads_run.count_records(connection, span)
    first = min((row["first"] for row in counted), default=None)
    last = max((row["last"] for row in counted), default=None)
    facts = await reads_run.read_run_facts(connection, span)
    alarms = alarms_of(await reads_run.read_alert_lines(connection, span), found.start, found.end, found.batch)
    stretches = [(one.id, stretch_of(one, found.start, found.end)) for one in alarms if assessed(one)]
    wanted = [(name, stretch) for name, stretch in stretches if stretch is not None]
    extremes = await reads_run.read_extremes(connection, span, [stretch for _, stretch in wanted])
    step, times = _times(found.start, found.end, facts)
    points = _points(found.start, found.end)
    made_at = [round(found.start + share * (found.end - found.start)) for share in SHARES]
    forecasts = await reads_run.read_effects_at(connection, span, "forecast", made_at, "first word")
    targets = [_targets(one, found.end) for one in forecasts]
    models = await reads_run.read_models(connection, span)
    documents = await reads_run.read_configurations(connection, [row["model"] for row in models])
    gap_seconds, gaps = await reads_run.read_gaps(connection, span, GAP_SECONDS, GAP_TIMES)
    return Raw(
        choice.kind, choice.unit, span, found.batch, found.started, found.ended, found.batches, counted,
        await reads_run.count_effects(connection, span), facts, await reads_run.sum_feeds(connection, span),
        models, step, times,
        await reads_run.read_effects_at(connection, span, "estimate", [t for t, _ in times]), points,
        await reads_run.read_effects_at(connection, span, "estimate", points),
        await reads_run.read_measured(connection, span, "biomass", DOTS),
        list(zip(SHARES, forecasts, targets, strict=True)),
        await reads_run.read_effects_at(connection, span, "estimate", [t or found.start for t in targets]),
        alarms, {name: extreme for (name, _), extreme in zip(wanted, extremes, strict=True)},
        await reads_run.count_run_rejects(connection, span, first, last), gap_seconds, gaps,
        await reads_run.read_audit_head(connection, known_at),
        [] if first is None or last is None else await reads_run.read_anchors(connection, span, first, last),
        kept_configurations(documents),
    )  # fmt: skip


async def _newest_known(connection: Connection, no: int, choice: Choice) -> Instant:
    """Give the moment at which the newest word on the run was known."""
    found = await _find(connection, no, choice, None)
    extent = await reads_run.read_extent(connection, no, found.start, found.end, None)
    known = [found.start if extent is None else extent[2]]
    known += [instant_of(row["known_at"]) for row in (found.started, found.bound) if row is not None]
    return max(known)


async def _find(connection: Connection, no: int, choice: Choice, known_at: Instant | None) -> _Found:
    batches = await reads_run.read_batches(connection, no, known_at)
    begun = [row for row in batches if row["type"].endswith(".batch_started")]
    if choice.batch is None and (choice.start is not None or choice.end is not None or not begun):
        return await _find_period(connection, no, choice, known_at, begun)
    mine = [row for row in begun if choice.batch in (None, row["data"]["batch"])]
    if not mine:
        known = ", ".join(dict.fromkeys(str(row["data"]["batch"]) for row in begun[-10:])) or "none"
        when = "" if choice.known_at is None else f" known at {format_instant(choice.known_at)}"
        raise NoSuchRunError(
            f"expected a batch of {choice.unit!r:.140}{when} (the newest: {known}), received {choice.batch!r:.140}"
        )
    started = mine[-1]
    batch, start = str(started["data"]["batch"]), instant_of(started["event_time"])
    place = (started["event_time"], started["rec_offset"])
    after = [row for row in batches if (row["event_time"], row["rec_offset"]) > place]
    bound = next(
        (row for row in after if row["type"].endswith(".batch_started") or row["data"]["batch"] == batch), None
    )
    over = bound is not None and bound["type"].endswith(".batch_ended")
    if bound is None:
        extent = await reads_run.read_extent(connection, no, start, None, known_at)
        end = start if extent is None else extent[1]
    else:
        end = instant_of(bound["event_time"]) if over else Instant(instant_of(bound["event_time"]) - 1)
    return _Found(start, max(start, end), batch, started, bound if over else None, bound, (batch,))


async def _find_period(
    connection: Connection, no: int, choice: Choice, known_at: Instant | None, begun: list[Row]
) -> _Found:
    extent = await reads_run.read_extent(connection, no, choice.start or 0, choice.end, known_at)
    if extent is None:
        raise NoSuchRunError(f"expected something known of {choice.unit} in that period at that moment, found nothing")
    start = extent[0] if choice.start is None else choice.start
    end = extent[1] if choice.end is None else choice.end
    within = [row for row in begun if start <= instant_of(row["event_time"]) <= end]
    return _Found(start, end, None, None, None, None, tuple(str(row["data"]["batch"]) for row in within))


def _times(start: int, end: int, facts: list[Row]) -> tuple[float, list[tuple[int, str]]]:
    """Give the step of the table of results [h], and its times with what each is: hours, ends of phases, the end."""
    hours = (end - start) / HOUR
    step = next((one for one in STEPS_HOURS if hours / one <= MOST_ROWS), STEPS_HOURS[-1])
    times = {start + i * step * HOUR: f"{i * step} h" for i in range(1, int(hours / step) + 1)}
    phase: str | None = None
    changes = [fact for fact in facts if fact["type"].endswith(".phase_changed")]
    for fact in sorted(changes, key=lambda one: (one["event_time"], one["rec_offset"])):
        at = instant_of(fact["event_time"])
        if phase is not None and at - 1 > start:
            times[at - 1] = f"end of {phase}"
        phase = str(fact["data"]["phase"])
    times[end] = "end of the period" if phase is None else f"end, in {phase}"
    return float(step), sorted(times.items())


def _points(start: int, end: int) -> list[int]:
    return [start + round((end - start) * i / POINTS) for i in range(1, POINTS + 1)]


def _targets(forecast: Any, end: int) -> int | None:  # Any: an effect's line, which is JSON
    """Give the farthest time of a forecast that the run reached [us]; None where it reached none."""
    if forecast is None:
        return None
    reached = [t for t in map(parse_instant, forecast["data"]["at"]) if t <= end]
    return max(reached, default=None)
