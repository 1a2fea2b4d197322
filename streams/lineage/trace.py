"""Follow lineage through time, level by level: who could have been reached from a thing, and how early.

Pure: `Trace` says whose edges it needs next and takes them; who fetches them, and from where, is not its business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import UsageError
from streams.lineage.kinds import BEGINNING, FOREVER

Ints = NDArray[np.int64]
Direction = Literal["forward", "back"]

DEPTH = 64  # edges in a row; assumed: from vector lot to infusion are about twelve
MOST_NODES = 1_000_000  # assumed: twice the largest hub named in the requirements
FAN_OUT = 200_000  # edges of one node; assumed: five times the largest hub named in the requirements


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. Times are microseconds since 1970 UTC, both ends of the window included.

    `forward`: trouble enters the start at `since` and what it can have reached by `at`.
    `back`: what, at `since` or later, can have reached the start by `at`.
    With `since` equal to `at` only edges count that hold at that instant.
    `known_at` looks at the graph as it was known then. `kinds` are numbers of kinds of edges to follow; none: all.
    Bounds: `depth` edges in a row, `most_nodes` in all, `fan_out` edges of one node, the earliest.
    """

    direction: Direction
    since: int = BEGINNING
    at: int = FOREVER - 1
    known_at: int = FOREVER - 1
    depth: int = DEPTH
    kinds: tuple[int, ...] = ()
    most_nodes: int = MOST_NODES
    fan_out: int = FAN_OUT

    def __post_init__(self) -> None:
        if min(self.depth, self.most_nodes, self.fan_out) < 1 or self.since > self.at:
            raise UsageError(
                f"expected bounds of 1 or more and since <= at, received depth {self.depth}, most_nodes"
                f" {self.most_nodes}, fan_out {self.fan_out}, since {self.since}, at {self.at}"
            )


class Edges(NamedTuple):
    """Edges of a frontier, arrays (m,). `slot` is the place of the near node in the frontier; `far` the other end."""

    slot: Ints
    far: Ints
    kind: Ints
    start: Ints
    end: Ints


class Frontier(NamedTuple):
    """Whose edges are needed: `nodes` (n,), and the instant at which each was reached."""

    nodes: Ints
    times: Ints


class Hop(NamedTuple):
    """One edge of a path, from the end nearer to the start."""

    near: int
    far: int
    kind: int
    valid_from: int
    reached: int


@dataclass(slots=True)
class _Level:
    """The nodes improved at one level, by number; from which, over which edge."""

    nodes: Ints
    times: Ints
    via: Ints
    kind: Ints
    start: Ints


@dataclass(slots=True)
class Reached:
    """What was reached, arrays (n,), by node number; the start among them at depth 0.

    `times` is the earliest instant at which the start's trouble can have come (back: the latest by which it must have
    left). `depths` are the fewest edges of a path in time order. `truncated` says that a bound was met, `limits` which.
    """

    question: Question
    nodes: Ints
    times: Ints
    depths: Ints
    truncated: bool
    limits: list[str]
    _levels: list[_Level] = field(repr=False, default_factory=list)

    def path(self, node: int) -> list[Hop]:
        """Give one path in time order from the start to a node, over which it was reached earliest; [] for a start.

        Raises
        ------
        UsageError
            If the node was not reached.
        """
        hops: list[Hop] = []
        level = len(self._levels) - 1
        while True:
            place = -1
            while level >= 0:
                nodes = self._levels[level].nodes
                place = int(np.searchsorted(nodes, node))
                if place < len(nodes) and nodes[place] == node:
                    break
                level -= 1
            if level < 0:
                raise UsageError(f"expected a node that was reached, received number {node}")
            found = self._levels[level]
            if level == 0:
                return hops[::-1]
            sign = 1 if self.question.direction == "forward" else -1
            start = int(found.start[place])
            via = int(found.via[place])
            hops.append(Hop(via, node, int(found.kind[place]), start, sign * int(found.times[place])))
            node, level = via, level - 1


class Trace:
    """One walk. Ask for the `frontier`, fetch its edges, `take` them, until there is none; then `reached`.

    Exact: the label of a node is the earliest arrival over all paths of at most `depth` edges, found by relaxing whole
    levels (Bellman and Ford). A later arrival at a node never reaches anything sooner or more: every edge that is open
    to it is open to the earlier one. Cycles end because labels only improve. Going back is the same on time mirrored.
    """

    def __init__(self, question: Question, starts: Ints) -> None:
        nodes = np.unique(np.asarray(starts, dtype=np.int64))
        self._question = question
        self._back = question.direction == "back"
        first = -question.at if self._back else question.since
        times = np.full(len(nodes), first, dtype=np.int64)
        none = np.zeros(0, dtype=np.int64)
        self._levels = [_Level(nodes, times, none, none, none)]
        self._nodes, self._times, self._depths = nodes, times, np.zeros(len(nodes), dtype=np.int64)
        self._limits: list[str] = []
        self._done = len(nodes) == 0

    def frontier(self) -> Frontier | None:
        """Give the nodes whose edges are needed next; None when the walk is over."""
        if self._done:
            return None
        newest = self._levels[-1]
        return Frontier(newest.nodes, -newest.times if self._back else newest.times)

    @property
    def last(self) -> bool:
        """Whether the next edges are only asked for to know if the depth cuts something off."""
        return len(self._levels) > self._question.depth

    def take(self, edges: Edges, cut: bool = False) -> None:
        """Relax the frontier's edges. `cut` says that a node had more than `fan_out`."""
        if cut:
            self._limit("fan_out")
        far, arrival, keep = self._arrivals(edges)
        order = np.lexsort((edges.start[keep], edges.kind[keep], edges.slot[keep], arrival, far))
        far, arrival, keep = far[order], arrival[order], keep[order]
        if len(far):
            first = np.ones(len(far), dtype=bool)
            np.not_equal(far[1:], far[:-1], out=first[1:])
            far, arrival, keep = far[first], arrival[first], keep[first]
        place = np.searchsorted(self._nodes, far)
        at = np.minimum(place, len(self._nodes) - 1)
        known = self._nodes[at] == far
        better = ~known | (arrival < self._times[at])
        if self.last:
            if bool(better.any()):  # one edge more reaches something new, or something sooner
                self._limit("depth")
            self._done = True
            return
        new = better & ~known
        room = self._question.most_nodes - len(self._nodes)
        if int(new.sum()) > room:
            self._limit("most_nodes")
            over = np.flatnonzero(new)
            drop = over[np.argsort(arrival[over], kind="stable")[room:]]  # those reached last
            better[drop] = new[drop] = False
        improved = better & known
        self._times[at[improved]] = arrival[improved]
        depth = len(self._levels)
        self._insert(place[new], far[new], arrival[new], depth)
        rows = keep[better]
        via = self._levels[-1].nodes[edges.slot[rows]]
        self._levels.append(_Level(far[better], arrival[better], via, edges.kind[rows], edges.start[rows]))
        self._done = not bool(better.any())

    def reached(self) -> Reached:
        """Give what the walk has reached."""
        times = -self._times if self._back else self._times
        return Reached(self._question, self._nodes, times, self._depths, bool(self._limits), self._limits, self._levels)

    def _arrivals(self, edges: Edges) -> tuple[Ints, Ints, Ints]:
        """Give the far ends that can be entered, when, and over which rows of `edges`, in mirrored time going back."""
        q = self._question
        start, end, last = edges.start, edges.end, q.at
        if self._back:
            start, end, last = 1 - edges.end, 1 - edges.start, -q.since
        left = self._levels[-1].times[edges.slot]
        keep = np.flatnonzero((left < end) & (start <= last))
        return edges.far[keep], np.maximum(left[keep], start[keep]), keep

    def _insert(self, place: Ints, nodes: Ints, times: Ints, depth: int) -> None:
        self._nodes = np.insert(self._nodes, place, nodes)
        self._times = np.insert(self._times, place, times)
        self._depths = np.insert(self._depths, place, depth)

    def _limit(self, name: str) -> None:
        if name not in self._limits:
            self._limits.append(name)
