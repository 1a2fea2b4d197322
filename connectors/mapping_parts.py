"""The parts of a mapping file, each checked by itself: how text is cut, when, what, how much, and which run."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from connectors.cells import SCALES, Zone, check_origin, check_pattern, check_zone
from schemas.bioreactor import TAG_DIMENSIONS
from schemas.errors import UnitError
from schemas.ids import check_id
from schemas.units import CANONICAL, find_unit

Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=32)]
Template = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class Model(BaseModel):
    """A part of a mapping: frozen, and a word it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TableFormat(Model):
    """How the text is cut. One row stands on one line."""

    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] = '"'
    encoding: str = "utf-8-sig"
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = ("", "NaN", "nan", "NA", "N/A", "null")
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = 0  # before the header

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"expected an encoding Python knows, such as utf-8, received {self.encoding!r}") from None
        if self.delimiter == self.decimal:
            raise ValueError(f"expected a delimiter other than the decimal mark, received {self.delimiter!r} for both")
        return self


class Header(Model):
    """The columns a file must have. With `others: refuse` it may have no further ones."""

    columns: Annotated[tuple[str, ...], Field(min_length=1, max_length=2000)]
    others: Literal["refuse", "ignore"] = "refuse"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ValueError(f"expected each column once, received {twice[0]!r} twice")
        return self


class Time(Model):
    """When a row happened: `format` h, min, s, ms or d since `origin`; `iso`; or a strptime pattern.

    `column` is one column, or a template of several ("{Date} {Time}"). `zone` is that of times without one. A file
    without times says `{row}`: each line is then one `format` after the line before.
    """

    column: Template
    format: Template
    origin: str | None = None
    zone: str = "UTC"

    @property
    def relative(self) -> bool:
        """Tell whether times count from an origin."""
        return self.format in SCALES

    def zone_info(self) -> Zone:
        """Give the zone of times that name none."""
        return check_zone(self.zone)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        check_zone(self.zone)
        if self.relative:
            if self.origin is None:
                raise ValueError(
                    f"expected an `origin` for times in {self.format} since a start, received none; "
                    "give one such as 2026-01-01T00:00:00Z"
                )
            check_origin(self.origin)
        elif self.column == "{row}":
            raise ValueError(
                f"expected a `format` of h, min, s, ms or d with `column: {{row}}`, received {self.format!r}"
            )
        elif self.origin is not None:
            raise ValueError(f"expected no `origin` for absolute times, received {self.origin!r}; leave it out")
        if not self.relative and self.format != "iso":
            check_pattern(self.format)
        return self


class QualityRule(Model):
    """How far to trust a channel: by a status column, by a range in the column's own unit, or both (the worse)."""

    column: Column | None = None
    good: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    otherwise: Literal["good", "uncertain", "bad"] = "bad"
    low: float | None = None
    high: float | None = None
    outside: Literal["uncertain", "bad"] = "uncertain"

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if self.column is None and self.low is None and self.high is None:
            raise ValueError("expected a status `column`, or `low` or `high`, received none of them")
        if self.column is not None and not self.good:
            raise ValueError("expected `good` to list the texts of the status column that mean good, received none")
        return self


class ChannelColumn(Model):
    """A column that is a measured tag."""

    column: Column
    tag: Name
    unit: Code
    quality: QualityRule | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_id(self.tag, "tag")
        unit = find_unit(self.unit, f"unit of {self.column!r}")
        dimensions = TAG_DIMENSIONS.get(self.tag)
        if dimensions is not None and unit.dimension not in dimensions:
            raise UnitError(
                expected=f"a unit of {' or '.join(dimensions)} (such as {CANONICAL[dimensions[0]]}) for {self.tag}",
                received=self.unit,
                where=f"column {self.column!r}",
            )
        return self


class Feed(Model):
    """Liquid added: `accumulated` since the start (the rise is what was added), or the `increment` of the row."""

    column: Column
    unit: Code
    kind: Literal["accumulated", "increment"]
    name: Name = "feed"


class Sample(Model):
    """Broth taken out: a `column` with its volume, or a `volume_column` whose fall beyond the feed tells of it.

    A `column`'s sample is drawn `after` the row's reading or `before` it; a fall seen was drawn before.
    """

    column: Column | None = None
    volume_column: Column | None = None
    smallest: Annotated[float, Field(gt=0)] | None = None  # a fall below it is noise; same unit
    unit: Code
    drawn: Literal["after", "before"] = "after"
    name: Template = "{subject} row {row}"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.volume_column is None):
            raise ValueError("expected either `column` or `volume_column`, received both or none")
        if (self.volume_column is None) != (self.smallest is None):
            raise ValueError("expected `smallest` with `volume_column` and only there")
        return self


class Phase(Model):
    """A column that names the recipe phase; `names` translates its texts, unlisted ones stay as they are."""

    column: Column
    names: dict[str, Name] = {}


class Volume(Model):
    """A volume: from a `column` of the first row, or a `value`. A value is from before any feed."""

    unit: Code
    column: Column | None = None
    value: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("expected either `column` or `value`, received both or none")
        return self


class Batch(Model):
    """The run: what `bioreactor.batch_started` says. A change of `name` within a unit begins the next batch.

    `planned_end` is `last` (the last time of that unit and batch in the file), or hours after its first time.
    """

    name: Template
    model: Name = "growth"
    parameters: dict[str, float] = {}
    volume: Volume | None = None
    planned_end: Literal["last"] | Annotated[float, Field(gt=0)] | None = None
    recipe: Template | None = None
    product: Template | None = None
    clock: Literal["source", "wall"] = "source"
    ends: bool = True
