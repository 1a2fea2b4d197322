"""What a published figure is: a value with its unit, the year whose money it is in, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as published. `year` says of when the money is, as the source does."""

    name: str
    value: float
    unit: str
    year: str
    source: str
