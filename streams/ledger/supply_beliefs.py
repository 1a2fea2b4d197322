"""What of supply twins the dashboard reads beside others': beliefs with an interval, and forecasts in short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.ledger.reads import Connection

# Lists of a forecast that are as short as they are telling; its plain values come with them.
SHORT_LISTS = ("infusion", "hours_to_limit", "arrival", "quantiles")


# Any: an estimate's data, which is JSON.
def supply_beliefs(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the beliefs of a supply twin: a box's payload [Cel], a room's particles [/m3]. `sd` is not said.

    Examples
    --------
    >>> payload = {"status": "known", "celsius": -190.1, "low": -190.4, "high": -189.8}
    >>> list(supply_beliefs({"of": "shipper", "payload": payload}))
    [('payload', {'unit': 'Cel', 'mean': -190.1, 'sd': None, 'low': -190.4, 'high': -189.8})]
    """
    if data.get("of") == "shipper":
        payload = data["payload"]
        yield "payload", _belief("Cel", payload["celsius"], payload)
    elif data.get("of") == "room":
        for name in ("half_um", "five_um"):
            one = data["particles"][name]
            yield f"particles.{name}", _belief(one["unit"], one["mean"], one)


def _belief(unit: str, mean: float | None, of: dict[str, Any]) -> dict[str, Any]:
    return {"unit": unit, "mean": mean, "sd": None, "low": of["low"], "high": of["high"]}


async def read_ahead(connection: Connection, numbers: list[int]) -> dict[int, dict[str, Any]]:
    """Give of each twin's newest forecast its plain values and SHORT_LISTS, by the twin's number."""
    if not numbers:
        return {}
    rows = await connection.execute(
        "select no, jsonb_object_agg(e.name, e.value) as ahead from twin, jsonb_each(forecast) as e (name, value)"
        " where no = any(%s) and forecast is not null and e.value <> 'null'"
        " and (jsonb_typeof(e.value) in ('string', 'number', 'boolean') or e.name = any(%s)) group by no",
        (numbers, list(SHORT_LISTS)),
    )
    return {row["no"]: row["ahead"] for row in await rows.fetchall()}
