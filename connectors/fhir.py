"""FHIR R5 bundles (JSON) of ResearchStudy and ResearchSubject as facts of enrollment.

A resource says how things stand; `connectors/told.py` makes of it what is new, changed or gone. A bundle sent again
tells nothing; a later version with another date supersedes. A resource or a step that cannot be used is rejected with
its reason, and its neighbours go on. Files, or the body of a request; servers are not polled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from connectors.enrollment_mapping import FhirMapping
from connectors.enrollment_refusal import refusal
from connectors.fhir_resources import RESOURCES, Bundle, Kind
from connectors.fhir_statements import BundleReader
from connectors.jsonl import whole_file
from connectors.outgoing import Entry, Item
from connectors.pseudonyms import Pseudonyms
from connectors.told import Told
from schemas.errors import InputError, InvalidFieldError, UsageError
from schemas.instants import Instant

LARGEST_BUNDLE = 64 << 20  # bytes
MOST_RESOURCES = 200_000
DEFAULT = FhirMapping(twinstream_map=1, family="enrollment", form="fhir", name="fhir", source="fhir")


class FhirSource:
    """A file with one bundle (or one resource), gzip too. A position counts the facts given.

    Parameters are those of `parse`; `told` is brought up to date by reading.
    """

    def __init__(
        self,
        path: Path,
        record_time: Instant,
        pseudonyms: Pseudonyms,
        mapping: FhirMapping = DEFAULT,
        told: Told | None = None,
    ) -> None:
        self.path, self._pseudonyms, self._record_time, self._mapping = path, pseudonyms, record_time, mapping
        self._before = (told or Told()).copy()
        self.told = told or Told()

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the facts from after a position, one an item. Raises UsageError for a file or position of no use."""
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of facts as position, received {after!r}; start without one")
        with whole_file(self.path) as stream:
            payload = stream.read(LARGEST_BUNDLE + 1)
        told = self._before.copy()
        entries = _read(payload, self._record_time, self._pseudonyms, self._mapping, told)
        self.told.scopes = told.scopes
        for number in range(int(after or 0), len(entries)):
            yield Item(str(number + 1), (entries[number],))


def parse(
    payload: bytes,
    record_time: Instant,
    pseudonyms: Pseudonyms,
    mapping: FhirMapping = DEFAULT,
    told: Told | None = None,
) -> list[Entry]:
    """Read a bundle, or one resource. Pure: `told` is left as it was; never raises for bad input.

    Parameters
    ----------
    payload : bytes
        JSON, at most `LARGEST_BUNDLE` bytes.
    record_time : Instant
        When it was received [us], for resources without `meta.lastUpdated`.
    told : Told, optional
        What was told before; what is told already gives nothing.

    Returns
    -------
    list of Entry
        Facts in the order of the resources' versions; a BadLine with its reason for what cannot be used.
    """
    return _read(payload, record_time, pseudonyms, mapping, (told or Told()).copy())


def _read(
    payload: bytes, record_time: Instant, pseudonyms: Pseudonyms, mapping: FhirMapping, told: Told
) -> list[Entry]:
    if not payload.strip():
        return []
    reader = BundleReader(record_time, pseudonyms, mapping, told)
    try:
        bundle = _bundle(payload)
    except InputError as error:
        kind = "enrollment.subject_enrolled"
        return [refusal(mapping.source, "bundle", mapping.study, kind, "bundle", error, record_time)]
    return reader.read(bundle)


def _bundle(payload: bytes) -> Bundle:
    if len(payload) > LARGEST_BUNDLE:
        raise InvalidFieldError(
            expected=f"at most {LARGEST_BUNDLE} bytes", received="more", where="bundle", advice="send it in pages"
        )
    try:
        if msgspec.json.decode(payload, type=Kind).resourceType in RESOURCES:
            payload = b'{"resourceType":"Bundle","entry":[{"resource":' + payload + b"}]}"
        bundle = msgspec.json.decode(payload, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFieldError(
            expected="a FHIR R5 Bundle in JSON", received=str(error)[:200], where="bundle"
        ) from None
    if bundle.resourceType != "Bundle" or len(bundle.entry) > MOST_RESOURCES:
        raise InvalidFieldError(
            expected=f"a Bundle of at most {MOST_RESOURCES} entries",
            received=f"{bundle.resourceType[:40]!r} of {len(bundle.entry)}",
            where="resourceType",
        )
    return bundle
