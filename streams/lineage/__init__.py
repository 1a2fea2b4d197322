"""Lineage: what came from what, when, and since when it is known. The tables are in `streams/ledger/lineage*.py`."""

from streams.lineage.export import write_csv, write_prov
from streams.lineage.facts import Fact, Link, Source, Thing, edges_of
from streams.lineage.kinds import BEGINNING, FOREVER, KINDS, TYPES
from streams.lineage.trace import Hop, Question, Reached

__all__ = [
    "BEGINNING",
    "FOREVER",
    "KINDS",
    "TYPES",
    "Fact",
    "Hop",
    "Link",
    "Question",
    "Reached",
    "Source",
    "Thing",
    "edges_of",
    "write_csv",
    "write_prov",
]
