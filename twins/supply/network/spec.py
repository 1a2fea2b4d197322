"""What a network is, as a document: resources with calendars, routes with rework, classes of patients, who is where.

Times are days from the document's own day 0. docs/supply_network.md describes the fields for people.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError

MOST_RESOURCES = 60  # one bit each of a patient's 64
MOST_ROUTES, MOST_STEPS, MOST_CLASSES, MOST_PRIORITIES = 32, 64, 64, 16
MOST_WINDOWS, MOST_OUTCOMES, MOST_HOLDS, MOST_NEEDS = 2_000, 8, 16, 8
MOST_NAMED = 20_000  # patients that stand in the document
MOST_QUANTILES, MOST_SURGES = 200, 100
LEAVE = "leave"

Name = Annotated[str, Meta(min_length=1, max_length=80)]
Day = Annotated[float, Meta(ge=-1e6, le=1e6)]
Length = Annotated[float, Meta(ge=0.0, le=1e6)]
Positive = Annotated[float, Meta(gt=0.0, le=1e6)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Units = Annotated[int, Meta(ge=0, le=1_000_000)]
Priority = Annotated[int, Meta(ge=-1_000, le=1_000)]


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """So many units from `begin` until `end` [d]: an outage, a shift, a weekend. Who holds one then ends first."""

    begin: Day
    end: Day
    units: Units


class Resource(Struct, frozen=True, forbid_unknown_fields=True):
    """What is held: bays, suites, couriers, staff. `weekly` windows are days from Monday 00:00, 0 to 7."""

    name: Name
    units: Units
    windows: Annotated[tuple[Window, ...], Meta(max_length=MOST_WINDOWS)] = ()
    weekly: Annotated[tuple[Window, ...], Meta(max_length=100)] = ()


class _Law(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law"):
    """How long a step lasts [d]."""


class Deterministic(_Law, frozen=True, tag="deterministic"):
    """Always so long."""

    days: Length


class Exponential(_Law, frozen=True, tag="exponential"):
    """Of one mean."""

    mean: Positive


class Gamma(_Law, frozen=True, tag="gamma"):
    """Of mean shape x scale."""

    shape: Annotated[float, Meta(ge=1e-2, le=1e6)]
    scale: Positive


class Lognormal(_Law, frozen=True, tag="lognormal"):
    """Of a median, and a standard deviation of its logarithm."""

    median: Positive
    sigma: Annotated[float, Meta(ge=0.0, le=5.0)]


class Uniform(_Law, frozen=True, tag="uniform"):
    """Evenly between two."""

    low: Length
    high: Length


class Empirical(_Law, frozen=True, tag="empirical"):
    """By its quantiles: `days` at `levels`, which rise from 0 to 1; linear between."""

    levels: Annotated[tuple[Share, ...], Meta(min_length=2, max_length=MOST_QUANTILES)]
    days: Annotated[tuple[Length, ...], Meta(min_length=2, max_length=MOST_QUANTILES)]


Law = Deterministic | Exponential | Gamma | Lognormal | Uniform | Empirical


class Outcome(Struct, frozen=True, forbid_unknown_fields=True):
    """What may come of a step instead of the next one: rework (`to` a step), or `leave`.

    It is taken at most `most` times by one patient; the next time that patient leaves, or goes on, as `then` says.
    """

    probability: Share
    to: Name
    most: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    then: Literal["leave", "next"] = "leave"
    name: str = ""


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """One step. Its `needs` are asked for one after the other in this order, and held until it ends."""

    name: Name
    duration: Law
    needs: Annotated[tuple[Name, ...], Meta(max_length=MOST_NEEDS)] = ()
    outcomes: Annotated[tuple[Outcome, ...], Meta(max_length=MOST_OUTCOMES)] = ()


class Hold(Struct, frozen=True, forbid_unknown_fields=True):
    """A resource held from the beginning of step `first` to the end of `last`, also while others are waited for."""

    resource: Name
    first: Name
    last: Name


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """The steps of a patient, in order."""

    name: Name
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MOST_STEPS)]
    holds: Annotated[tuple[Hold, ...], Meta(max_length=MOST_HOLDS)] = ()


class Surge(Struct, frozen=True, forbid_unknown_fields=True):
    """The rate times a factor from `begin` until `end`. Where several cover a day, their factors multiply."""

    begin: Day
    end: Day
    factor: Annotated[float, Meta(ge=0.0, le=1_000.0)]


class _Arrivals(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """How patients come."""


class Poisson(_Arrivals, frozen=True, tag="poisson"):
    """At random, so many a day, from `begin` until `until` (the horizon without it), at most `most`."""

    per_day: Annotated[float, Meta(ge=0.0, le=1e5)]
    begin: Length = 0.0
    until: Length | None = None
    most: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    surges: Annotated[tuple[Surge, ...], Meta(max_length=MOST_SURGES)] = ()


class Booked(Struct, frozen=True, forbid_unknown_fields=True):
    """A patient known by name who comes on a day. `slot`: the day the last step is booked for."""

    patient: Name
    day: Length
    slot: Day | None = None


class Scheduled(_Arrivals, frozen=True, tag="scheduled"):
    """One by one."""

    patients: Annotated[tuple[Booked, ...], Meta(max_length=MOST_NAMED)]


class Closed(_Arrivals, frozen=True, tag="closed"):
    """Always the same: whoever ends its route begins it again at once."""

    patients: Annotated[int, Meta(ge=1, le=MOST_NAMED)]


class PatientClass(Struct, frozen=True, forbid_unknown_fields=True):
    """Patients of one route and priority; a lower number is served first."""

    name: Name
    route: Name
    priority: Priority = 0
    arrivals: Poisson | Scheduled | Closed | None = None


class Standing(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a patient is on day 0: in a step for `elapsed` days, or (`waiting`) waiting to begin it for so long.

    `arrived`: the day it came, 0 or before. `visits`: how often it had begun this step before.
    """

    patient: Name
    patient_class: Annotated[Name, Meta(description="class")] = msgspec.field(name="class")
    step: Name
    elapsed: Length = 0.0
    waiting: bool = False
    arrived: Annotated[float, Meta(ge=-1e6, le=0.0)] | None = None
    slot: Day | None = None


class Network(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. Statistics begin after `warm_up` days; `weekday` is that of day 0, Monday 0."""

    name: Name
    resources: Annotated[tuple[Resource, ...], Meta(min_length=1, max_length=MOST_RESOURCES)]
    routes: Annotated[tuple[Route, ...], Meta(min_length=1, max_length=MOST_ROUTES)]
    classes: Annotated[tuple[PatientClass, ...], Meta(min_length=1, max_length=MOST_CLASSES)]
    start: Annotated[tuple[Standing, ...], Meta(max_length=MOST_NAMED)] = ()
    warm_up: Length = 0.0
    weekday: Annotated[int, Meta(ge=0, le=6)] = 0


def convert(document: Any, kind: Any, where: str) -> Any:  # Any: JSON in, a Struct out
    """Read JSON as a Struct; name the field that is wrong.

    Raises
    ------
    SettingsError
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        field = where + place.strip("`").removeprefix("$")
        raise refused("what docs/supply_network.md describes", what, field) from None


def refused(expected: str, received: object, where: str) -> SettingsError:
    """Give the error of a field."""
    return SettingsError(f"expected {expected}, received {received}, in {where}; correct the specification")
