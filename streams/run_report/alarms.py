"""Alarms of a run from raised to cleared, and which of them are deviations to be assessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.instants import SECOND, parse_instant
from streams.run_report.document import Alarm, Deviation

ASSESSED_KINDS = {"action": "action limit", "proven": "proven range"}
ASSESSED_PRIORITIES = ("critical", "high")

Message = dict[str, Any]  # Any: an alert's line, which is JSON
Extreme = dict[str, Any] | None  # Any: a row of the ledger


def alarms_of(messages: Sequence[Message], start: int, end: int, batch: str | None) -> tuple[Alarm, ...]:
    """Lay out the alarms that stood between two event times [us], the first raised first.

    Parameters
    ----------
    messages : sequence of dict
        Alert effects in the order of the log.
    batch : str, optional
        Leave out those of other batches.
    """
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(message["data"]["alert"], []).append(message)
    alarms = []
    for name, said in found.items():
        alarm = _alarm(name, said)
        begun, over = parse_instant(alarm.raised), None if alarm.cleared is None else parse_instant(alarm.cleared)
        of_batch = batch is None or alarm.batch in (None, batch)
        if of_batch and begun <= end and (begun >= start or over is None or over > start):
            alarms.append(alarm)
    return tuple(sorted(alarms, key=lambda one: (parse_instant(one.raised), one.id)))


def assessed(alarm: Alarm) -> str | None:
    """Say why an alarm is a deviation to be assessed, or None."""
    kind = ASSESSED_KINDS.get(alarm.rule.rpartition(".")[2])
    if kind is not None:
        return kind
    return f"{alarm.priority} priority" if alarm.priority in ASSESSED_PRIORITIES else None


def stretch_of(alarm: Alarm, start: int, end: int) -> tuple[str, str, bool, int, int] | None:
    """Give tag, unit, side and times in which the farthest reading of a measured alarm lies; None for other alarms."""
    parts = alarm.rule.split(".")
    if len(parts) < 3 or parts[-1] not in ("measured", "alarm", "action", "proven") or parts[-2] not in ("low", "high"):
        return None
    over = end if alarm.cleared is None else max(parse_instant(alarm.cleared), parse_instant(alarm.raised))
    return alarm.tag, alarm.unit, parts[-2] == "high", max(start, parse_instant(alarm.raised)), min(end, over)


def deviation_of(alarm: Alarm, why: str, extreme: Extreme, place: str, at: str | None) -> Deviation:
    """Make the deviation of an alarm.

    Parameters
    ----------
    extreme : dict or None
        The farthest reading while it stood, of a measured alarm; `place` and `at` are its record and event time.
    """
    excursion, unit, when, source = alarm.value, alarm.unit, alarm.raised, alarm.id
    if extreme is not None:
        excursion, when, source = extreme["value"], at or alarm.raised, place
    elif alarm.probability is not None:
        excursion, unit = alarm.probability, "probability"
    return Deviation(
        alarm.id, alarm.rule, why, alarm.unit, alarm.batch, alarm.phase, alarm.raised, alarm.cleared, alarm.limit,
        excursion, unit, None if excursion is None else when, None if excursion is None else source, alarm.message,
        alarm.suppressed_by,
    )  # fmt: skip


def _alarm(name: str, said: Sequence[Message]) -> Alarm:
    first = said[0]
    raised = [one for one in said if one["data"]["action"] in ("raise", "suppress")]
    first = raised[0] if raised else first
    last = said[-1]
    over = last if last["data"]["action"] == "clear" else None
    # shown after all: suppressed at first, raised later under the same identity
    hidden = bool(raised) and raised[-1]["data"]["action"] == "suppress"
    cause = next((one["data"].get("suppressed_by") for one in raised if one["data"].get("suppressed_by")), None)
    values = [one["data"]["value"] for one in raised if one["data"]["value"] is not None]
    data = first["data"]
    cleared = None if over is None else over["event_time"]
    seconds = None if cleared is None else (parse_instant(cleared) - parse_instant(first["event_time"])) / SECOND
    suppressed = None if cause is None else cause if hidden else f"{cause}, shown from {raised[-1]['event_time']}"
    return Alarm(
        name, data["rule"], data["tag"], data["priority"], data["message"], first["event_time"], cleared,
        None if over is None else over["id"], None if seconds is None else max(0.0, seconds),
        values[0] if values else None, data["limit"], data["unit"], data["probability"], data["batch"], data["phase"],
        suppressed, first["known_at"],
    )  # fmt: skip
