"""Which tags of a site the fault detector reads: checked, converted to its units, a rule for each place of alarm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from schemas.bioreactor import TAG_DIMENSIONS
from schemas.errors import InputError, SettingsError
from schemas.units import CANONICAL, UNITS, find_unit
from twins.bioreactor.rules import Rule
from twins.bioreactor.sections import Faults, FaultSource, Vessel
from twins.faults import channels
from twins.faults.channels import ACTUATORS, CAP, CHANNELS, COUNT, NAMES, TESTED
from twins.faults.settings import RESIDUAL_SD, Settings

DEMANDED = tuple(CHANNELS[row] for row in ACTUATORS)
PROPORTIONAL = ("number_concentration", "mass_concentration", "arbitrary", "number")  # dimensions of a capacitance


@dataclass(frozen=True, slots=True)
class Source:
    """A column of newest values, and what makes them of the detector's unit."""

    tag: str
    unit: str  # canonical
    factor: float


@dataclass(frozen=True, slots=True)
class FaultMapping:
    """Where each channel (16) and demand (7) comes from, None where it does not; what each place (17) is called."""

    channels: tuple[Source | None, ...]
    demands: tuple[Source | None, ...]
    names: tuple[str, ...]
    settings: Settings

    @property
    def needs(self) -> frozenset[str]:
        """Name all tags."""
        return frozenset(one.tag for one in (*self.channels, *self.demands) if one is not None)

    def mapped(self) -> list[tuple[int, str]]:
        """Give the rows of which the site reads or demands something, with their tags."""
        asked = {row for row, one in zip(ACTUATORS, self.demands, strict=True) if one is not None}
        return [(row, self.names[row]) for row in range(COUNT) if self.channels[row] is not None or row in asked]


def mapping_of(section: Faults) -> FaultMapping:
    """Check a section and lay it out.

    Raises
    ------
    SettingsError
        For a channel nobody knows, a tag said twice, a unit of another dimension, or a setting that cannot be.
    """
    _check_names(section.channels, CHANNELS, "faults.channels")
    _check_names(section.demands, DEMANDED, "faults.demands")
    if not section.channels:
        raise SettingsError(f"expected a tag for some of {', '.join(CHANNELS)}, received none, in faults.channels")
    said = [*section.channels.items(), *((f"demand of {name}", one) for name, one in section.demands.items())]
    places: dict[str, str] = {}
    for place, one in said:
        if one.tag in places:
            raise SettingsError(
                f"expected each tag once, received {one.tag} for {places[one.tag]} and for {place}, in faults; "
                "where an actuator has one tag only, map it as its demand"
            )
        places[one.tag] = place
    read = tuple(_source(name, section.channels.get(name)) for name in CHANNELS)
    asked = tuple(_source(name, section.demands.get(name)) for name in DEMANDED)
    return FaultMapping(read, asked, _names(read, asked), _settings(section.vessel))


def fault_rules(section: Faults) -> list[Rule]:
    """Lay out a rule a place, in their order: `<tag>.fault`, and `culture.fault` for the process itself.

    A channel that the site does not map can be named too, by what others show: it keeps the detector's name.
    """
    mapping = mapping_of(section)
    sources = dict(enumerate(mapping.channels)) | {
        row: mapping.channels[row] or one for row, one in zip(ACTUATORS, mapping.demands, strict=True)
    }
    rules = []
    for place, tag in enumerate(mapping.names):
        source = sources.get(place)
        unit = "1" if source is None else source.unit
        rules.append(Rule(0, f"{tag}.fault", "fault", tag, unit, True, 0.0, 0.0, 1, section.priority))
    return rules


def _check_names(given: dict[str, FaultSource], known: tuple[str, ...], where: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise SettingsError(f"expected names among {', '.join(known)}, received {', '.join(unknown)}, in {where}"[:400])


def _source(channel: str, given: FaultSource | None) -> Source | None:
    if given is None:
        return None
    where = f"{given.tag}, the {channel} of faults"
    if channel == CHANNELS[CAP]:
        return _biomass(given, where)
    own = UNITS[channels.UNITS[channel]]
    unit = own
    if given.unit is not None:
        try:
            unit = find_unit(given.unit, where=f"the unit of {where}")
        except InputError as error:
            raise SettingsError(str(error)) from None
    usual = TAG_DIMENSIONS.get(given.tag, (own.dimension,))
    if unit.dimension != own.dimension or own.dimension not in usual:
        raise SettingsError(
            f"expected a unit of {own.dimension} (the detector counts in {own.code}), "
            f"received {given.unit or usual[0]}, for {where}; map the tag that is in it"
        )
    return Source(given.tag, CANONICAL[own.dimension], 1.0 / own.scale)


def _biomass(given: FaultSource, where: str) -> Source:
    """Take a biomass probe for the capacitance: its logarithm counts, so that a constant factor drops out."""
    unit = None if given.unit is None else UNITS.get(given.unit)
    if unit is None or unit.dimension not in PROPORTIONAL:
        raise SettingsError(
            f"expected the unit of the signal, one of {', '.join(PROPORTIONAL)} such as 10*6/mL or g/L, received "
            f"{given.unit}, for {where}: the detector follows the logarithm of the capacitance, so any unit that is "
            "proportional to it does, and the factor (cells/mL for 1 pF/cm, say) need not be told"
        )
    return Source(given.tag, CANONICAL[unit.dimension], 1.0)


def _names(read: tuple[Source | None, ...], asked: tuple[Source | None, ...]) -> tuple[str, ...]:
    names = [name if row >= COUNT or (one := read[row]) is None else one.tag for row, name in enumerate(NAMES)]
    for row, demand in zip(ACTUATORS, asked, strict=True):
        if read[row] is None and demand is not None:
            names[row] = demand.tag
    twice = next((row for row, name in enumerate(names) if name in names[:row] or name in names[row + 1 :]), None)
    if twice is not None:
        raise SettingsError(
            f"expected no tag with the name of another channel that is not mapped, received {names[twice]}, "
            f"in faults; map it as {names[twice]} itself, or that channel too"
        )
    return tuple(names)


def _settings(vessel: Vessel | None) -> Settings:
    if vessel is None:
        return Settings()
    noise = vessel.residual_sd
    unknown = [name for name in noise if name not in RESIDUAL_SD]
    if unknown:
        known = ", ".join(CHANNELS[row] for row in TESTED)
        raise SettingsError(f"expected noise of {known}, received {', '.join(unknown)}, in faults.vessel.residual_sd")
    given: dict[str, Any] = {  # Any: fields of the settings, not all of one type
        "headspace": vessel.headspace_millilitres,
        "evaporation": vessel.evaporation_millilitres_per_hour,
        "heater_gain": vessel.heater_kelvin_per_percent,
        "jacket_minutes": vessel.jacket_minutes,
        "ph_low": vessel.ph_low,
        "rpm_exponent": vessel.rpm_exponent,
        "flow_exponent": vessel.flow_exponent,
    }
    differing = {name: value for name, value in given.items() if value is not None}
    return replace(Settings(residual_sd={**RESIDUAL_SD, **noise}), **differing)
