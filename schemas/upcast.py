"""Old payloads read by new code: one small function per step, applied in turn until the newest version.

An upcaster takes the decoded JSON of version n and gives that of version n + 1. It never guesses:
what it cannot lift it raises as InvalidFieldError, and the record goes to the dead letters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas import bioreactor, partitions
from schemas.errors import InvalidFieldError, UnknownTypeError

# Any: a JSON document of an older shape, known to nobody's types.
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _reading_1_to_2(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 said one tag a record, flat, with `status` 0 (good) or 1 (bad)."""
    missing = {"tag", "value", "unit"} - data.keys()
    if missing:
        raise InvalidFieldError(
            expected="tag, value and unit in a reading of schema version 1",
            received=f"no {', '.join(sorted(missing))}",
            where="data",
        )
    unknown = sorted(data.keys() - {"tag", "value", "unit", "status"})
    if unknown or data.get("status", 0) not in (0, 1):
        raise InvalidFieldError(
            expected="a reading of schema version 1, whose status is 0 or 1",
            received=(f"also {unknown[:3]}" if unknown else f"status {data['status']!r}")[:120],
            where="data",
        )
    quality = "bad" if data.get("status", 0) else "good"
    return {"channels": [{"tag": data["tag"], "value": data["value"], "unit": data["unit"], "quality": quality}]}


def _unchanged(data: dict[str, Any]) -> dict[str, Any]:
    return data


UPCASTERS: dict[tuple[str, int], Upcaster] = {
    **{(name, 1): _unchanged for name in (*bioreactor.EVENTS, *partitions.EVENTS)},
    ("bioreactor.reading", 1): _reading_1_to_2,
}
NEWEST = bioreactor.VERSION


def upcast(event_type: str, version: int, data: dict[str, Any]) -> dict[str, Any]:
    """Lift an older payload to the newest version.

    Examples
    --------
    >>> upcast("bioreactor.reading", 1, {"tag": "ph", "value": 7.1, "unit": "[pH]"})
    {'channels': [{'tag': 'ph', 'value': 7.1, 'unit': '[pH]', 'quality': 'good'}]}
    """
    while version < NEWEST:
        step = UPCASTERS.get((event_type, version))
        if step is None:
            raise UnknownTypeError(
                expected=f"{event_type} of schema version 1 to {NEWEST}", received=f"version {version}"
            )
        data = step(data)
        version += 1
    return data
