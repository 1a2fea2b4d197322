"""What a fact that is no reading means to its twin: checked, converted, and laid out as what it adds to its minute."""

from __future__ import annotations

import math
from collections.abc import Container

from schemas import bioreactor
from schemas.errors import InputError, InvalidFieldError, UnitError
from schemas.events import Event
from schemas.fields import Quantity
from schemas.instants import parse_instant
from schemas.units import CANONICAL, find_unit
from twins.bioreactor.config import MODELS, check_parameter
from twins.bioreactor.priors import is_prior
from twins.bioreactor.rows import (
    EMPTY_BUCKET,
    END,
    EXCHANGED,
    FEED,
    HELD,
    INOCULATED,
    NANOLITRES,
    OTHER_PROBE,
    PHASE,
    PROBE,
    RESUMED,
    RETAINED,
    SAMPLE,
    START,
    Assay,
    Change,
    Contribution,
)

LARGEST_LITRES = 1e6  # no bioreactor holds more

BIOMASS = frozenset({"biomass"})


def read_fact(
    event: Event, assayed: frozenset[str] = BIOMASS, reconciled: Container[str] = ()
) -> Contribution:  # fmt: skip
    """Give what a fact adds to its minute; assays count of the tags in `assayed`, probes of biomass and `reconciled`.

    Raises
    ------
    InputError
        If a field cannot be: a model or parameter nobody knows, a volume that is none, a value out of range.
    """
    data = event.data
    where = f"{event.subject}, event {event.id}"
    match data:
        case bioreactor.BatchStarted():
            return Contribution(change=_started(event, data, where))
        case bioreactor.BatchEnded():
            return Contribution(change=Change(event.event_time, END, event.id, batch=data.batch))
        case bioreactor.PhaseChanged():
            return Contribution(
                change=Change(event.event_time, PHASE, event.id, name=data.phase, batch=data.batch or "")
            )
        case bioreactor.ProbeCalibrated() | bioreactor.ProbeChanged():
            if data.tag in reconciled:
                return Contribution(change=Change(event.event_time, OTHER_PROBE, event.id, name=data.tag))
            if data.tag != "biomass":
                return NOTHING  # no belief rests on it
            sd = -1.0 if data.gain_sd is None else data.gain_sd
            return Contribution(change=Change(event.event_time, PROBE, event.id, gain_sd=sd))
        case bioreactor.Inoculated():
            return Contribution(change=Change(event.event_time, INOCULATED, event.id))
        case bioreactor.Held():
            return Contribution(change=Change(event.event_time, HELD, event.id, name=data.reason))
        case bioreactor.Resumed():
            return Contribution(change=Change(event.event_time, RESUMED, event.id))
        case bioreactor.MediumExchanged():
            return Contribution(change=_exchanged(event, data, where))
        case bioreactor.FeedAdded():
            return Contribution(_bucket(FEED, _nanolitres(data.volume, f"volume of {where}")))
        case bioreactor.SampleDrawn():
            return Contribution(_bucket(SAMPLE, _nanolitres(data.volume, f"volume of {where}")))
        case bioreactor.AssayResulted() | bioreactor.AssaySuperseded():
            value, _ = assay_value(data, where)
            return Contribution(assay=_assay(event, data.sample, data.tag, value)) if data.tag in assayed else NOTHING
        case bioreactor.AssayWithdrawn():
            return Contribution(assay=_assay(event, data.sample, data.tag, None)) if data.tag in assayed else NOTHING
    raise InvalidFieldError(expected="an event of a bioreactor", received=event.type, where=where)


NOTHING = Contribution()


def assay_value(data: bioreactor.AssayResulted | bioreactor.AssaySuperseded, where: str) -> tuple[float, str]:
    """Give an assay's value and unit, canonical.

    Raises
    ------
    InputError
        For an unknown unit, one of another dimension than the tag's, or a value no assay gives.
    """
    unit = find_unit(data.unit, where=f"unit of {where}")
    dimensions = bioreactor.TAG_DIMENSIONS.get(data.tag)
    if dimensions is not None and unit.dimension not in dimensions:
        raise UnitError(
            expected=f"a unit of {' or '.join(dimensions)}", received=data.unit, where=f"assay of {data.tag}, {where}"
        )
    value = (data.value + unit.shift) * unit.scale
    low, high = bioreactor.PLAUSIBLE.get(data.tag, bioreactor.PLAUSIBLE_ELSE)
    if data.tag == "biomass":
        low = 0.0
    if not low <= value <= high:
        raise InvalidFieldError(
            expected=f"{data.tag} between {low:g} and {high:g} {CANONICAL[unit.dimension]}",
            received=f"{value:g}",
            where=f"assay of {where}",
            advice="send a correction of the assay",
        )
    return value, CANONICAL[unit.dimension]


def assay_unit(event: Event) -> str | None:
    """Give the canonical unit of a biomass assay; None for any other event, and for one that cannot be used."""
    if not isinstance(event.data, bioreactor.AssayResulted | bioreactor.AssaySuperseded) or event.data.tag != "biomass":
        return None
    try:
        return assay_value(event.data, event.id)[1]
    except InputError:
        return None


def _assay(event: Event, sample: str, tag: str, value: float | None) -> Assay:
    return Assay(sample, tag, event.event_time, event.record_time, event.id, value)


def _started(event: Event, data: bioreactor.BatchStarted, where: str) -> Change:
    if data.model not in MODELS:
        raise InvalidFieldError(
            expected=f"one of the models {', '.join(MODELS)}", received=repr(data.model)[:80], where=where
        )
    for name, value in data.parameters.items():
        problem = None if is_prior(name) else check_parameter(name, value)  # priors: `priors.check_priors`
        if problem is not None:
            raise InvalidFieldError(
                expected=problem[0], received=problem[1], where=f"parameters of {where}",
                advice="the batch did not start; correct it and send it again",
            )  # fmt: skip
    volume = -1
    if data.volume is not None:
        volume = _nanolitres(data.volume, f"volume of {where}")
        if volume == 0:
            raise InvalidFieldError(expected="a volume above 0", received="0", where=f"volume of {where}")
    end = -1
    if data.planned_end is not None:
        end = parse_instant(data.planned_end, f"planned_end of {where}")
    parameters = tuple(sorted((name, float(value)) for name, value in data.parameters.items()))
    return Change(
        event.event_time, START, event.id, batch=data.batch, planned_end=end, clock=data.clock, volume=volume,
        parameters=parameters,
    )  # fmt: skip


def _exchanged(event: Event, data: bioreactor.MediumExchanged, where: str) -> Change:
    holds = []
    for name, quantity in sorted(data.composition.items()):
        value, _ = quantity_of(quantity, f"{name} of {where}")
        if not 0 <= value <= bioreactor.PLAUSIBLE_ELSE[1]:
            raise InvalidFieldError(
                expected=f"a concentration from 0 to {bioreactor.PLAUSIBLE_ELSE[1]:g}", received=f"{value:g}",
                where=f"{name} of {where}",
            )  # fmt: skip
        holds.append((name, value))
    return Change(
        event.event_time, EXCHANGED, event.id, name=RETAINED if data.cells_retained else "",
        volume=_nanolitres(data.volume, f"volume of {where}"), parameters=tuple(holds),
    )  # fmt: skip


def quantity_of(quantity: Quantity, where: str) -> tuple[float, str]:
    """Give a quantity's value and unit, canonical.

    Raises
    ------
    UnitError
        If nobody knows its unit.
    """
    unit = find_unit(quantity.unit, where)
    return (quantity.value + unit.shift) * unit.scale, CANONICAL[unit.dimension]


def _nanolitres(quantity: Quantity, where: str) -> int:
    unit = find_unit(quantity.unit, where)
    if unit.dimension != "volume":
        raise UnitError(
            expected="a unit of volume (such as L)", received=quantity.unit, where=where, advice="correct the mapping"
        )
    litres = quantity.value * unit.scale
    if not (math.isfinite(litres) and 0 <= litres <= LARGEST_LITRES):
        raise InvalidFieldError(
            expected=f"a volume from 0 to {LARGEST_LITRES:g} L",
            received=f"{quantity.value:g} {quantity.unit}",
            where=where,
        )
    return round(litres * NANOLITRES)


def _bucket(place: int, amount: int) -> tuple[int, ...]:
    bucket = list(EMPTY_BUCKET)
    bucket[place] = amount
    return tuple(bucket)


__all__ = ["END", "HELD", "NOTHING", "PHASE", "START", "InputError", "assay_value", "read_fact"]
