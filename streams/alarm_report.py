"""The figures of an alarm system as a document and as lines to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.instants import format_instant
from twins.alarming import AlarmRecord, OperatorReport, Period
from twins.alarming.kpis import BARS

Document = dict[str, Any]  # Any: goes straight to JSON


def report_document(
    period: Period, reports: tuple[OperatorReport, ...], records: Iterable[AlarmRecord] = ()
) -> Document:
    """Lay the reports of a period out as JSON.

    `named` says of each alarm that the reports name by its id which it is, where `records` hold it; `targets` the
    published bars of each figure. Acknowledgement is left out: nothing that the ledger holds says it.
    """
    wanted = {name for report in reports for name in (*report.stale, *report.standing)}
    return {
        "start": format_instant(period.start),
        "end": format_instant(period.end),
        "operators": [_operator(report) for report in reports],
        "named": {record.id: _named(record) for record in records if record.id in wanted},
        "targets": {
            name: {"acceptable": bar.acceptable, "manageable": bar.manageable, "below": bar.below}
            for name, bar in BARS.items()
        },
        "source": "ANSI/ISA-18.2-2016, clause 16; EEMUA 191 ed. 3",
    }


def _named(record: AlarmRecord) -> Document:
    return {
        "unit": record.unit,
        "rule": record.rule,
        "priority": record.priority,
        "raised_at": format_instant(record.raised_at),
        "cleared_at": None if record.cleared_at is None else format_instant(record.cleared_at),
    }


def _operator(report: OperatorReport) -> Document:
    return {
        "operator": report.operator,
        "alarms": report.alarms,
        "suppressed": report.suppressed,
        "figures": {
            name: {"value": figure.value, "verdict": figure.verdict} for name, figure in report.figures.items()
        },
        "priorities": report.priorities,
        "floods": [
            {
                "start": format_instant(flood.start),
                "end": format_instant(flood.end),
                "alarms": flood.alarms,
                "peak": flood.peak,
                "over": flood.over,
            }
            for flood in report.floods
        ],
        "most_frequent": [
            {"unit": source.unit, "rule": source.rule, "alarms": count} for source, count in report.most_frequent
        ],
        "chattering": [{"unit": source.unit, "rule": source.rule} for source in report.chattering],
        "fleeting": [{"unit": source.unit, "rule": source.rule} for source in report.fleeting],
        "stale": list(report.stale),
        "standing": list(report.standing),
    }


def report_lines(document: Document) -> list[str]:
    """Write the document for people."""
    lines = [f"alarms from {document['start']} to {document['end']}"]
    if not document["operators"]:
        lines.append("none were raised, and none stood")
    for one in document["operators"]:
        lines += ["", f"operator {one['operator']}: {one['alarms']} alarms shown, {one['suppressed']} suppressed"]
        for name, figure in one["figures"].items():
            lines.append(f"  {name:28} {figure['value']:12.2f}  {figure['verdict'] or ''}".rstrip())
        for flood in one["floods"]:
            lines.append(f"  flood {flood['start']} to {flood['end']}: {flood['alarms']} alarms")
        for source in one["most_frequent"]:
            lines.append(f"  {source['alarms']:6} x {source['unit']} {source['rule']}")
    return lines
