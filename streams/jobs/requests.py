"""Reads a record of `resim.requests`: the line that a twin's request left as, or a person's of the same shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from schemas.effects import Effect
from schemas.errors import InvalidFieldError, MalformedError, UnknownTypeError
from schemas.events import LARGEST_RECORD
from schemas.instants import moment_of, parse_instant
from schemas.jobs import ResimulationRequest
from streams.jobs.engines import EngineEntry
from streams.jobs.ports import Asked
from twins.frame import RawRecord

_LINE = msgspec.json.Decoder(Effect)


def read_request(record: RawRecord, place: str, engines: Mapping[str, EngineEntry]) -> Asked:
    """Read one request.

    Parameters
    ----------
    place : str
        `topic/partition/offset` of the record.
    engines : mapping
        What is known of each engine, by kind; none is loaded.

    Raises
    ------
    InputError
        With what was expected, what came, where; the caller makes a dead letter of it.
    """
    value = record.value
    if value is None:
        raise MalformedError(expected="a request", received="no value (a tombstone)", where="record")
    if len(value) > LARGEST_RECORD:
        raise MalformedError(expected=f"at most {LARGEST_RECORD} bytes", received=f"{len(value)} bytes", where="record")
    effect, request = _decode(value)
    if effect.kind != "request":
        raise InvalidFieldError(expected="a line of kind request", received=effect.kind, where="kind")
    if record.key != effect.key.encode():
        raise InvalidFieldError(
            expected="the record's key to be its twin's",
            received=f"key {record.key!r}"[:80] + f" and twin {effect.key!r}"[:80],
            where="key",
        )
    entry = engines.get(request.spec.kind)
    if entry is None:
        raise UnknownTypeError(
            expected=f"an engine among {', '.join(sorted(engines))}",
            received=repr(request.spec.kind)[:80],
            where="spec.kind",
            advice="install its plug-in beside the dispatcher too",
        )
    event_time = moment_of(parse_instant(effect.event_time, "event_time"))
    return Asked(effect.id, effect.twin, effect.key, effect.model, event_time, request, entry.overlap, place)


def _decode(value: bytes) -> tuple[Effect, ResimulationRequest]:
    try:
        effect = _LINE.decode(value)
        return effect, msgspec.convert(effect.data, ResimulationRequest)
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            expected="a request as `twinstream schema request` prints it", received=str(error), where="data"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(expected="one JSON object", received=str(error), where="record") from None
