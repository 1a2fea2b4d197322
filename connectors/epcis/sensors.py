"""The sensor elements of an event, checked: at least one report each.

A reading may be later than its event: official examples hold such ones, so it is no fault.
"""

from __future__ import annotations

import re

from connectors.epcis.moments import moment_at
from connectors.epcis.node import Node
from connectors.epcis.vocabulary import ALERT, COMPONENT, MEASUREMENT
from schemas.epcis import SensorElement, SensorMetadata, SensorReport

_METADATA_FIELDS = "time startTime endTime deviceID deviceMetadata rawData dataProcessingMethod bizRules type"
_REPORT_FIELDS = (
    "type exception deviceID deviceMetadata rawData dataProcessingMethod time microorganism chemicalSubstance value"
    " component stringValue booleanValue hexBinaryValue uriValue minValue maxValue meanValue sDev percRank percValue"
    " uom coordinateReferenceSystem"
)
_METADATA = frozenset(_METADATA_FIELDS.split())
_REPORT = frozenset(_REPORT_FIELDS.split())
_STRAY = ("bizRules",)  # some documents give it for a report; the standard has it for the metadata alone
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*[0-9A-Fa-f]{1,2}")
_UOM = re.compile(r"[A-Z0-9]{2,3}")


def read_sensors(node: Node) -> tuple[SensorElement, ...]:
    """Read `sensorElementList`."""
    return tuple(_element(each) for each in node.nodes("sensorElementList"))


def _element(node: Node) -> SensorElement:
    reports = node.nodes("sensorReport")
    if not reports:
        raise node.bad("sensorReport", "at least one sensor report")
    return SensorElement(
        tuple(_report(each) for each in reports),
        _metadata(node.node("sensorMetadata")),
        node.extensions(("sensorReport", "sensorMetadata", "type")),
    )


def _metadata(node: Node | None) -> SensorMetadata | None:
    if node is None:
        return None
    start, end = node.moment("startTime"), node.moment("endTime")
    if start and end and moment_at(start, "") > moment_at(end, ""):
        raise node.bad("endTime", f"a time not before startTime, {start}")
    return SensorMetadata(
        node.moment("time"),
        start,
        end,
        node.uri("deviceID"),
        node.uri("deviceMetadata"),
        node.uri("rawData"),
        node.uri("dataProcessingMethod"),
        node.uri("bizRules"),
        node.extensions(_METADATA),
    )


def _report(node: Node) -> SensorReport:
    rank = node.number("percRank")
    if rank is not None and not 0 <= rank <= 100:
        raise node.bad("percRank", "a percentile from 0 to 100")
    return SensorReport(
        type=node.word("type", MEASUREMENT),
        exception=node.word("exception", ALERT),
        device_id=node.uri("deviceID"),
        device_metadata=node.uri("deviceMetadata"),
        raw_data=node.uri("rawData"),
        data_processing_method=node.uri("dataProcessingMethod"),
        time=node.moment("time"),
        microorganism=node.uri("microorganism"),
        chemical_substance=node.uri("chemicalSubstance"),
        value=node.number("value"),
        component=node.word("component", COMPONENT),
        string_value=node.text("stringValue"),
        boolean_value=node.boolean("booleanValue"),
        hex_binary_value=node.matching("hexBinaryValue", _HEX, "hexadecimal digits"),
        uri_value=node.uri("uriValue"),
        min_value=node.number("minValue"),
        max_value=node.number("maxValue"),
        mean_value=node.number("meanValue"),
        standard_deviation=node.number("sDev"),
        percentile_rank=rank,
        percentile_value=node.number("percValue"),
        uom=node.matching("uom", _UOM, "a UN/CEFACT code of 2 or 3 capital letters and digits"),
        coordinate_reference_system=node.uri("coordinateReferenceSystem"),
        extensions=node.extensions(_REPORT, _STRAY),
    )
