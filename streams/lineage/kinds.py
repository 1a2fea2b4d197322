"""What nodes and edges of the lineage can be, with the numbers that stand for them in the tables.

Numbers are positions: a list is only ever added to at its end.
"""

from __future__ import annotations

from schemas.errors import InvalidFieldError

# Types of things. Where two events call one thing differently, the first of these counts: `thing` says least.
TYPES = (
    "patient",
    "collection",
    "unit",
    "batch",
    "material_lot",
    "vector_lot",
    "shipment",
    "shipper",
    "equipment",
    "room",
    "site",
    "place",
    "step",
    "test",
    "alert",
    "forecast",
    "model",
    "document",
    "molecule",
    "formulation",
    "thing",
)

# An edge points the way that influence flows:
KINDS = (
    "used",  # what went in -> the step
    "generated",  # the step -> what came out
    "derived_from",  # the older -> the newer
    "aggregated_in",  # the container -> what is in it, over an interval
    "located_in",  # the place -> what is there, over an interval; a thing is in one place at a time
    "measured_by",  # what was measured -> the test
    "supersedes",  # the older -> the newer that takes its place
    "predicted_by",  # what a forecast was made from -> the forecast
    "meant_for",  # the unit -> the patient
    "alerted_by",  # what an alert is about -> the alert
)
INTERVALS = ("aggregated_in", "located_in")

TYPE_NO = {name: no for no, name in enumerate(TYPES)}
KIND_NO = {name: no for no, name in enumerate(KINDS)}

BEGINNING = -(1 << 62)  # before every instant
FOREVER = 1 << 62  # after every instant; both leave room to add and negate in 64 bits


def numbers_of(names: tuple[str, ...], among: dict[str, int], where: str) -> tuple[int, ...]:
    """Give the numbers of names.

    Raises
    ------
    InvalidFieldError
        If one is not among those known.

    Examples
    --------
    >>> numbers_of(("unit", "patient"), TYPE_NO, "types")
    (2, 0)
    """
    for name in names:
        if name not in among:
            raise InvalidFieldError(
                expected=f"one of {', '.join(among)}",
                received=repr(name)[:60],
                where=where,
                advice="leave it out for all",
            )
    return tuple(among[name] for name in names)
