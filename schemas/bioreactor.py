"""What is said about a bioreactor. The topic's key, an event's `subject`, is the unit; the batch is data."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.fields import Name, Quantity, Reason, Text, TimeText, UnitText
from schemas.jobs import ResimulationResult

# The newest version of every bioreactor event's data. Older ones are lifted by `schemas/upcast.py`. A type that is new
# raises it not: what was said before reads as it did. So came with version 2, later than it: probe_calibrated,
# probe_changed, inoculated, held, resumed, medium_exchanged, resimulated, estimate_adopted.
VERSION = 2

Quality = Literal["good", "uncertain", "bad"]
TagName = Annotated[str, Meta(min_length=1, max_length=128)]  # checked once per set of tags, in `twins/frame.py`
UnitCode = Annotated[str, Meta(min_length=1, max_length=32)]  # checked with its tag, likewise


class BatchStarted(Struct, frozen=True, forbid_unknown_fields=True):
    """A run begins: the unit's twin starts anew, with these things known about it.

    `model` and `parameters` choose and adjust the qualified model for this batch; `clock` says whether
    silence is judged by the wall (`wall`) or only by what the source itself says (`source`).
    """

    batch: Name
    model: Name = "growth"
    parameters: Annotated[dict[Name, float], Meta(max_length=64)] = {}
    volume: Quantity | None = None
    planned_end: TimeText | None = None
    recipe: Name | None = None
    product: Name | None = None
    clock: Literal["wall", "source"] = "wall"


class BatchEnded(Struct, frozen=True, forbid_unknown_fields=True):
    """The run is over; readings that follow are stored, not modelled."""

    batch: Name
    reason: Text = ""


class PhaseChanged(Struct, frozen=True, forbid_unknown_fields=True):
    """The recipe entered another phase (ISA-88)."""

    phase: Name
    batch: Name | None = None


class Channel(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One measured value of one tag."""

    tag: TagName
    value: float
    unit: UnitCode
    quality: Quality = "good"


class Reading(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One or many channels measured at one time."""

    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=256)]


class FeedAdded(Struct, frozen=True, forbid_unknown_fields=True):
    """Liquid went in since the last such event. It dilutes; `density` is not needed for a volume."""

    volume: Quantity
    feed: Name = "feed"


class SampleDrawn(Struct, frozen=True, forbid_unknown_fields=True):
    """Broth was taken out. It takes mass and volume away, and leaves concentrations as they are."""

    volume: Quantity
    sample: Name


class AssayResulted(Struct, frozen=True, forbid_unknown_fields=True):
    """A laboratory value of a sample. `time` is when the sample was drawn, `recordtime` when it was known."""

    sample: Name
    tag: Name
    value: float
    unit: UnitText
    method: Text = ""


class AssaySuperseded(Struct, frozen=True, forbid_unknown_fields=True):
    """A corrected laboratory value; the old one stays on record and no longer counts."""

    sample: Name
    tag: Name
    value: float
    unit: UnitText
    reason: Reason


class AssayWithdrawn(Struct, frozen=True, forbid_unknown_fields=True):
    """A laboratory value that no longer counts."""

    sample: Name
    tag: Name
    reason: Reason


GainSd = Annotated[float, Meta(gt=0, le=2)]  # relative; the bounds of the parameter `gain_sd`


class ProbeCalibrated(Struct, frozen=True, forbid_unknown_fields=True):
    """A probe was calibrated; what was learned of its gain before holds no longer.

    `gain_sd` is how well the gain is known after it, relative standard deviation; without it, as at the start of a run.
    """

    tag: Name
    kind: Literal["two_point", "one_point", "offset"]
    gain_sd: GainSd | None = None
    note: Text = ""


class ProbeChanged(Struct, frozen=True, forbid_unknown_fields=True):
    """Another probe measures this tag from now on; `gain_sd` as of a calibration."""

    tag: Name
    serial: Name | None = None
    gain_sd: GainSd | None = None


class Inoculated(Struct, frozen=True, forbid_unknown_fields=True):
    """Cells went in: time zero of the culture, from which its hours count. The batch may have started long before."""

    note: Text = ""


class Held(Struct, frozen=True, forbid_unknown_fields=True):
    """The recipe was held (ISA-88): nobody acts on the process until it is resumed."""

    reason: Reason


class Resumed(Struct, frozen=True, forbid_unknown_fields=True):
    """The recipe goes on after a hold."""

    reason: Text = ""


class MediumExchanged(Struct, frozen=True, forbid_unknown_fields=True):
    """So much of the vessel's liquid was taken out, and as much fresh medium put in. The volume stays.

    Where cells were retained only what is dissolved is exchanged. `composition` is what the medium holds, by the names
    of the process model's states; what is not named is as at the beginning of the run, and cells it holds none.
    """

    volume: Quantity
    cells_retained: bool
    composition: Annotated[dict[Name, Quantity], Meta(max_length=64)] = {}


class EstimateAdopted(Struct, frozen=True, forbid_unknown_fields=True):
    """A person takes over what a re-simulation found: from `time` on the qualified lane believes its parameters.

    `job` names the answer, which must be the newest that this run's twin was given. `by` is who decided.
    """

    job: Name
    by: Name
    reason: Reason


# What a tag measures, for the tags this project gives a meaning to. Any other tag takes any listed unit.
# `biomass` is an on-line signal: its dimension depends on the probe.
TAG_DIMENSIONS: dict[str, tuple[str, ...]] = {
    "biomass": ("mass_concentration", "arbitrary", "number_concentration", "number"),
    "dissolved_oxygen": ("fraction",),
    "temperature": ("temperature",),
    "ph": ("acidity",),
    "volume": ("volume",),
    "pressure": ("pressure",),
    "agitation": ("rotation",),
    "airflow": ("volume_flow",),
    "glucose": ("mass_concentration", "substance_concentration"),
}

# What no working probe says: outside these, in canonical units, a value is set aside as implausible.
PLAUSIBLE: dict[str, tuple[float, float]] = {
    "biomass": (-1e4, 1e5),
    "dissolved_oxygen": (-20.0, 500.0),  # the published yeast plate reaches 149 %
    "temperature": (-50.0, 200.0),
    "ph": (-1.0, 15.0),
    "volume": (-1.0, 1e6),
    "pressure": (-2.0, 20.0),
    "agitation": (-10.0, 1e5),
    "airflow": (-10.0, 1e6),
    "glucose": (-10.0, 2000.0),
}
PLAUSIBLE_ELSE = (-1e6, 1e6)

EVENTS: dict[str, type[Struct]] = {
    "bioreactor.batch_started": BatchStarted,
    "bioreactor.batch_ended": BatchEnded,
    "bioreactor.phase_changed": PhaseChanged,
    "bioreactor.reading": Reading,
    "bioreactor.feed_added": FeedAdded,
    "bioreactor.sample_drawn": SampleDrawn,
    "bioreactor.assay_resulted": AssayResulted,
    "bioreactor.assay_superseded": AssaySuperseded,
    "bioreactor.assay_withdrawn": AssayWithdrawn,
    "bioreactor.probe_calibrated": ProbeCalibrated,
    "bioreactor.probe_changed": ProbeChanged,
    "bioreactor.inoculated": Inoculated,
    "bioreactor.held": Held,
    "bioreactor.resumed": Resumed,
    "bioreactor.medium_exchanged": MediumExchanged,
    "bioreactor.resimulated": ResimulationResult,
    "bioreactor.estimate_adopted": EstimateAdopted,
}
