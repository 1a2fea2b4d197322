"""What each twin said last, and which alerts stand: small tables that overviews read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg

from schemas.effects import Effect
from streams.arrays import Ints, Longs, Texts, Utf8, cursor_for_arrays
from streams.ledger.folded import Fresh, Said
from streams.ledger.numbers import Numbers


class Present:
    """Writes `twin` and `open_alert` from a round's effects."""

    def write(self, connection: psycopg.Connection[Any], numbers: Numbers, said: Sequence[tuple[Said, Fresh]]) -> None:
        """Write the newest estimate and forecast of each twin, and every alert's raise, update and clear.

        One that is suppressed does not stand open: nobody is to act on it.
        """
        newest: dict[tuple[str, str], tuple[Said, int]] = {}
        alerts: dict[str, Effect] = {}  # the newest word on each
        for one, frame in said:
            effect = one.effect
            if effect.kind in ("estimate", "forecast"):
                if effect.lane == "advisory":
                    continue  # what is learned stands beside the twin's own forecast, never in its place
                last = newest.get((effect.kind, effect.key))
                if last is None or effect.event_time[:19] >= last[0].effect.event_time[:19]:
                    newest[effect.kind, effect.key] = (one, frame.known_of(one.offset))
            elif effect.kind == "alert":
                alerts[effect.data["alert"]] = effect
        for kind in ("estimate", "forecast"):
            self._write_newest(connection, numbers, kind, [pair for (of, _), pair in newest.items() if of == kind])
        self._write_alerts(connection, numbers, alerts)

    def _write_newest(
        self, connection: psycopg.Connection[Any], numbers: Numbers, kind: str, rows: Sequence[tuple[Said, int]]
    ) -> None:
        if not rows:
            return
        times = ", event_time = u.event_time, known_at = greatest(t.known_at, u.known_at)" if kind == "estimate" else ""
        newer = "(t.event_time is null or t.event_time <= u.event_time)" if kind == "estimate" else "true"
        cursor_for_arrays(connection).execute(
            f"update twin t set {kind} = u.body::jsonb{times} from (select no, at::timestamptz as event_time,"
            " to_timestamp(known / 1e6) as known_at, body from unnest(%b, %b, %b, %b) as u (no, at, known, body)) u"
            f" where t.no = u.no and {newer}",
            (
                Ints(numbers.twin(one.effect.key) for one, _ in rows),
                Texts(one.effect.event_time for one, _ in rows),
                Longs(known_at for _, known_at in rows),
                Utf8(_end(one.effect) if kind == "forecast" else _flat(one.line) for one, _ in rows),
            ),
        )

    def _write_alerts(
        self, connection: psycopg.Connection[Any], numbers: Numbers, alerts: Mapping[str, Effect]
    ) -> None:
        cleared = [name for name, effect in alerts.items() if effect.data["action"] == "clear"]
        if cleared:
            connection.execute("delete from open_alert where id = any(%s)", (cleared,))
        standing = [(name, one) for name, one in alerts.items() if one.data["action"] not in ("clear", "suppress")]
        if not standing:
            return
        cursor_for_arrays(connection).execute(
            "insert into open_alert (id, twin_no, rule, priority, raised_at, last) select u.id, u.twin, u.rule,"
            " u.priority, u.at::timestamptz, u.last::jsonb"
            " from unnest(%b, %b, %b, %b, %b, %b) as u (id, twin, rule, priority, at, last)"
            " on conflict (id) do update set priority = excluded.priority, last = excluded.last",
            (
                Texts(name for name, _ in standing),
                Ints(numbers.twin(effect.key) for _, effect in standing),
                Texts(effect.data["rule"] for _, effect in standing),
                Texts(effect.data["priority"] for _, effect in standing),
                Texts(effect.event_time for _, effect in standing),
                Utf8(msgspec.json.encode(effect) for _, effect in standing),
            ),
        )


def _flat(line: bytes) -> bytes:
    """Put an effect's data beside its id, time and model, without writing it a second time.

    Examples
    --------
    >>> _flat(b'{"data":{"a":1},"event_time":"x","id":"t/0/1/0"}')
    b'{"a":1,"event_time":"x","id":"t/0/1/0"}'
    """
    end = line.rindex(b',"event_time":')  # names are sorted, so data is first; a quote within a text is escaped
    return line[len(b'{"data":') : end - 1] + line[end:]


def _end(effect: Effect) -> bytes:
    """Cut a forecast to its last instant, which is what overviews show; the whole is in its effect."""
    data = effect.data
    return msgspec.json.encode(
        {
            **data,
            "at": data["at"][-1:],
            "values": {name: values[-1:] for name, values in data["values"].items()},
            "id": effect.id,
            "event_time": effect.event_time,
        }
    )
