"""What is said about a cleanroom. Times are instants in us since 1970 UTC; `source` and `id` together name a fact."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from schemas.errors import InvalidFieldError

PlateKind = Literal["air", "settle", "contact", "glove"]


class _Fact(Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    at: int  # us, when it happened
    source: str
    id: str  # unique within its source; a fact that comes twice has the same


class Particles(_Fact, frozen=True):
    """A count of particles in a sampled volume; `at` is the middle of the sample. A size not counted is None."""

    sample_m3: float
    count_half_um: int | None = None
    count_five_um: int | None = None


class Pressure(_Fact, frozen=True):
    """The pressure of this room over that of a neighbour."""

    against: str
    difference_pa: float


class Door(_Fact, frozen=True):
    """A door of this room was opened or closed."""

    door: str
    opened: bool


class Badge(_Fact, frozen=True):
    """A person came in or went out; `door` if it is known by which."""

    person: str
    entered: bool
    door: str = ""


class Moved(_Fact, frozen=True):
    """Material, waste or a closed patient unit came in or went out; `unit` if it is one of a patient."""

    item: str
    entered: bool
    door: str = ""
    unit: bool = False


class PlateExposed(_Fact, frozen=True):
    """A plate stood open, or a sample was taken, from `from_at` to `to_at`; `at` is when it was written down."""

    plate: str
    kind: PlateKind
    site: str
    from_at: int
    to_at: int
    air_m3: float = 0.0  # of an air sample


class PlateRead(_Fact, frozen=True):
    """What grew on a plate, counted days later."""

    plate: str
    cfu: int


class UnitOpened(_Fact, frozen=True):
    """A patient's unit was opened in the room."""

    unit: str
    patient: str
    product: str = ""


class UnitClosed(_Fact, frozen=True):
    """It was closed."""

    unit: str


class Cleaned(_Fact, frozen=True):
    """A cleaning that ended `at`."""

    began_at: int
    method: str = ""


class LineCleared(_Fact, frozen=True):
    """The line was cleared of everything of the patient before."""

    patient: str = ""


class Held(_Fact, frozen=True):
    """The room was held; `reason` names the hold."""

    reason: str


class Released(_Fact, frozen=True):
    """A hold was lifted; an empty reason lifts all, those of plates among them."""

    reason: str = ""


RoomFact = (
    Particles
    | Pressure
    | Door
    | Badge
    | Moved
    | PlateExposed
    | PlateRead
    | UnitOpened
    | UnitClosed
    | Cleaned
    | LineCleared
    | Held
    | Released
)


def bytes_of(fact: RoomFact) -> bytes:
    """Give a fact as canonical bytes: they decide between two facts of one name."""
    return msgspec.json.encode(fact, order="deterministic")


def check(fact: RoomFact) -> None:
    """Refuse a fact that cannot be true.

    Raises
    ------
    InvalidFieldError
        If a volume or count makes no sense, or something ends before it began.
    """
    where = f"{type(fact).__name__} {fact.id} of {fact.source}"
    if isinstance(fact, Particles):
        counts = [count for count in (fact.count_half_um, fact.count_five_um) if count is not None]
        if not 0 < fact.sample_m3 < 1000:
            raise InvalidFieldError(
                expected="sample_m3 above 0 and below 1000", received=str(fact.sample_m3), where=where
            )
        if not counts or min(counts) < 0:
            raise InvalidFieldError(expected="a count of 0 or more", received=str(counts), where=where)
    elif isinstance(fact, PlateExposed):
        if fact.to_at < fact.from_at:
            raise InvalidFieldError(expected="to_at at or after from_at", received=str(fact.to_at), where=where)
        if fact.kind == "air" and not 0 < fact.air_m3 < 1000:
            raise InvalidFieldError(expected="air_m3 above 0 for an air sample", received=str(fact.air_m3), where=where)
    elif isinstance(fact, PlateRead):
        if fact.cfu < 0:
            raise InvalidFieldError(expected="cfu of 0 or more", received=str(fact.cfu), where=where)
    elif isinstance(fact, Cleaned):
        if fact.began_at > fact.at:
            raise InvalidFieldError(expected="began_at at or before at", received=str(fact.began_at), where=where)
    elif isinstance(fact, Pressure) and not -1000 < fact.difference_pa < 1000:
        raise InvalidFieldError(expected="difference_pa within 1000 Pa", received=str(fact.difference_pa), where=where)
