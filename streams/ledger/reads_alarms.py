"""Read alerts as alarm records, from raised to cleared, for the figures of an alarm system over a period."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from schemas.effects import AlertPriority, order_of
from schemas.errors import InvalidFieldError
from schemas.instants import DAY, instant_of, parse_instant
from streams.ledger.reads import Connection, moment
from twins.alarming import AlarmRecord

MOST_MESSAGES = 500_000  # of one period; more is no figure anybody waits for
BACK = 30 * DAY  # how long before a period raises are looked for; older ones are found by what is said of them since

Positions = Literal["all", "unit"]


class _Data(Struct):
    action: Literal["raise", "update", "clear", "suppress"]
    alert: str
    rule: str
    priority: AlertPriority


class _Message(Struct):
    """What counts of an alert effect; its other fields are passed over."""

    key: str
    event_time: str
    data: _Data


_DECODE = msgspec.json.Decoder(_Message)


async def read_alarms(
    connection: Connection, kind: str | None, start: int, end: int, positions: Positions = "all"
) -> list[AlarmRecord]:
    """Give the alarms that were raised in [start, end) [us], and those from before that stood in it.

    Parameters
    ----------
    kind : str, optional
        Only of twins of this kind.
    positions : {"all", "unit"}
        Whether one operator position looks after all units, or each unit has its own.

    Raises
    ------
    InvalidFieldError
        If more was said than MOST_MESSAGES.
    """
    of_kind = {"topic": None if kind is None else f"{kind}.events", "most": MOST_MESSAGES + 1}
    rows = await connection.execute(
        "select line from effect where kind = 'alert' and (%(topic)s::text is null or topic = %(topic)s)"
        " and event_time >= %(start)s and event_time < %(end)s"
        " order by topic, partition, rec_offset, n limit %(most)s",
        {**of_kind, "start": moment(start - BACK), "end": moment(end)},
    )
    messages = [_DECODE.decode(row["line"]) for row in await rows.fetchall()]
    if len(messages) > MOST_MESSAGES:
        raise InvalidFieldError(
            expected=f"a period with at most {MOST_MESSAGES} alert messages in it and in the {BACK // DAY} days before",
            received="more",
            where="alarm figures",
            advice="ask for a shorter period",
        )
    first = {message.data.alert for message in messages if message.data.action in ("raise", "suppress")}
    messages = await _raises(connection, {one.data.alert for one in messages} - first) + messages
    found: dict[str, AlarmRecord] = {}
    for message in messages:
        _take(found, message, positions)
    for name, record in (await _standing(connection, kind, start - BACK, positions)).items():
        found.setdefault(name, record)
    return [one for one in found.values() if one.cleared_at is None or one.cleared_at > start or one.raised_at >= start]


def _take(found: dict[str, AlarmRecord], message: _Message, positions: Positions) -> None:
    data, at = message.data, parse_instant(message.event_time)
    known = found.get(data.alert)
    if data.action in ("raise", "suppress"):
        # one released from suppression was raised then
        hidden = data.action == "suppress"
        operator = message.key if positions == "unit" else "all"
        found[data.alert] = AlarmRecord(
            data.alert, data.rule, message.key, operator, data.priority, at, suppressed=hidden
        )
    elif data.action == "clear" and known is not None:
        # a late fact may clear an alert at an instant before the one that raised it
        found[data.alert] = AlarmRecord(
            known.id, known.rule, known.unit, known.operator, known.priority, known.raised_at,
            max(at, known.raised_at), suppressed=known.suppressed,
        )  # fmt: skip


async def _raises(connection: Connection, names: set[str]) -> list[_Message]:
    """Give the first words on alerts that are only updated or cleared in what was read."""
    places = [order_of(name) for name in sorted(names)]
    if not places:
        return []
    rows = await connection.execute(
        "select line from effect join unnest(%s::text[], %s::int[], %s::bigint[], %s::int[])"
        " as wanted (topic, partition, rec_offset, n) using (topic, partition, rec_offset, n)",
        tuple(list(column) for column in zip(*places, strict=True)),
    )
    return [_DECODE.decode(row["line"]) for row in await rows.fetchall()]


async def _standing(
    connection: Connection, kind: str | None, before: int, positions: Positions
) -> dict[str, AlarmRecord]:
    """Give the alerts that have stood open since before an instant."""
    rows = await connection.execute(
        "select a.id, a.rule, a.priority, a.raised_at, t.key from open_alert a join twin t on t.no = a.twin_no"
        " where a.raised_at < %(before)s and (%(kind)s::text is null or t.kind = %(kind)s)",
        {"before": moment(before), "kind": kind},
    )
    found: list[dict[str, Any]] = await rows.fetchall()
    return {
        row["id"]: AlarmRecord(
            row["id"], row["rule"], row["key"], row["key"] if positions == "unit" else "all", row["priority"],
            instant_of(row["raised_at"]),
        )
        for row in found
    }  # fmt: skip
