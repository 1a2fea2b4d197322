"""EPCIS 2.0 / CBV 2.0: documents read, checked, hashed and written; which twins an event names."""

from connectors.epcis.documents import Read, Refusal, read_document, read_json
from connectors.epcis.keys import canonical, key_of
from connectors.epcis.prehash import event_hash_id, prehash
from connectors.epcis.records import (
    Identification,
    event_name,
    facts_of,
    named_twins,
    open_identification,
    read_identification,
)
from connectors.epcis.source import EpcisSource
from connectors.epcis.writer import write_document, write_event, write_query_document

__all__ = [
    "EpcisSource",
    "Identification",
    "Read",
    "Refusal",
    "canonical",
    "event_hash_id",
    "event_name",
    "facts_of",
    "key_of",
    "named_twins",
    "open_identification",
    "prehash",
    "read_document",
    "read_identification",
    "read_json",
    "write_document",
    "write_event",
    "write_query_document",
]
