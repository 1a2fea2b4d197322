"""The standard words of the Core Business Vocabulary 2.0, and the spellings a word may have: bare, CURIE, URN, URI.

Source: GS1, CBV 2.0 (2022), sections 7.1 to 7.7. The measurement types are the 72 that the JSON schema of the standard
lists; others of the GS1 Web Vocabulary are accepted as URIs (`gs1:Weight`).
"""

from __future__ import annotations

from typing import NamedTuple

CBV = "https://ref.gs1.org/cbv/"
GS1_VOC = "https://gs1.org/voc/"


class Words(NamedTuple):
    """One list of standard words: what it is called, its bare words, and what stands before a word in each spelling."""

    name: str
    words: frozenset[str]
    uri: str
    others: tuple[str, ...]


def _cbv(name: str, prefix: str, urn: str, words: str) -> Words:
    others = (f"urn:epcglobal:cbv:{urn}:", f"cbv:{prefix}")
    return Words(name, frozenset(words.split()), CBV + prefix, others)


BIZ_STEP = _cbv(
    "a CBV business step",
    "BizStep-",
    "bizstep",
    "accepting arriving assembling collecting commissioning consigning creating_class_instance cycle_counting"
    " decommissioning departing destroying disassembling dispensing encoding entering_exiting holding inspecting"
    " installing killing loading other packing picking receiving removing repackaging repairing replacing reserving"
    " retail_selling sampling sensor_reporting shipping staging_outbound stock_taking stocking storing transporting"
    " unloading unpacking void_shipping",
)
DISPOSITION = _cbv(
    "a CBV disposition",
    "Disp-",
    "disp",
    "active available completeness_inferred completeness_verified conformant container_closed container_open damaged"
    " destroyed dispensed disposed encoded expired in_progress in_transit inactive mismatch_class mismatch_instance"
    " mismatch_quantity needs_replacement no_pedigree_match non_conformant non_sellable_other partially_dispensed"
    " recalled reserved retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown",
)
TRANSACTION = _cbv(
    "a CBV business transaction type",
    "BTT-",
    "btt",
    "bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt",
)
PARTY = _cbv("a CBV source or destination type", "SDT-", "sdt", "location owning_party possessing_party")
ERROR = _cbv("a CBV error reason", "ER-", "er", "did_not_occur incorrect_data")
COMPONENT = _cbv(
    "a CBV component",
    "Comp-",
    "comp",
    "x y z axial_distance azimuth height spherical_radius polar_angle elevation_angle easting northing latitude"
    " longitude altitude",
)
ALERT = Words("a sensor alert type", frozenset({"ALARM_CONDITION", "ERROR_CONDITION"}), GS1_VOC, ("gs1:",))
_MEASURED = (
    "AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Activity Altitude AmountOfSubstance"
    " AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area Capacitance"
    " Conductance Conductivity Count Density Dimensionless DoseEquivalent DoseEquivalentRate DynamicViscosity"
    " ElectricCharge ElectricCurrent ElectricCurrentDensity ElectricFieldStrength Energy Exposure Force"
    " Frequency Illuminance Inductance Irradiance KinematicViscosity Length LinearMomentum Luminance"
    " LuminousFlux LuminousIntensity MagneticFlux MagneticFluxDensity MagneticVectorPotential Mass"
    " MassConcentration MassFlowRate MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy MolarMass"
    " MolarVolume Power Pressure RadiantFlux RadiantIntensity RelativeHumidity Resistance Resistivity"
    " SolidAngle SpecificVolume Speed SurfaceDensity SurfaceTension Temperature Time Torque Voltage Volume"
    " VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber"
)
MEASUREMENT = Words(
    "a GS1 measurement type",
    frozenset(_MEASURED.split()),
    GS1_VOC,
    ("gs1:",),
)
_LISTS = (BIZ_STEP, DISPOSITION, TRANSACTION, PARTY, ERROR, COMPONENT)
# What is replaced at the start of a value before hashing: any spelling of a standard namespace, by its URI.
_SPELLINGS = (
    *((old, each.uri) for each in _LISTS for old in each.others),
    ("cbv:", CBV),
    ("gs1:", GS1_VOC),
)


def bare(text: str, words: Words) -> str:
    """Give the bare word of a standard one in any spelling; anything else as it is.

    Examples
    --------
    >>> bare("urn:epcglobal:cbv:bizstep:shipping", BIZ_STEP), bare("https://example.com/steps/x", BIZ_STEP)
    ('shipping', 'https://example.com/steps/x')
    """
    if text in words.words or ":" not in text:
        return text
    for prefix in (words.uri, *words.others):
        if text.startswith(prefix):
            word = text[len(prefix) :]
            return word if word in words.words else text
    return text


def full(text: str, words: Words) -> str:
    """Give the URI that stands for a word of a list, bare or not.

    Examples
    --------
    >>> full("shipping", BIZ_STEP), full("Temperature", MEASUREMENT)
    ('https://ref.gs1.org/cbv/BizStep-shipping', 'https://gs1.org/voc/Temperature')
    """
    return words.uri + text if ":" not in text else expanded(text)


def expanded(text: str) -> str:
    """Give a value with the standard prefix at its start, CURIE or URN, written out; anything else as it is."""
    if text.startswith(("urn:epcglobal:cbv:", "cbv:", "gs1:")):
        for old, uri in _SPELLINGS:
            if text.startswith(old):
                return uri + text[len(old) :]
    return text
