"""What a patient's journey is made of: plain facts, as scanners, couriers, quality and people said them.

Instants are microseconds since 1970 UTC: `at` when it happened, `known_at` when we knew. A fact is named by
(`source`, `id`). `voids` names a fact that this one declares erroneous: the declaration itself observes nothing.
`corrects` names a fact that this one stands in for: it counts instead. Such a name is one of the same source, or,
where it is a URI (it has a colon), of any.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from schemas.errors import InvalidFieldError
from schemas.ids import event_hash

MOST_NAMES = 200  # units, parties, identities of one fact: a pallet of one patient's bags holds tens (assumed)
LONGEST_NAME = 256  # of any text of a fact: a Digital Link with serial is below 120 characters, a hash id 90

Half = Literal["release", "receipt"]
ACTIONS = ("ADD", "OBSERVE", "DELETE")  # EPCIS 2.0, 7.3.2
IDENTITIES = ("bag", "order", "wristband", "label")


class Said(Struct, frozen=True, array_like=True, kw_only=True, tag_field="fact"):
    """What every fact has."""

    source: str
    id: str
    at: int
    known_at: int
    voids: str = ""
    corrects: str = ""


class Ordered(Said, frozen=True, array_like=True, kw_only=True, tag="o"):
    """The therapy was ordered. `workflow` names the journey's template, `labels` how many of each type are made."""

    coi: str
    workflow: str = ""
    product: str = ""
    order: str = ""
    site: str = ""
    labels: dict[str, int] = {}


class Scan(Said, frozen=True, array_like=True, kw_only=True, tag="s"):
    """Somebody scanned something of this patient's.

    `step` is a step of the workflow, or a business step of the CBV. `units` are bags and kits, `inputs` and `outputs`
    those of a transformation, `parent` and `children` those of an aggregation (shipper and bags). `read` has the chain
    of identity as it was read from bag, order, wristband and label. `releaser` and `receiver` are who signed.
    """

    step: str
    action: str = "OBSERVE"
    units: tuple[str, ...] = ()
    place: str = ""
    read: dict[str, str] = {}
    releaser: str = ""
    receiver: str = ""
    parent: str = ""
    children: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    disposition: str = ""


class Handover(Said, frozen=True, array_like=True, kw_only=True, tag="h"):
    """One half of a handover was signed, at a step."""

    step: str
    half: Half
    party: str
    units: tuple[str, ...] = ()
    place: str = ""
    read: dict[str, str] = {}


class Labels(Said, frozen=True, array_like=True, kw_only=True, tag="l"):
    """Labels of one type at one place: received = used + passed on + destroyed once its line is cleared."""

    type: str
    place: str = ""
    received: int = 0
    used: int = 0
    passed_on: int = 0
    destroyed: int = 0


class Disposition(Said, frozen=True, array_like=True, kw_only=True, tag="d"):
    """Quality's word on the lot. An approval of an out-of-specification lot names who approved it."""

    status: Literal["quarantined", "released", "rejected", "oos_approved"]
    by: tuple[str, ...] = ()


class ShipperPacked(Said, frozen=True, array_like=True, kw_only=True, tag="p"):
    """The patient's bags went into a shipper that keeps them cold until `hold_until` [us]."""

    shipper: str
    hold_until: int


class Opened(Said, frozen=True, array_like=True, kw_only=True, tag="w"):
    """A unit was opened in a workcell. `coi` is whose it is, as read; empty: this patient's."""

    workcell: str
    unit: str = ""
    coi: str = ""


class Closed(Said, frozen=True, array_like=True, kw_only=True, tag="c"):
    """A unit was closed in a workcell, or left it."""

    workcell: str
    unit: str = ""
    coi: str = ""


class Decided(Said, frozen=True, array_like=True, kw_only=True, tag="j"):
    """A person decided about a violation, named by its key. It stands no longer, and is kept as decided."""

    violation: str
    by: str
    reason: str = ""


Fact = Ordered | Scan | Handover | Labels | Disposition | ShipperPacked | Opened | Closed | Decided


def number(fact: Fact) -> int:
    """Give the 64-bit number of a fact's name."""
    return event_hash(fact.source, fact.id)


def check_fact(fact: Fact) -> None:
    """Check what the types do not say.

    Raises
    ------
    InvalidFieldError
        Names the field, what was expected, what came, and what to do.
    """
    if not fact.source or not fact.id:
        raise _invalid("a source and an id", repr((fact.source, fact.id)), "id", "name the fact")
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        if isinstance(value, int):
            if value < 0:
                raise _invalid("0 or more", str(value), name, "correct the number")
        elif isinstance(value, str):
            _check_text(value, name)
        else:
            _check_many(value, name)
    if not fact.voids:
        _check_kind(fact)


def _check_text(text: object, where: str) -> None:
    if not isinstance(text, str) or len(text) > LONGEST_NAME:
        raise _invalid(f"text of at most {LONGEST_NAME} characters", repr(text)[:80], where, "shorten it")


def _check_many(value: tuple[str, ...] | dict[str, str] | dict[str, int], where: str) -> None:
    if len(value) > MOST_NAMES:
        raise _invalid(f"at most {MOST_NAMES} names", str(len(value)), where, "split the fact into several")
    for name in value:
        _check_text(name, where)
    if isinstance(value, dict):
        for one in value.values():
            if isinstance(one, int):
                if one < 0:
                    raise _invalid("0 or more", str(one), where, "correct the number")
            else:
                _check_text(one, where)


def _check_kind(fact: Fact) -> None:
    if isinstance(fact, (Scan, Handover)):
        unknown = [name for name in fact.read if name not in IDENTITIES]
        if unknown:
            raise _invalid(f"identities among {', '.join(IDENTITIES)}", unknown[0], "read", "say where it was read")
        if not fact.step:
            raise _invalid("a step", "none", "step", "name the step of the workflow")
    if isinstance(fact, Scan) and fact.action not in ACTIONS:
        raise _invalid(f"one of {', '.join(ACTIONS)}", fact.action, "action", "see EPCIS 2.0, 7.3.2")
    if isinstance(fact, Handover) and not fact.party:
        raise _invalid("who signed", "nobody", "party", "name the party")
    if isinstance(fact, Disposition) and fact.status == "oos_approved" and not any(fact.by):
        raise _invalid("who approved", "nobody", "by", "name each person or board that approved")


def _invalid(expected: str, received: str, where: str, advice: str) -> InvalidFieldError:
    return InvalidFieldError(expected=expected, received=received, where=where, advice=advice)


def as_text(fact: Fact) -> bytes:
    """Give a fact as canonical bytes: of two facts of one name the one that is known first, then the least, counts."""
    return _ENCODE.encode(fact)


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
