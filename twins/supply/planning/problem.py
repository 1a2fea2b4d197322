"""What a planning problem says: patients with their stages, resources with calendars, the present plan, weights.

All instants and durations are whole steps of `grid_minutes` since `origin`, which is a Monday at 00:00 so that weekly
calendars mean weekdays. docs/supply_planning.md describes the fields for people.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MOST_PATIENTS, MOST_RESOURCES, MOST_STAGES = 5_000, 2_000, 24
MOST_STEPS = 5_000_000  # of a horizon: nine years of minutes; sums of weighted steps stay far below 2**62
MOST_WEEKS = 2_000  # of calendars that repeat each week, so that what they come to stays bounded
DAY_MINUTES = 24 * 60

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Reference = Annotated[str, Meta(max_length=128)]  # empty: none
Step = Annotated[int, Meta(ge=-MOST_STEPS, le=MOST_STEPS)]
Length = Annotated[int, Meta(ge=0, le=MOST_STEPS)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
Points = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """From `start` to before `end`; `capacity` null: all of it."""

    start: Step
    end: Step
    capacity: Count | None = None


class Calendar(Struct, frozen=True, forbid_unknown_fields=True):
    """Windows that open each week (steps since Monday 00:00), less days that are closed (steps since the origin)."""

    name: Name
    weekly: tuple[Window, ...]
    closed: tuple[Window, ...] = ()


class Departures(Struct, frozen=True, forbid_unknown_fields=True):
    """The only instants at which a stage may start: courier cut-offs, batch days of QC, a site's slots."""

    name: Name
    weekly: tuple[Step, ...] = ()
    at: tuple[Step, ...] = ()
    closed: tuple[Window, ...] = ()


class Closing(Struct, frozen=True, forbid_unknown_fields=True):
    """Capacity that is gone from `start` to before `end`; `lost` null: all of it."""

    start: Step
    end: Step
    lost: Count | None = None
    why: Annotated[str, Meta(max_length=200)] = "closed"


class Resource(Struct, frozen=True, forbid_unknown_fields=True):
    """Something scarce. `changeover` follows each patient in a unit of a pool, before the next."""

    name: Name
    capacity: Annotated[int, Meta(ge=1, le=100_000)] = 1
    changeover: Length = 0
    calendar: Reference = ""
    closed: tuple[Closing, ...] = ()


class Pool(Struct, frozen=True, forbid_unknown_fields=True):
    """Resources of capacity 1, any of which serves: bays, suites, incubators one by one."""

    name: Name
    units: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MOST_RESOURCES)]


class Use(Struct, frozen=True, forbid_unknown_fields=True):
    """An amount of a resource, from `after` steps into the stage, for `length` (null: to the stage's end)."""

    resource: Name
    amount: Annotated[int, Meta(ge=1, le=100_000)] = 1
    after: Length = 0
    length: Length | None = None


class Within(Struct, frozen=True, forbid_unknown_fields=True):
    """A stage starts at most `length` after the end of an earlier one: shelf life, hold time."""

    after: Name
    length: Length


class Stage(Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a patient's way, without a break. It starts when the stage before it has ended, or later."""

    name: Name
    duration: Annotated[int, Meta(ge=1, le=MOST_STEPS)]
    pool: Reference = ""
    uses: tuple[Use, ...] = ()
    departures: Reference = ""
    within: tuple[Within, ...] = ()


class Depletion(Struct, frozen=True, forbid_unknown_fields=True):
    """Lymphodepletion begins `lead` before the infusion, and not before `earliest`, when P(release) >= p by then.

    Once it has `begun` the infusion may not move: the point of no return.
    """

    lead: Length
    earliest: Step
    begun: bool = False


class Patient(Struct, frozen=True, forbid_unknown_fields=True):
    """One patient. The last of the `stages` is the infusion.

    `ready`: when the starting material is there; `expires`: until when the first stage may start; `wanted` and
    `latest`: the infusion's start; `bridged_until`: until when bridging therapy holds.
    """

    id: Name
    priority: Annotated[int, Meta(ge=1, le=9)]  # 1 is the most urgent
    ready: Step
    wanted: Step
    latest: Step
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=MOST_STAGES)]
    expires: Step | None = None
    bridged_until: Step | None = None
    depletion: Depletion | None = None


class Assignment(Struct, frozen=True, forbid_unknown_fields=True):
    """When a patient's stage starts, and in which unit of its pool."""

    patient: Name
    stage: Name
    start: Step
    unit: Reference = ""


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """Points. `late` is per step behind the wanted slot, by priority; beyond bridging it counts `unbridged` times more.

    The standard values are assumed: a week's delay of the least urgent weighs more than a slot that is moved, and
    leaving a patient out weighs more than any delay.
    """

    late: Annotated[tuple[Points, ...], Meta(min_length=1, max_length=9)] = (20, 8, 3)
    unbridged: Annotated[int, Meta(ge=1, le=100)] = 3
    rebooked: Points = 200  # a slot that the patient was told
    rebooked_step: Points = 0  # for each step by which it moves
    moved: Points = 20  # a stage that the patient does not see
    unplaced: Points = 100_000  # times the lateness weight of its priority, at least once


class Problem(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. Nothing starts before `now`; `plan` is the present plan, frozen before `now + freeze`."""

    network: Name
    now: Step
    horizon: Step
    patients: Annotated[tuple[Patient, ...], Meta(max_length=MOST_PATIENTS)]
    resources: Annotated[tuple[Resource, ...], Meta(max_length=MOST_RESOURCES)] = ()
    pools: tuple[Pool, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    departures: tuple[Departures, ...] = ()
    plan: tuple[Assignment, ...] = ()
    freeze: Length = 0
    weights: Weights = Weights()
    origin: Annotated[str, Meta(max_length=64)] = ""
    grid_minutes: Annotated[int, Meta(ge=1, le=DAY_MINUTES)] = 1

    @property
    def week(self) -> int:
        """Steps of a week."""
        return 7 * DAY_MINUTES // self.grid_minutes
