"""What each twin said last, and which alerts stand: small tables that overviews read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg

from schemas.effects import Effect
from streams.arrays import Ints, Longs, Texts, Utf8, cursor_for_arrays
from streams.ledger.folded import Fresh, Said
from streams.ledger.numbers import Numbers

KINDS = ("estimate", "forecast")


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
            if effect.kind in KINDS:
                if effect.lane == "advisory":
                    continue  # what is learned stands beside the twin's own forecast, never in its place
                place = (effect.kind, frame.kind, effect.key)
                last = newest.get(place)
                if last is None or effect.event_time[:19] >= last.effect.event_time[:19]:
                    twin_no = numbers[frame.kind].twin(effect.key) if last is None else last.twin_no
                    newest[place] = _Newest(twin_no, effect, one.line, one.known_at)
            elif effect.kind == "alert":
                alerts[effect.data["alert"]] = (numbers[frame.kind].twin(effect.key), effect)
        self._write_newest(connection, [(of, one) for (of, *_), one in newest.items()])
        self._write_alerts(connection, alerts)

    def _write_newest(self, connection: psycopg.Connection[Any], newest: Iterable[tuple[str, _Newest]]) -> None:
        """Write both in one row: each change of it is a new one, whatever changed."""
        estimates, forecasts = ({one.twin_no: one for of, one in newest if of == kind} for kind in KINDS)
        numbers = sorted({*estimates, *forecasts})
        if not numbers:
            return
        told = [estimates.get(number) for number in numbers]
        expected = [forecasts.get(number) for number in numbers]
        cursor_for_arrays(connection).execute(
            "update twin t set event_time = case when u.newer then u.event_time else t.event_time end,"
            " known_at = case when u.newer then greatest(t.known_at, u.known_at) else t.known_at end,"
            " estimate = case when u.newer then u.estimate::jsonb else t.estimate end,"
            " forecast = coalesce(u.forecast::jsonb, t.forecast)"
            " from (select w.no, w.event_time, w.known_at, w.estimate, w.forecast, w.estimate is not null"
            "   and (t.event_time is null or t.event_time <= w.event_time) as newer from twin t join ("
            "     select no, at::timestamptz as event_time, to_timestamp(known / 1e6) as known_at, estimate, forecast"
            "     from unnest(%b, %b, %b, %b, %b) as u (no, at, known, estimate, forecast)) w on t.no = w.no) u"
            " where t.no = u.no and (u.newer or u.forecast is not null)",
            (
                Ints(numbers),
                Utf8(None if one is None else one.effect.event_time.encode() for one in told),
                Longs(0 if one is None else one.known_at for one in told),
                Utf8(None if one is None else _flat(one.line) for one in told),
                Utf8(None if one is None else _short(one) for one in expected),
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


def _short(forecast: _Newest) -> bytes:
    return _end(forecast.effect) if "values" in forecast.effect.data else _flat(forecast.line)


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
    values = {name: values[-1:] for name, values in data["values"].items()}
    data = {**data, "at": data["at"][-1:], "values": values}
    return msgspec.json.encode({**data, "id": effect.id, "event_time": effect.event_time})
