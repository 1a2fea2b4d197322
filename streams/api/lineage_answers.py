"""Build the answers about lineage from walks: traces with evidence, holds, common causes, differences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from streams.api.problems import ProblemError
from streams.ledger import reads_lineage as reads
from streams.ledger.lineage import trace_async
from streams.ledger.lineage_nodes import Node
from streams.ledger.reads import Connection
from streams.ledger.reads_lineage import text_of
from streams.lineage.trace import Question, Reached

Answer = dict[str, Any]  # Any: JSON

MOST_PATHS = 500  # paths of one answer; assumed: more than a person reads


async def start_of(connection: Connection, keys: Sequence[str]) -> list[Node]:
    """Find the things that are asked about.

    Raises
    ------
    ProblemError
        404, naming one that no event has named.
    """
    found = await reads.find(connection, keys)
    for key in keys:
        if key not in found:
            raise ProblemError(404, f"expected the id of a thing that an event has named, received {key!r:.140}")
    return [found[key] for key in keys]


async def lineage(
    connection: Connection, start: Node, question: Question, types: Sequence[int], limit: int, paths: bool
) -> Answer:
    """Give what a thing came from or went into, the nearest first."""
    reached = await trace_async(connection, question, [start.no])
    items = await reads.page(connection, reached, types, limit)
    told = await _told(connection, reached, [node.no for node, _, _ in items] if paths else [])
    return {
        "id": start.key,
        "type": start.type,
        **_bounds(reached),
        "counts": await reads.counts(connection, reached),
        "items": [
            {
                "id": node.key,
                "type": node.type,
                "depth": depth,
                "reached": text_of(time),
                **({"path": told.get(node.no)} if paths else {}),
            }
            for node, depth, time in items
        ],
    }


async def impact(connection: Connection, starts: Sequence[Node], question: Question, limit: int) -> Answer:
    """Give whom trouble in some things can have reached, by site: what to hold, for which patient, and why."""
    reached = await trace_async(connection, question, [node.no for node in starts])
    meant = await reads.meant_for(connection, reached)
    units = defaultdict(list)
    for unit, patient in meant:
        units[patient].append(unit)
    patients = [node for node, _, _ in await reads.page(connection, reached, [0], len(reached.nodes))]
    where = await reads.places(connection, {unit for unit, _ in meant}, question.at, question.known_at)
    known = await reads.names(connection, {*where.values(), *(unit for unit, _ in meant)})
    shown = patients[:limit]
    told = await _told(connection, reached, [node.no for node in shown][:MOST_PATHS])
    times = reached.times[np.searchsorted(reached.nodes, [node.no for node in shown])]
    sites: dict[str | None, list[Answer]] = defaultdict(list)
    for node, time in zip(shown, times.tolist(), strict=True):
        held: dict[str | None, list[str]] = {} if units[node.no] else {None: []}
        for unit in units[node.no]:
            place = known[where[unit]].key if unit in where else None
            held.setdefault(place, []).append(known[unit].key)
        for place, keys in held.items():
            sites[place].append(
                {
                    "patient": node.key,
                    "affected_from": text_of(time),
                    "hold": sorted(keys),
                    "path": told.get(node.no),
                }
            )
    return {
        "ids": [node.key for node in starts],
        **_bounds(reached),
        "counts": await reads.counts(connection, reached),
        "patients": len(patients),
        "more": len(patients) - len(shown),
        "sites": [
            {"site": site, "patients": sites[site]} for site in sorted(sites, key=lambda one: (one is None, one))
        ],
    }


async def common_cause(connection: Connection, starts: Sequence[Node], question: Question, limit: int) -> Answer:
    """Give what several things all come from, the last shared first: the nearest to them all in time."""
    walks = [await trace_async(connection, question, [node.no]) for node in starts]
    shared = walks[0].nodes
    for walk in walks[1:]:
        shared = np.intersect1d(shared, walk.nodes, assume_unique=True)
    places = [np.searchsorted(walk.nodes, shared) for walk in walks]
    latest = np.min([walk.times[place] for walk, place in zip(walks, places, strict=True)], axis=0)
    depth = np.sum([walk.depths[place] for walk, place in zip(walks, places, strict=True)], axis=0)
    order = np.lexsort((shared, depth, -latest))[:limit] if len(shared) else np.zeros(0, dtype=np.int64)
    known = await reads.names(connection, shared[order].tolist())
    limits = sorted({limit for walk in walks for limit in walk.limits})
    return {
        "ids": [node.key for node in starts],
        "truncated": bool(limits),
        "limits": limits,
        "total": len(shared),
        "items": [
            {
                "id": known[int(shared[i])].key,
                "type": known[int(shared[i])].type,
                "left_by": text_of(int(latest[i])),
                "depths": [int(walk.depths[place[i]]) for walk, place in zip(walks, places, strict=True)],
            }
            for i in order
        ],
    }


async def difference(
    connection: Connection, start: Node, question: Question, before: int, after: int, limit: int
) -> Answer:
    """Give what a later knowledge added to and took from what is reached."""
    old = await trace_async(connection, replace(question, known_at=before), [start.no])
    new = await trace_async(connection, replace(question, known_at=after), [start.no])
    added, removed = np.setdiff1d(new.nodes, old.nodes), np.setdiff1d(old.nodes, new.nodes)
    known = await reads.names(connection, [*added[:limit].tolist(), *removed[:limit].tolist()])
    limits = sorted({*old.limits, *new.limits})

    def named(numbers: Sequence[int]) -> list[Answer]:
        nodes = sorted((known[no] for no in numbers), key=lambda node: node.key)
        return [{"id": node.key, "type": node.type} for node in nodes]

    return {
        "id": start.key,
        "truncated": bool(limits),
        "limits": limits,
        "counts": {"added": len(added), "removed": len(removed), "kept": len(new.nodes) - len(added)},
        "added": named(added[:limit].tolist()),
        "removed": named(removed[:limit].tolist()),
    }


async def _told(connection: Connection, reached: Reached, nodes: Sequence[int]) -> dict[int, list[Answer]]:
    """Give one path in time order to each node, with the events that it rests on."""
    paths = {node: reached.path(node) for node in nodes[:MOST_PATHS]}
    return await reads.evidence(connection, reached.question, paths)


def _bounds(reached: Reached) -> Answer:
    question = reached.question
    return {
        "direction": question.direction,
        "since": text_of(question.since),
        "at": text_of(question.at),
        "known_at": text_of(question.known_at),
        "total": len(reached.nodes),
        "truncated": reached.truncated,
        "limits": reached.limits,
    }
