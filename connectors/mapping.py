"""The mapping file: how the columns of somebody's table become events. YAML, no code, checked before a row is read.

In one breath: `header` says which files it is for, `subject` which unit a row is about, `time` when, and
`channels`, `feed`, `sample`, `phase`, `batch` what. `examples/` holds whole ones.
"""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self, TypeVar

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from connectors.mapping_parts import (
    Batch,
    ChannelColumn,
    Feed,
    Header,
    Model,
    Name,
    Phase,
    Sample,
    TableFormat,
    Template,
    Time,
)
from schemas.errors import InputError, MappingError, UnitError
from schemas.ids import check_id
from schemas.units import find_unit

LARGEST_MAPPING = 1 << 18  # bytes
DEEPEST = 20
ROW = "{row}"  # as `time.column`: the number of the line stands for a time the file does not have
_FIELD = re.compile(r"\{([^{}]*)\}")
AnyModel = TypeVar("AnyModel", bound=Model)


class Headed(Protocol):
    """A mapping of any family that is about a table with a header."""

    @property
    def name(self) -> str:
        """Name the mapping."""
        ...

    @property
    def header(self) -> Header:
        """Say which columns the table has."""
        ...

    def columns(self) -> Iterable[tuple[str, str]]:
        """Give every column the mapping reads, with the part that reads it."""
        ...


class Mapping(Model):
    """A whole mapping file.

    With `time_passed_minutes` the source says itself that time passed, each so many minutes of its event time, to
    every twin: that is how a twin with `clock: source` notices a unit that fell silent. It needs `order: time`.
    """

    twinstream_map: Literal[1]
    name: Name
    source: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    description: str = ""
    table: TableFormat = TableFormat()
    header: Header
    subject: Template
    time: Time
    order: Literal["time", "file"] = "time"
    time_passed_minutes: Annotated[float, Field(ge=1.0)] | None = None
    channels: tuple[ChannelColumn, ...] = ()
    feed: tuple[Feed, ...] = ()
    sample: Sample | None = None
    phase: Phase | None = None
    batch: Batch | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        check_id(self.source, "source")
        known = set(self.header.columns)
        for where, column in self.columns():
            if column not in known:
                raise ValueError(
                    f"expected a column that `header.columns` lists, received {column!r}, in {where}; "
                    "add it there or correct it"
                )
        _refuse_twice("column", [channel.column for channel in self.channels])
        _refuse_twice("tag", [channel.tag for channel in self.channels])
        _refuse_twice("feed", [feed.name for feed in self.feed])
        for where, code in self._volumes():
            if find_unit(code, where).dimension != "volume":
                raise UnitError(expected="a unit of volume, such as L, mL or uL", received=code, where=where)
        if self.time_passed_minutes is not None and self.order != "time":
            raise ValueError("expected `order: time` with `time_passed_minutes`, received `order: file`; drop one")
        if not (self.channels or self.feed or self.sample):
            raise ValueError("expected at least one of `channels`, `feed`, `sample`, received none")
        return self

    def columns(self) -> Iterable[tuple[str, str]]:
        """Give every column the mapping reads, with the part that reads it."""
        yield from (("subject", name) for name in fields_of(self.subject))
        yield from (("time", name) for name in time_columns(self.time))
        for channel in self.channels:
            yield "channels", channel.column
            if channel.quality is not None and channel.quality.column is not None:
                yield "channels.quality", channel.quality.column
        yield from (("feed", feed.column) for feed in self.feed)
        if self.sample is not None:
            yield "sample", self.sample.column or self.sample.volume_column or ""
            yield from (("sample.name", n) for n in fields_of(self.sample.name) if n not in ("subject", "row", "batch"))
        if self.phase is not None:
            yield "phase", self.phase.column
        if self.batch is not None:
            for where in ("name", "recipe", "product"):
                template = getattr(self.batch, where)
                yield from ((f"batch.{where}", name) for name in fields_of(template or "") if name != "subject")
            if self.batch.volume is not None and self.batch.volume.column is not None:
                yield "batch.volume", self.batch.volume.column

    def _volumes(self) -> Iterable[tuple[str, str]]:
        yield from ((f"feed {feed.name}", feed.unit) for feed in self.feed)
        if self.sample is not None:
            yield "sample", self.sample.unit
        if self.batch is not None and self.batch.volume is not None:
            yield "batch.volume", self.batch.volume.unit


def fields_of(template: str) -> list[str]:
    """Give the columns a template names.

    Examples
    --------
    >>> fields_of("{Strain}/{Biolector well}")
    ['Strain', 'Biolector well']
    """
    return _FIELD.findall(template)


def time_columns(time: Time) -> list[str]:
    """Give the columns a time is read from: the fields of a template, or the one column; none if rows are counted."""
    if time.column == ROW:
        return []
    return fields_of(time.column) or [time.column]


def read_mapping(text: str | bytes, where: str) -> Mapping:
    """Read and check a mapping.

    Raises
    ------
    MappingError
        With every fault found: expected, received, where, what to do.
    """
    return check_document(Mapping, read_document(text, where), where)


def read_document(text: str | bytes, where: str) -> dict[str, object]:
    """Read the YAML of a mapping of any family, unchecked but for its size, depth and knots.

    Raises
    ------
    MappingError
        If it cannot be read, or is no mapping of keys.
    """
    if len(text) > LARGEST_MAPPING:
        raise MappingError(f"expected at most {LARGEST_MAPPING} bytes, received {len(text)}, for {where}")
    try:
        _refuse_knots(text, where)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise MappingError(f"expected a YAML mapping, received one that cannot be read ({said}), for {where}") from None
    if not isinstance(document, dict):
        raise MappingError(f"expected a YAML mapping of keys, received {type(document).__name__}, for {where}")
    return document


def check_document(model: type[AnyModel], document: dict[str, object], where: str) -> AnyModel:
    """Check a document against the model of its family.

    Raises
    ------
    MappingError
        With every fault found: expected, received, where, what to do.
    """
    try:
        return model.model_validate_json(_as_json(document, where))
    except (ValidationError, InputError) as error:
        raise MappingError(_said(error, where)) from None


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises
    ------
    MappingError
        If it is not there, or says what cannot be.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise MappingError(f"expected a mapping file, received {error.strerror}, for {path}; check --map") from None
    return read_mapping(text, str(path))


def check_header(mapping: Headed, header: Sequence[str], where: str) -> None:
    """Hold a file's header against a mapping.

    Raises
    ------
    MappingError
        Naming columns that are missing, unknown or there twice.
    """
    advice = f"correct `header.columns` of mapping {mapping.name!r}, or give another with --map"
    used = {column for _, column in mapping.columns()}
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice and (mapping.header.others == "refuse" or used & set(twice)):
        form = "a table has one line of names and one mark between two columns; " if "" in twice else ""
        raise MappingError(
            f"expected each column once, received {twice[:5]} more than once, in {where}; {form}{advice}"
        )
    missing = [name for name in mapping.header.columns if name not in header]
    if missing:
        raise MappingError(
            f"expected the columns {missing[:5]}, received {list(header)[:40]} without them, in {where}; {advice}"
        )
    unknown = [name for name in header if name not in mapping.header.columns]
    if unknown and mapping.header.others == "refuse":
        raise MappingError(
            f"expected no other columns than mapping {mapping.name!r} lists, received also {unknown[:5]}, in {where}; "
            f"list them, or say `others: ignore` under `header`"
        )


def find_mapping(headers: Iterable[tuple[Mapping, Sequence[str]]], where: str) -> Mapping:
    """Choose the one mapping whose header matches.

    Parameters
    ----------
    headers : iterable of (Mapping, header)
        Each candidate with the file's header as that candidate's table format cuts it.
    where : str
        The file, for the message.

    Raises
    ------
    MappingError
        If none or several match: it asks for `--map`.
    """
    candidates = list(headers)
    fitting = [mapping for mapping, header in candidates if _fits(mapping, header)]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(mapping.name for mapping in (fitting or [mapping for mapping, _ in candidates])) or "none"
    if fitting:
        raise MappingError(
            f"expected one mapping for the header, received {len(fitting)} ({names}), for {where}; "
            "choose with --map FILE"
        )
    received = list(candidates[0][1])[:40] if candidates else "no mappings to try"
    raise MappingError(
        f"expected the header of one of the shipped mappings ({names}), received {received}, for {where}; "
        "write a mapping (examples/README.md shows how) and give it with --map FILE"
    )


def shipped_mappings() -> list[Mapping]:
    """Read the mappings that come with twinstream: `examples/*.map.yaml` of a checkout, else the installed ones.

    Raises
    ------
    MappingError
        If one of them is broken.
    """
    folders = [Path(__file__).parent.parent / "examples", Path(sysconfig.get_path("data")) / "share" / "twinstream"]
    for folder in folders:
        paths = sorted(folder.glob("*.map.yaml"))
        if paths:
            return [load_mapping(path) for path in paths]
    return []


def _fits(mapping: Mapping, header: Sequence[str]) -> bool:
    try:
        check_header(mapping, header, "")
    except MappingError:
        return False
    return True


def _refuse_twice(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"expected each {what} once, received {name!r} twice; leave one out")


def _refuse_knots(text: str | bytes, where: str) -> None:
    """Refuse aliases and deep nesting, which a mapping has no use for and a parser no bound."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise MappingError(f"expected no aliases (*name), received one, for {where}; write the words out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise MappingError(f"expected nesting of at most {DEEPEST}, received more, for {where}")


def _as_json(document: object, where: str) -> str:
    """Spell the document as JSON, so that lists pass for tuples and strict types stay strict."""
    return json.dumps(_plain(document, where))


def _plain(value: object, where: str) -> object:
    """Undo YAML's own ideas: dates are text here, and a key such as `no` or `1` must be quoted to be a word."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise MappingError(f"expected text as key, received {key!r}, for {where}; put it in quotes")
        return {key: _plain(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _said(error: ValidationError | InputError, where: str) -> str:
    if isinstance(error, InputError):
        return f"{error}; in {where}"
    lines = []
    for fault in error.errors()[:8]:
        place = ".".join(str(part) for part in fault["loc"]) or "the mapping"
        received = "" if fault["type"] == "value_error" else f", received {str(fault.get('input'))[:80]!r}"
        said = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{said if said.startswith('expected') else 'expected otherwise: ' + said}{received}, at {place}")
    return f"{'; '.join(lines)}; correct {where}"
