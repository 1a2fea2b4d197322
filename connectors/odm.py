"""CDISC ODM (1.3.2 and 2.0) transactions, as an EDC's audit trail gives them, as facts of enrollment.

A mapping says which item is which milestone. Each transaction changes what is known of a subject; what follows for its
milestones is told as a fact, a superseding fact, or a withdrawn one. Record time is the audit record's DateTimeStamp.

Source: CDISC ODM 1.3.2 section 2.10 and ODM 2.0 (Transactions): Insert, Update, Upsert, Remove, Context; a child
without a TransactionType has its parent's; transactions apply in the order of the document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from connectors.enrollment_mapping import OdmMapping
from connectors.enrollment_refusal import refusal
from connectors.jsonl import whole_file
from connectors.odm_reader import Transaction, read_transactions
from connectors.odm_subjects import Subjects
from connectors.outgoing import Entry, Item
from connectors.pseudonyms import Pseudonyms
from connectors.told import Told
from schemas.errors import InputError, UsageError
from schemas.instants import Instant

_KIND = "enrollment.subject_enrolled"


class OdmSource:
    """A file of ODM, gzip too, streamed. A position counts the facts given; parameters are those of `parse`."""

    def __init__(
        self,
        path: Path,
        record_time: Instant,
        pseudonyms: Pseudonyms,
        mapping: OdmMapping,
        told: Told | None = None,
    ) -> None:
        self.path, self._pseudonyms, self._record_time, self._mapping = path, pseudonyms, record_time, mapping
        self._before = (told or Told()).copy()
        self.told = told or Told()

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Give the facts from after a position, one an item. Raises UsageError for a file or position of no use."""
        if after is not None and not after.isdecimal():
            raise UsageError(f"expected a count of facts as position, received {after!r}; start without one")
        self.told.scopes = told = self._before.copy().scopes
        with whole_file(self.path) as stream:
            entries = entries_of(stream, self._record_time, self._pseudonyms, self._mapping, Told(told))
            for number, entry in enumerate(entries, 1):
                if number > int(after or 0):
                    yield Item(str(number), (entry,))


def parse(
    payload: bytes,
    record_time: Instant,
    pseudonyms: Pseudonyms,
    mapping: OdmMapping,
    told: Told | None = None,
) -> list[Entry]:
    """Read a document held in memory. Pure: `told` is left as it was; never raises for bad input.

    Parameters
    ----------
    payload : bytes
        XML without DTD and entities.
    record_time : Instant
        When it was received [us], for transactions without an audit record.
    told : Told, optional
        What was told before, with the items known of each subject.

    Returns
    -------
    list of Entry
        Facts in the order of the document; a BadLine with its reason for what cannot be used. A document that breaks
        off gives what stood before, and a BadLine.
    """
    if not payload.strip():
        return []
    chunks = (payload[at : at + 65536] for at in range(0, len(payload), 65536))
    return list(entries_of(chunks, record_time, pseudonyms, mapping, (told or Told()).copy()))


def entries_of(
    source: IO[bytes] | Iterator[bytes],
    record_time: Instant,
    pseudonyms: Pseudonyms,
    mapping: OdmMapping,
    told: Told,
) -> Iterator[Entry]:
    """Make the facts of a document as it streams by; `told` is brought up to date."""
    subjects = Subjects(mapping, pseudonyms, told, record_time)
    chunks = source if isinstance(source, Iterator) and not hasattr(source, "read") else _chunks(source)
    transactions = read_transactions(chunks)
    while True:
        try:
            one: Transaction | None = next(transactions, None)
        except InputError as error:
            yield refusal(mapping.source, "document", None, _KIND, "document", error, record_time)
            return
        if one is None:
            break
        yield from subjects.take(one)
    yield from subjects.close()


def _chunks(stream: IO[bytes] | Iterator[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(65536):  # type: ignore[union-attr]
        yield chunk
