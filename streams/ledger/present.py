"""What each twin said last, and which alerts stand: small tables that overviews read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg

from schemas.effects import Effect
from streams.arrays import Ints, Longs, Texts, Utf8, cursor_for_arrays
from streams.ledger.folded import Fresh, Said
from streams.ledger.numbers import Numbers


class _Newest(NamedTuple):
    """The newest word on one twin: its number, what was said, when the log knew."""

    twin_no: int
    effect: Effect
    line: bytes
    known_at: int


class Present:
    """Writes `twin` and `open_alert` from a round's effects."""

    def write(
        self, connection: psycopg.Connection[Any], numbers: Mapping[str, Numbers], said: Sequence[tuple[Said, Fresh]]
    ) -> None:
        """Write the newest estimate and forecast of each twin, and every alert's raise, update and clear.

        One that is suppressed does not stand open: nobody is to act on it.
        """
        newest: dict[tuple[str, str, str], _Newest] = {}
        alerts: dict[str, tuple[int, Effect]] = {}  # the newest word on each, with its twin's number
        for one, frame in said:
            effect = one.effect
            if effect.kind in ("estimate", "forecast"):
                if effect.lane == "advisory":
                    continue  # what is learned stands beside the twin's own forecast, never in its place
                place = (effect.kind, frame.kind, effect.key)
                last = newest.get(place)
                if last is None or effect.event_time[:19] >= last.effect.event_time[:19]:
                    twin_no = numbers[frame.kind].twin(effect.key) if last is None else last.twin_no
                    newest[place] = _Newest(twin_no, effect, one.line, frame.known_of(one.offset))
            elif effect.kind == "alert":
                alerts[effect.data["alert"]] = (numbers[frame.kind].twin(effect.key), effect)
        for kind in ("estimate", "forecast"):
            self._write_newest(connection, kind, [one for (of, *_), one in newest.items() if of == kind])
        self._write_alerts(connection, alerts)

    def _write_newest(self, connection: psycopg.Connection[Any], kind: str, rows: Sequence[_Newest]) -> None:
        if not rows:
            return
        times = ", event_time = u.event_time, known_at = greatest(t.known_at, u.known_at)" if kind == "estimate" else ""
        newer = "(t.event_time is null or t.event_time <= u.event_time)" if kind == "estimate" else "true"
        cursor_for_arrays(connection).execute(
            f"update twin t set {kind} = u.body::jsonb{times} from (select no, at::timestamptz as event_time,"
            " to_timestamp(known / 1e6) as known_at, body from unnest(%b, %b, %b, %b) as u (no, at, known, body)) u"
            f" where t.no = u.no and {newer}",
            (
                Ints(one.twin_no for one in rows),
                Texts(one.effect.event_time for one in rows),
                Longs(one.known_at for one in rows),
                Utf8(_end(one.effect) if kind == "forecast" else _flat(one.line) for one in rows),
            ),
        )

    def _write_alerts(self, connection: psycopg.Connection[Any], alerts: Mapping[str, tuple[int, Effect]]) -> None:
        cleared = [name for name, (_, effect) in alerts.items() if effect.data["action"] == "clear"]
        if cleared:
            connection.execute("delete from open_alert where id = any(%s)", (cleared,))
        standing = [
            (name, twin_no, one)
            for name, (twin_no, one) in alerts.items()
            if one.data["action"] not in ("clear", "suppress")
        ]
        if not standing:
            return
        cursor_for_arrays(connection).execute(
            "insert into open_alert (id, twin_no, rule, priority, raised_at, last) select u.id, u.twin, u.rule,"
            " u.priority, u.at::timestamptz, u.last::jsonb"
            " from unnest(%b, %b, %b, %b, %b, %b) as u (id, twin, rule, priority, at, last)"
            " on conflict (id) do update set priority = excluded.priority, last = excluded.last",
            (
                Texts(name for name, _, _ in standing),
                Ints(twin_no for _, twin_no, _ in standing),
                Texts(effect.data["rule"] for _, _, effect in standing),
                Texts(effect.data["priority"] for _, _, effect in standing),
                Texts(effect.event_time for _, _, effect in standing),
                Utf8(msgspec.json.encode(effect) for _, _, effect in standing),
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
    """Cut a forecast to its last instant, which is what overviews show; the whole is in its effect.

    One of a family whose forecasts are of another shape stays as it is.
    """
    data = effect.data
    if "values" in data:
        values = {name: values[-1:] for name, values in data["values"].items()}
        data = {**data, "at": data["at"][-1:], "values": values}
    return msgspec.json.encode({**data, "id": effect.id, "event_time": effect.event_time})
