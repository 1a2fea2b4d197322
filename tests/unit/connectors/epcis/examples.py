"""One valid document of all five types of event, with every field somewhere, as JSON; and the pieces to change it."""

from __future__ import annotations

import copy
import json
from typing import Any

from connectors.epcis import read_document
from schemas.epcis import EpcisEvent
from schemas.errors import InputError

Json = dict[str, Any]  # JSON as it is decoded
NAMESPACE = "https://ns.example.com/cells/"

LEUKAPHERESIS: Json = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T09:30:00.250+01:00",
    "eventTimeZoneOffset": "+01:00",
    "recordTime": "2026-03-02T09:31:00Z",
    "eventID": "urn:uuid:6a1d2c1e-9d28-4b0a-8b52-0a8f3e9f3f11",
    "certificationInfo": "https://accreditation.example.com/cert/12",
    "epcList": ["urn:epc:id:gsrn:4012345.9876540000", "urn:epc:id:sgtin:4012345.012345.BAG-1"],
    "quantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.012345.L7", "quantity": 120.5, "uom": "MLT"}],
    "action": "ADD",
    "bizStep": "commissioning",
    "disposition": "active",
    "persistentDisposition": {"set": ["completeness_verified"], "unset": ["completeness_inferred"]},
    "readPoint": {"id": "urn:epc:id:sgln:4012345.00011.987", "cells:bay": "2"},
    "bizLocation": {"id": "https://id.gs1.org/414/4012345000115"},
    "bizTransactionList": [
        {"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:4012345000115:O-77"},
        {"bizTransaction": "urn:coi:COI-000123"},
    ],
    "sourceList": [{"type": "owning_party", "source": "urn:epc:id:pgln:4012345.00001"}],
    "destinationList": [{"type": "location", "destination": "urn:epc:id:sgln:4012345.00012.0"}],
    "ilmd": {"cells:chainOfIdentity": "COI-000123", "cells:split": {"cells:bag": ["b", "a"], "cells:of": 2}},
    "cells:operator": {"cells:initials": "AB", "cells:checked": True},
    "cells:empty": None,
}
PACKING: Json = {
    "type": "AggregationEvent",
    "eventTime": "2026-03-02T11:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "parentID": "urn:epc:id:grai:4012345.66666.87",
    "childEPCs": ["urn:epc:id:sgtin:4012345.012345.BAG-1"],
    "childQuantityList": [{"epcClass": "urn:epc:idpat:sgtin:4012345.012345.*", "quantity": 2}],
    "action": "ADD",
    "bizStep": "packing",
    "readPoint": {"id": "urn:epc:id:sgln:4012345.00011.987"},
}
ORDER: Json = {
    "type": "TransactionEvent",
    "eventTime": "2026-03-01T08:00:00Z",
    "eventTimeZoneOffset": "-06:00",
    "bizTransactionList": [{"type": "prodorder", "bizTransaction": "urn:coi:COI-000123"}],
    "parentID": "urn:epc:id:sscc:4012345.0111111111",
    "epcList": ["urn:epc:id:sgtin:4012345.012345.BAG-1"],
    "quantityList": [],
    "action": "OBSERVE",
}
MAKING: Json = {
    "type": "TransformationEvent",
    "eventTime": "2026-03-05T08:00:00Z",
    "eventTimeZoneOffset": "+00:00",
    "inputEPCList": ["urn:epc:id:sgtin:4012345.012345.BAG-1"],
    "inputQuantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.022222.V9"}],
    "outputEPCList": ["urn:epc:id:sgtin:4012345.033333.DOSE-1"],
    "outputQuantityList": [{"epcClass": "urn:epc:idpat:sgtin:4012345.044444.*", "quantity": 1}],
    "transformationID": "urn:epc:id:gdti:4012345.55555.1234",
    "bizStep": "https://steps.example.com/transducing",
    "ilmd": {"cbvmda:lotNumber": "LOT-9"},
    "errorDeclaration": {
        "declarationTime": "2026-03-06T08:00:00.000Z",
        "reason": "incorrect_data",
        "correctiveEventIDs": ["urn:uuid:404d95fc-9457-4a51-bd6a-0bba133845a8"],
        "cells:by": "QA",
    },
}
LOGGER: Json = {
    "type": "AssociationEvent",
    "eventTime": "2026-03-02T12:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "parentID": "urn:epc:id:grai:4012345.66666.87",
    "childEPCs": ["urn:epc:id:giai:4012345.LOG1"],
    "action": "ADD",
    "bizStep": "installing",
    "sensorElementList": [
        {
            "sensorMetadata": {
                "startTime": "2026-03-02T10:00:00Z",
                "endTime": "2026-03-02T11:59:59.999Z",
                "deviceID": "urn:epc:id:giai:4012345.LOG1",
                "deviceMetadata": "https://id.gs1.org/8004/4012345LOG1",
                "rawData": "https://example.org/8004/4012345RAW",
                "dataProcessingMethod": "https://example.com/253/4012345000054987",
                "bizRules": "https://example.com/253/4012345000054987",
                "cells:probe": "tip",
            },
            "sensorReport": [
                {"type": "Temperature", "value": -151.0, "uom": "CEL", "time": "2026-03-02T11:00:00Z", "sDev": 0.5},
                {
                    "type": "Temperature",
                    "minValue": -155,
                    "maxValue": -149.5,
                    "meanValue": -151.25,
                    "percRank": 50,
                    "percValue": -151,
                    "uom": "CEL",
                    "exception": "ALARM_CONDITION",
                },
                {
                    "type": "Acceleration",
                    "component": "x",
                    "value": 0.2,
                    "coordinateReferenceSystem": "urn:ogc:def:crs",
                },
                {"type": "cells:tipped", "booleanValue": True, "deviceID": "urn:epc:id:giai:4012345.LOG1"},
                {
                    "type": "cells:raw",
                    "hexBinaryValue": "f0f0",
                    "stringValue": "ok",
                    "uriValue": "https://example.com/a",
                },
                {
                    "type": "Dimensionless",
                    "microorganism": "https://www.ncbi.nlm.nih.gov/taxonomy/1126011",
                    "chemicalSubstance": "https://identifiers.org/inchikey:CZMRCDWAGMRECN-UGDNZRGBSA-N",
                    "value": 0,
                    "uom": "C35",
                },
            ],
            "cells:further": {"cells:measure": 1.5},
        }
    ],
}
EVENTS = (LEUKAPHERESIS, PACKING, ORDER, MAKING, LOGGER)


def document(*events: object) -> Json:
    """Put events in an EPCISDocument."""
    return {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"cells": NAMESPACE}],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-07T08:00:00.0Z",
        "epcisBody": {"eventList": list(copy.deepcopy(events))},
    }


def read(*events: object) -> list[EpcisEvent]:
    """Read events that must be good."""
    found = read_document(json.dumps(document(*events)).encode())
    for each in found:
        assert isinstance(each, EpcisEvent), each.error
    return [each for each in found if isinstance(each, EpcisEvent)]


def refusals(payload: bytes) -> list[InputError]:
    """Give the reasons of what a document's reader refused."""
    return [each.error for each in read_document(payload) if not isinstance(each, EpcisEvent)]
