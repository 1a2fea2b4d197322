"""What an event says about lineage, and the edges and marks that follow from it. Pure.

A `Fact` is the least that any event must say to be part of the graph; whoever knows a dialect maps its events to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from schemas.errors import InvalidFieldError
from streams.lineage.kinds import FOREVER, INTERVALS, KIND_NO, TYPE_NO

Action = Literal["ADD", "OBSERVE", "DELETE"]

LONGEST_KEY = 512  # characters; assumed: EPC URIs and Digital Link URIs are shorter
LARGEST_FACT = 200_000  # edges of one event; assumed: as many as a hub may have


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """A node: what it is (one of TYPES) and the name it has everywhere."""

    type: str
    key: str

    def __post_init__(self) -> None:
        if self.type not in TYPE_NO:
            raise InvalidFieldError(
                expected=f"one of {', '.join(TYPE_NO)}",
                received=repr(self.type)[:60],
                where=f"type of {self.key!r:.80}",
            )
        if not 0 < len(self.key) <= LONGEST_KEY or not self.key.isprintable():
            raise InvalidFieldError(
                expected=f"1 to {LONGEST_KEY} printable characters",
                received=repr(self.key)[:80],
                where="key of a thing",
            )


@dataclass(frozen=True, slots=True)
class Source:
    """Where in the log an event stands."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Link:
    """An edge that an event states as such, such as `measured_by` or `supersedes`.

    It counts at the event's instant; one that is `standing`, as whom a unit is meant for, from then on.
    """

    kind: str
    src: Thing
    dst: Thing
    standing: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One event, as far as lineage goes.

    `id` names the event wherever it comes from: the same again adds nothing. `known_at` is when the log knew it [us],
    `event_time` when it happened [us].
    `inputs` and `outputs` went into and came out of `step` (its id if none is named). `children` were put into
    (`ADD`), seen in (`OBSERVE`) or taken out of (`DELETE`; none named: all) `parent`. `things` were at `place`.
    With `seen` they were seen there at that instant, and nothing is said of later.
    `voids` names an event that this one declares to be an error; then nothing else in it counts.
    """

    id: str
    event_time: int
    known_at: int
    source: Source
    action: Action = "OBSERVE"
    inputs: tuple[Thing, ...] = ()
    outputs: tuple[Thing, ...] = ()
    step: Thing | None = None
    parent: Thing | None = None
    children: tuple[Thing, ...] = ()
    things: tuple[Thing, ...] = ()
    place: Thing | None = None
    links: tuple[Link, ...] = ()
    voids: str | None = None
    seen: bool = False


class Edge(NamedTuple):
    """An edge that no other event ends: over [at, until)."""

    kind: int
    src: Thing
    dst: Thing
    at: int
    until: int


class Mark(NamedTuple):
    """What begins or ends an interval. `dst` none: for all that is in `src`; `src` none: wherever `dst` is."""

    kind: int
    opens: bool
    src: Thing | None
    dst: Thing | None
    at: int


class Said(NamedTuple):
    """All that one event says: edges, and marks of intervals."""

    edges: list[Edge]
    marks: list[Mark]


def edges_of(fact: Fact) -> Said:
    """Give the edges and marks of one event, in an order that depends on it alone, each once.

    Raises
    ------
    InvalidFieldError
        If a link is of no known kind, or the event says more than LARGEST_FACT edges.

    Examples
    --------
    >>> lot, unit = Thing("material_lot", "urn:lot:1"), Thing("unit", "urn:unit:1")
    >>> fact = Fact("ni:1", 5, 6, Source("supply.events", 0, 0), inputs=(lot,), outputs=(unit,))
    >>> [(edge.src.key, edge.dst.key) for edge in edges_of(fact).edges]
    [('urn:lot:1', 'ni:1'), ('ni:1', 'urn:unit:1')]
    """
    if fact.voids is not None:
        return Said([], [])
    edges = [*_transformed(fact), *_seen_inside(fact), *_seen_at(fact), *_linked(fact)]
    marks = [*_moved_inside(fact), *_placed(fact)]
    if len(edges) + len(marks) > LARGEST_FACT:
        raise InvalidFieldError(
            expected=f"at most {LARGEST_FACT} edges of one event", received=str(len(edges) + len(marks)), where=fact.id
        )
    return Said(list(dict.fromkeys(edges)), list(dict.fromkeys(marks)))


def _transformed(fact: Fact) -> list[Edge]:
    if not fact.inputs and not fact.outputs:
        return []
    step = fact.step or Thing("step", fact.id)
    at = fact.event_time
    used = [Edge(KIND_NO["used"], one, step, at, at + 1) for one in fact.inputs]
    return used + [Edge(KIND_NO["generated"], step, one, at, at + 1) for one in fact.outputs]


def _seen_inside(fact: Fact) -> list[Edge]:
    if fact.parent is None or fact.action != "OBSERVE":
        return []
    at = fact.event_time
    return [Edge(KIND_NO["aggregated_in"], fact.parent, one, at, at + 1) for one in fact.children]


def _seen_at(fact: Fact) -> list[Edge]:
    if fact.place is None or not fact.seen or fact.action == "DELETE":
        return []
    at = fact.event_time
    return [Edge(KIND_NO["located_in"], fact.place, one, at, at + 1) for one in _present(fact)]


def _present(fact: Fact) -> list[Thing]:
    """What was at the place of an event; what is inside a parent is there with it, what was taken out by itself."""
    taken = fact.children if fact.action == "DELETE" else ()
    there = dict.fromkeys((*fact.things, *fact.outputs, *taken, *((fact.parent,) if fact.parent else ())))
    return [one for one in there if one != fact.place]


def _moved_inside(fact: Fact) -> list[Mark]:
    if fact.parent is None and not (fact.children and fact.action == "DELETE"):
        return []
    kind, opens, at = KIND_NO["aggregated_in"], fact.action == "ADD", fact.event_time
    if fact.action == "OBSERVE":
        return []
    if fact.action == "DELETE" and not fact.children:
        return [Mark(kind, False, fact.parent, None, at)]
    return [Mark(kind, opens, fact.parent, one, at) for one in fact.children]


def _placed(fact: Fact) -> list[Mark]:
    """A thing is where it was last seen, until it is seen elsewhere or is no more."""
    kind, at = KIND_NO["located_in"], fact.event_time
    if fact.action == "DELETE" and fact.things:
        return [Mark(kind, False, None if fact.seen else fact.place, one, at) for one in fact.things]
    if fact.place is None or fact.seen:
        return []
    return [Mark(kind, True, fact.place, one, at) for one in _present(fact)]


def _linked(fact: Fact) -> list[Edge]:
    for link in fact.links:
        if link.kind not in KIND_NO or link.kind in INTERVALS:
            raise InvalidFieldError(
                expected=f"a kind among {', '.join(KIND_NO)}, but not {' or '.join(INTERVALS)}, which have marks",
                received=repr(link.kind)[:60],
                where=f"links of {fact.id}",
            )
    at = fact.event_time
    return [
        Edge(KIND_NO[link.kind], link.src, link.dst, at, FOREVER if link.standing else at + 1) for link in fact.links
    ]
