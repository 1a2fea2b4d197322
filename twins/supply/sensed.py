"""Temperatures in the sensor elements of an EPCIS event, in degrees Celsius."""

from __future__ import annotations

from schemas.epcis import EpcisEvent
from schemas.errors import InputError
from schemas.instants import parse_instant

# UN/CEFACT codes of temperatures (Recommendation 20): slope and offset to degC.
UNITS = {"CEL": (1.0, 0.0), "KEL": (1.0, -273.15), "FAH": (5 / 9, -160 / 9)}


def sensed(event: EpcisEvent, event_time: int) -> list[tuple[int, float]]:
    """Give (instant [us], temperature [degC]) of each report of a temperature that has a number and a unit we know.

    A report without a time of its own has its element's, else the event's. A statistic's mean stands for a value.

    Examples
    --------
    >>> from schemas.epcis import SensorElement, SensorReport
    >>> reports = (SensorReport(type="Temperature", value=-193.5, uom="CEL"), SensorReport(type="Humidity", value=4.0))
    >>> event = EpcisEvent(kind="ObjectEvent", event_time="2026-03-01T08:00:00Z", event_time_zone_offset="+00:00",
    ...                    hash="h", sensors=(SensorElement(reports),))
    >>> sensed(event, 7)
    [(7, -193.5)]
    """
    found = []
    for element in event.sensors:
        for report in element.reports:
            value = report.value if report.value is not None else report.mean_value
            if report.type != "Temperature" or value is None or report.uom not in UNITS:
                continue
            text = report.time or (element.metadata.time if element.metadata is not None else None)
            slope, offset = UNITS[report.uom]
            found.append((_instant(text, event_time), slope * value + offset))
    return found


def _instant(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return parse_instant(text)
    except InputError:
        return otherwise
