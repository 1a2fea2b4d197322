"""Lay out what was gathered as a report. Pure: what goes in decides every byte that comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.instants import HOUR, Instant, format_instant, instant_of, parse_instant
from streams.ledger.reads import text_of
from streams.ledger.reads_history import beliefs_of
from streams.ledger.reads_run import Row, Span
from streams.run_report.alarms import assessed, deviation_of
from streams.run_report.assays import Fact, assays_of, dots_of
from streams.run_report.card import cards_of
from streams.run_report.document import (
    FORMAT,
    Alarm,
    Anchor,
    Assay,
    Belief,
    Counted,
    Course,
    Deviation,
    Dot,
    Feed,
    ForecastCheck,
    Gap,
    Identity,
    ModelUse,
    Origin,
    Phase,
    Rejected,
    ResultRow,
    RunReport,
)
from twins.bioreactor.config import BioreactorConfig

DRAWN = ("biomass", "growth_rate")  # of the growth filter; of a process model all states


@dataclass(frozen=True, slots=True)
class Raw:
    """What the ledger gave; rows are those of `streams/ledger/reads_run.py`."""

    kind: str
    unit: str
    span: Span
    batch: str | None
    started: Row | None
    ended: Row | None
    batches: tuple[str, ...]
    records: list[Row]
    effects: list[Row]
    facts: list[Row]
    feeds: list[Row]
    models: list[Row]
    step_hours: float
    times: list[tuple[int, str]]
    results: list[Row | None]  # at `times`
    points: list[int]
    course: list[Row | None]  # at `points`
    measured: list[Row]
    forecasts: list[tuple[float, Row | None, int | None]]  # share of the run, forecast, the time it is held against
    came: list[Row | None]
    alarms: tuple[Alarm, ...]
    extremes: dict[str, Row | None]
    rejects: list[Row]
    gap_seconds: float
    gaps: list[Row]
    audit: Row | None
    anchors: list[Row]
    configurations: dict[str, BioreactorConfig]  # by model, as the ledger keeps them

    def place(self, offset: int) -> str:
        """Name a record of the run."""
        return f"{self.span.topic}/{self.span.partition}/{offset}"


def assemble(raw: Raw, config: BioreactorConfig, written_by: str) -> RunReport:
    """Make the report."""
    facts = [_fact(raw, row) for row in raw.facts]
    assays = assays_of(facts)
    uses = _uses(raw)
    last = next((one for one in reversed(raw.results) if one is not None), None)
    started: dict[str, Any] = {} if raw.started is None else raw.started["data"]
    started_at = None if raw.started is None else raw.place(raw.started["rec_offset"])
    process = None if last is None else last["data"].get("process")
    return RunReport(
        FORMAT, _identity(raw, facts, started, started_at), _origin(raw), uses,
        cards_of(uses, config, started, started_at, process, raw.configurations), raw.step_hours, tuple(_results(raw)),
        tuple(_checks(raw)), assays, tuple(_feeds(raw)), raw.alarms, tuple(_deviations(raw)),
        tuple(
            Rejected(row["reason"], row["own"], row["n"], row["first"], row["last"], (row["example"] or "")[:80])
            for row in raw.rejects
        ),
        tuple(_gaps(raw)), raw.gap_seconds, tuple(_courses(raw, assays)),
        tuple(
            Anchor(row["next_offset"], _text(row["created_at"]), row["model"], row["sha256"], dict(row["program"]))
            for row in raw.anchors
        ),
        written_by,
    )  # fmt: skip


def _text(value: Any) -> str:  # Any: a datetime of the driver
    return str(text_of(value))


def _fact(raw: Raw, row: Row) -> Fact:
    return Fact(
        row["type"], instant_of(row["event_time"]), _text(row["event_time"]), _text(row["record_time"]),
        _text(row["known_at"]), raw.place(row["rec_offset"]), row["source"], row["id"], row["data"],
    )  # fmt: skip


def _identity(raw: Raw, facts: Sequence[Fact], started: dict[str, Any], started_at: str | None) -> Identity:
    span = raw.span
    volume = started.get("volume")
    return Identity(
        raw.kind, raw.unit, raw.batch, started.get("product"), started.get("recipe"),
        None if volume is None else f"{volume['value']:g} {volume['unit']}", format_instant(span.start),
        format_instant(span.end), (span.end - span.start) / HOUR, started_at,
        None if raw.ended is None else raw.place(raw.ended["rec_offset"]),
        None if raw.ended is None else raw.ended["data"].get("reason") or "", started.get("planned_end"),
        tuple(_phases(facts, span.end)), raw.batches,
    )  # fmt: skip


def _phases(facts: Sequence[Fact], end: Instant) -> Iterator[Phase]:
    changes = sorted((fact for fact in facts if fact.type.endswith(".phase_changed")), key=lambda fact: fact.t)
    for fact, after in zip(changes, [*(fact.t for fact in changes[1:]), end][: len(changes)], strict=True):
        yield Phase(fact.data["phase"], fact.event_time, format_instant(after), (after - fact.t) / HOUR, fact.place)


def _origin(raw: Raw) -> Origin:
    rows, span, audit = raw.records, raw.span, raw.audit
    return Origin(
        format_instant(span.known_at), span.topic, span.partition, min((row["first"] for row in rows), default=None),
        max((row["last"] for row in rows), default=None), sum(row["n"] for row in rows),
        _range(rows, "event"), _range(rows, "known"),
        tuple(Counted(row["type"], row["n"], row["first"], row["last"]) for row in rows),
        tuple(Counted(row["kind"], row["n"], row["first"], row["last"], row["digest"]) for row in raw.effects),
        None if audit is None else f"row {audit['seq']}, {_text(audit['at'])}, {audit['hash']}",
    )  # fmt: skip


def _range(rows: Sequence[Row], name: str) -> tuple[str, str] | None:
    if not rows:
        return None
    return _text(min(row[f"{name}_first"] for row in rows)), _text(max(row[f"{name}_last"] for row in rows))


def _uses(raw: Raw) -> tuple[ModelUse, ...]:
    return tuple(
        ModelUse(
            row["model"], row["lane"], row["process"], _text(row["event_time"]), _text(row["known_at"]),
            f"{row['topic']}/{row['partition']}/{row['rec_offset']}/{row['n']}",
        )
        for row in raw.models
    )  # fmt: skip


def _results(raw: Raw) -> Iterator[ResultRow]:
    seen: set[tuple[str, str]] = set()
    for (_, why), effect in zip(raw.times, raw.results, strict=True):
        if effect is None or not _of_batch(raw, effect) or (effect["id"], why) in seen:
            continue
        seen.add((effect["id"], why))
        data = effect["data"]
        yield ResultRow(
            why, effect["event_time"], effect["known_at"], data["phase"], data["hours"], data["revised"],
            data["filter"].get("consistent"), effect["id"],
            {
                name: Belief(float(one["mean"]), float(one["sd"]), float(one["low"]), float(one["high"]), one["unit"])
                for name, one in beliefs_of(data)
            },
        )  # fmt: skip


def _of_batch(raw: Raw, effect: Row) -> bool:
    return raw.batch is None or effect["data"]["batch"] in (None, raw.batch)


def _checks(raw: Raw) -> Iterator[ForecastCheck]:
    for (share, forecast, target), came in zip(raw.forecasts, raw.came, strict=True):
        if forecast is None or target is None or came is None or not _of_batch(raw, forecast):
            continue
        data = forecast["data"]
        j = next(i for i in reversed(range(len(data["at"]))) if parse_instant(data["at"][i]) == target)
        beliefs = dict(beliefs_of(came["data"]))
        process = data.get("process") or {"values": {}, "units": {}}
        fans = [(name, fan, data["units"][name]) for name, fan in data["values"].items()]
        fans += [(f"process.{name}", fan, process["units"][name]) for name, fan in process["values"].items()]
        low, middle, high = (data["quantiles"].index(quantile) for quantile in (0.05, 0.5, 0.95))
        for name, fan, unit in fans:
            belief = beliefs.get(name)
            if belief is None or belief["unit"] != unit:
                continue
            said = fan[j]
            yield ForecastCheck(
                forecast["event_time"], share, forecast["id"], name, unit, data["at"][j], said[middle], said[low],
                said[high], belief["mean"], belief["low"], belief["high"], came["id"],
                said[low] <= belief["mean"] <= said[high] if said[low] < said[high] else None,
            )  # fmt: skip


def _feeds(raw: Raw) -> Iterator[Feed]:
    for row in raw.feeds:
        yield Feed(
            row["feed"] or "feed", row["n"], row["total"], row["unit"], _text(row["event_first"]),
            _text(row["event_last"]), row["first"], row["last"],
        )  # fmt: skip


def _deviations(raw: Raw) -> Iterator[Deviation]:
    for alarm in raw.alarms:
        why = assessed(alarm)
        if why is not None:
            extreme = raw.extremes.get(alarm.id)
            place = "" if extreme is None else raw.place(extreme["rec_offset"])
            at = None if extreme is None else _text(extreme["event_time"])
            yield deviation_of(alarm, why, extreme, place, at)


def _gaps(raw: Raw) -> Iterator[Gap]:
    for row in raw.gaps:
        start, end = instant_of(row["before"]), instant_of(row["event_time"])
        yield Gap(
            format_instant(start), format_instant(end), (end - start) / 1e6, raw.place(row["offset_before"]),
            raw.place(row["rec_offset"]),
        )  # fmt: skip


def _courses(raw: Raw, assays: Sequence[Assay]) -> Iterator[Course]:
    """Give the courses that are drawn; a point that says what the one before said is left out."""
    series: dict[tuple[str, str], list[tuple[float, dict[str, float]]]] = {}
    seen: str | None = None
    for effect in raw.course:
        if effect is None or effect["id"] == seen or not _of_batch(raw, effect):
            continue
        seen = effect["id"]
        hours = (parse_instant(effect["event_time"]) - raw.span.start) / HOUR
        for name, belief in beliefs_of(effect["data"]):
            if name in DRAWN or name.startswith("process."):
                series.setdefault((name, belief["unit"]), []).append((hours, belief))
    for (name, unit), points in series.items():
        mean, low, high = (tuple(float(one[part]) for _, one in points) for part in ("mean", "low", "high"))
        tag = _tag_of(name, [assay.tag for assay in assays])
        dots = () if tag is None else dots_of(assays, tag, unit, raw.span.start)
        measured = tuple(_measured(raw, unit)) if name == "biomass" else ()
        yield Course(name, unit, tuple(hours for hours, _ in points), mean, low, high, measured, dots)


def _tag_of(quantity: str, tags: Sequence[str]) -> str | None:
    """Give the tag whose assays belong into a chart: that of the same name, biomass in that of living cells too."""
    plain = quantity.removeprefix("process.")
    if plain in tags:
        return plain
    return "biomass" if plain in ("viable_cells", "biomass") and "biomass" in tags else None


def _measured(raw: Raw, unit: str) -> Iterator[Dot]:
    for row in raw.measured:
        if row["unit"] == unit:
            yield Dot((instant_of(row["event_time"]) - raw.span.start) / HOUR, row["value"])
