"""EPCIS events a second of one core: read, checked and hashed, from JSON-LD and XML; and made facts of their twins."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from benchmarks.report import Bar, Report, add_out, given
from connectors.epcis import Identification, facts_of, read_document
from connectors.epcis.keys import canonical
from schemas.epcis import EpcisEvent
from schemas.instants import Instant

STEPS = ("receiving", "storing", "shipping", "inspecting", "loading", "unloading")
READ_AT = Instant(1_780_000_000_000_000)
XML = """<?xml version="1.0"?><epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2"
 xmlns:cells="https://ns.example.com/cells/" schemaVersion="2.0" creationDate="2026-03-07T08:00:00Z"><EPCISBody>
<EventList>{}</EventList></EPCISBody></epcis:EPCISDocument>"""
XML_EVENT = """<ObjectEvent><eventTime>{eventTime}</eventTime><eventTimeZoneOffset>+01:00</eventTimeZoneOffset>
<epcList><epc>{epc}</epc><epc>{box}</epc></epcList><action>ADD</action>
<bizStep>urn:epcglobal:cbv:bizstep:{step}</bizStep><readPoint><id>{place}</id></readPoint><ilmd>
<cells:chainOfIdentity>{coi}</cells:chainOfIdentity></ilmd><sensorElementList><sensorElement>
<sensorMetadata deviceID="urn:epc:id:giai:4012345.LOG{n}"/>
<sensorReport type="gs1:Temperature" value="-151.5" uom="CEL"/>
<sensorReport type="gs1:Temperature" minValue="-155.0" maxValue="-149.5" uom="CEL"/></sensorElement></sensorElementList>
</ObjectEvent>"""


def scans(count: int) -> Iterator[dict[str, str]]:
    """Make scans, each of another bag, box, place and time, so that nothing is remembered from the one before."""
    for n in range(count):
        yield {
            "n": str(n),
            "eventTime": f"2026-03-{1 + n // 86_400 % 28:02d}T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}.25Z",
            "epc": f"urn:epc:id:sgtin:4012345.012345.BAG-{n}",
            "box": f"urn:epc:id:grai:4012345.66666.{n}",
            "place": f"urn:epc:id:sgln:4012345.{n % 100_000:05d}.{n}",
            "step": STEPS[n % len(STEPS)],
            "coi": f"COI-{n:09d}",
        }


def json_event(scan: dict[str, str]) -> dict[str, object]:
    """Write a scan as JSON-LD."""
    return {
        "type": "ObjectEvent",
        "eventTime": scan["eventTime"],
        "eventTimeZoneOffset": "+01:00",
        "epcList": [scan["epc"], scan["box"]],
        "action": "ADD",
        "bizStep": scan["step"],
        "readPoint": {"id": scan["place"]},
        "ilmd": {"cells:chainOfIdentity": scan["coi"]},
        "sensorElementList": [
            {
                "sensorMetadata": {"deviceID": f"urn:epc:id:giai:4012345.LOG{scan['n']}"},
                "sensorReport": [
                    {"type": "Temperature", "value": -151.5, "uom": "CEL"},
                    {"type": "Temperature", "minValue": -155, "maxValue": -149.5, "uom": "CEL"},
                ],
            }
        ],
    }


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_epcis", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_epcis", "EPCIS events a second of one core.", given(options))
    scanned = list(scans(options.events))
    context = [
        "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
        {"cells": "https://ns.example.com/cells/"},
    ]
    header = {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-07T08:00:00Z",
    }
    whole = msgspec.json.encode({**header, "epcisBody": {"eventList": [json_event(scan) for scan in scanned]}})
    single = [msgspec.json.encode({**json_event(scan), "@context": context}) for scan in scanned]
    xml = XML.format("".join(XML_EVENT.format(**scan) for scan in scanned)).encode()
    forms: dict[str, Callable[[], list[object]]] = {
        "JSON-LD, one document": lambda: list(read_document(whole)),
        "JSON-LD, one event at a time": lambda: [each for payload in single for each in read_document(payload)],
        "XML, one document": lambda: list(read_document(xml)),
    }
    hashes = set()
    for form, read in forms.items():
        canonical.cache_clear()
        used = time.process_time()
        events = [each for each in read() if isinstance(each, EpcisEvent)]
        read_seconds = time.process_time() - used
        assert len(events) == options.events
        hashes.add(hash(tuple(event.hash for event in events)))
        table = Identification()
        used = time.process_time()
        facts = sum(len(facts_of(event, table, "bench", READ_AT)) for event in events)
        rate = len(events) / read_seconds
        told = len(events) / (time.process_time() - used)
        report.add("forms", form=form, read_and_hashed_per_s=rate, told_per_s=told, facts=facts)
        report.bars.append(Bar(form, 1000.0, rate, "events/s of one core"))
    assert len(hashes) == 1  # every form says the same
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1
