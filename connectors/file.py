"""`ingest file` and `replay`: an event file or a table, told by its name, as one resumable source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from connectors.enrollment_files import Door, is_enrollment, open_enrollment
from connectors.jsonl import JsonLinesSource
from connectors.mapping import Mapping, load_mapping, shipped_mappings
from connectors.outgoing import Source
from connectors.supply_rows import SupplyTable, is_supply_mapping, load_supply_mapping
from connectors.tabular import open_table
from schemas.errors import UsageError

EVENT_FILES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv", ".txt", ".tab")


def open_file(
    path: Path,
    map_file: Path | None = None,
    shipped: Sequence[Mapping] | None = None,
    door: Door | None = None,
) -> Source:
    """Open a file as a source.

    Parameters
    ----------
    path : Path
        `.jsonl` or `.ndjson` is an event file; `.csv`, `.tsv`, `.txt` or `.tab` a table; each also with `.gz`.
        With `map_file` anything is a table, but what a mapping of the family `enrollment` says is another form.
        One of the family `supply` makes facts of rows.
        `.json` is a FHIR bundle, `.xml` CDISC ODM.
    map_file : Path, optional
        The mapping (`--map`). Without it, the shipped mapping whose header matches.
    shipped : sequence of Mapping, optional
        What to choose from; by default `shipped_mappings()`.
    door : Door, optional
        What a trial's own file is read with: pseudonyms above all. Without it none is read.

    Raises
    ------
    UsageError, MappingError
        If the file or its mapping cannot be used.
    """
    if not path.is_file():
        raise UsageError(f"expected a file, received {path}, which is none; check the path")
    if is_enrollment(path, map_file):
        return open_enrollment(path, map_file, door or Door())
    if map_file is not None and is_supply_mapping(map_file):
        known = None if door is None or door.played else door.record_time
        return SupplyTable(path, load_supply_mapping(map_file), known)
    if map_file is not None:
        return open_table(path, load_mapping(map_file), ())
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in EVENT_FILES:
        return JsonLinesSource(path)
    if suffix in TABLES:
        return open_table(path, None, shipped_mappings() if shipped is None else shipped)
    raise UsageError(
        f"expected a file ending in {', '.join((*EVENT_FILES, *TABLES))} (.gz too), received {path.name}; "
        "rename it, or give a table's mapping with --map"
    )
