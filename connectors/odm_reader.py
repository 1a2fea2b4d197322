"""ODM as a stream of item transactions, by expat: nothing is built but the path to the element at hand.

A document type declaration, and with it every entity, is refused before anything of it is used. Bounds: `DEEPEST`,
`LONGEST_TEXT`, `LARGEST_DOCUMENT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from schemas.errors import InvalidFieldError, MalformedError

DEEPEST = 64
LONGEST_TEXT = 100_000  # characters of one value
LARGEST_DOCUMENT = 4 << 30  # bytes
TYPES = frozenset({"Insert", "Update", "Upsert", "Remove", "Context"})
# Elements that hold a subject's data, outer to inner; ODM 2.0 has no FormData and nests ItemGroupData.
_DATA = frozenset({"ClinicalData", "SubjectData", "StudyEventData", "FormData", "ItemGroupData"})
_KEYS = {
    "StudyEventData": ("StudyEventOID", "StudyEventRepeatKey"),
    "FormData": ("FormOID", "FormRepeatKey"),
    "ItemGroupData": ("ItemGroupOID", "ItemGroupRepeatKey"),
}


class Transaction(NamedTuple):
    """One item of one subject changes. `kind` is Insert, Update, Upsert, Remove or Context.

    `path` names where it stands: study event, form and item groups with their repeat keys. `item` is None where all
    below `path` changes (a Remove), or where only `site` is told. `audited` is the DateTimeStamp, or nothing.
    """

    kind: str
    study: str
    subject: str
    site: str | None
    path: tuple[str, ...]
    item: str | None
    value: str | None
    audited: str
    line: int


@dataclass(slots=True)
class _Level:
    name: str
    kind: str
    key: str = ""
    oid: str = ""
    audited: str = ""
    text: list[str] = field(default_factory=list)
    value: str | None = None
    inner: bool = False  # whether a transaction was told below it
    size: int = 0


class _Reader:
    """Expat's handlers. What is complete waits in `ready`."""

    def __init__(self) -> None:
        self.ready: list[Transaction] = []
        self.levels: list[_Level] = []
        self.site: str | None = None
        self.created = ""
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.EntityDeclHandler = _refuse
        self._parser.ExternalEntityRefHandler = _refuse

    def feed(self, chunk: bytes, last: bool) -> None:
        """Take a part of the document."""
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            raise MalformedError(
                expected="a whole XML document",
                received=expat.errors.messages.get(error.code, "a fault"),
                where=f"line {error.lineno}",
                advice="fetch it again; what stood before is used",
            ) from None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if len(self.levels) >= DEEPEST:
            raise MalformedError(expected=f"nesting of at most {DEEPEST}", received="more", where=self._line())
        outer = self.levels[-1].kind if self.levels else ""
        kind = attributes.get("TransactionType", outer)
        if kind and kind not in TYPES:
            raise InvalidFieldError(
                expected=f"a TransactionType of {', '.join(sorted(TYPES))}",
                received=repr(kind)[:40],
                where=self._line(),
            )
        level = _Level(name, kind)
        if name in _KEYS:
            oid, repeat = _KEYS[name]
            level.oid = attributes.get(oid, "")
            level.key = f"{level.oid}[{attributes[repeat]}]" if attributes.get(repeat) else level.oid
        elif name == "ClinicalData":
            level.key = attributes.get("StudyOID", "")
        elif name == "SubjectData":
            level.key, self.site = attributes.get("SubjectKey", ""), None
        elif name.startswith("ItemData"):
            level.key, level.value = attributes.get("ItemOID", ""), attributes.get("Value")
            if attributes.get("IsNull", "").lower() in ("yes", "true"):
                level.kind = "Remove" if kind != "Context" else kind
        elif name == "SiteRef" and self._inside("SubjectData"):
            self.site = attributes.get("LocationOID")
        self.levels.append(level)

    def _data(self, text: str) -> None:
        level = self.levels[-1]
        if level.name in ("Value", "DateTimeStamp") or level.name.startswith("ItemData"):
            level.size += len(text)
            if level.size > LONGEST_TEXT:
                raise MalformedError(
                    expected=f"a value of at most {LONGEST_TEXT} characters", received="more", where=self._line()
                )
            level.text.append(text)

    def _end(self, tag: str) -> None:
        level = self.levels.pop()
        text = "".join(level.text).strip()
        if level.name == "DateTimeStamp" and len(self.levels) > 1:
            self.levels[-2].audited = text  # the element that the AuditRecord is of
        elif level.name == "Value" and self.levels and self.levels[-1].name.startswith("ItemData"):
            self.levels[-1].value = text
        elif level.name.startswith("ItemData"):
            self._tell(level, level.key, level.value if level.value is not None else text)
        elif level.name in _DATA and level.name != "ClinicalData" and (not level.inner or level.kind == "Remove"):
            self._tell(level, None, None)
        elif level.inner and self.levels:
            self.levels[-1].inner = True

    def _tell(self, level: _Level, item: str | None, value: str | None) -> None:
        """Put down a transaction; the audit record nearest to it says when it was known."""
        levels = [*self.levels, level]
        audited = next((one.audited for one in reversed(levels) if one.audited), "")
        study = next((one.key for one in levels if one.name == "ClinicalData"), "")
        subject = next((one.key for one in levels if one.name == "SubjectData"), "")
        path = tuple(one.key for one in levels if one.name in _KEYS)
        removed = value if level.kind != "Remove" else None
        self.ready.append(
            Transaction(level.kind or "Upsert", study, subject, self.site, path, item, removed, audited, self._number())
        )
        if self.levels:
            self.levels[-1].inner = True

    def _inside(self, name: str) -> bool:
        return bool(self.levels) and self.levels[-1].name == name

    def _number(self) -> int:
        return self._parser.CurrentLineNumber

    def _line(self) -> str:
        return f"line {self._number()}"


def read_transactions(chunks: Iterable[bytes]) -> Iterator[Transaction]:
    """Read a document in parts.

    Raises
    ------
    InputError
        Where the document breaks off or declares entities; the transactions before it were given.
    """
    reader, size = _Reader(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_DOCUMENT:
            raise MalformedError(expected=f"at most {LARGEST_DOCUMENT} bytes", received="more", where="document")
        yield from _ready(reader, chunk, last=False)
    yield from _ready(reader, b"", last=True)


def _ready(reader: _Reader, chunk: bytes, *, last: bool) -> Iterator[Transaction]:
    fault: MalformedError | InvalidFieldError | None = None
    try:
        reader.feed(chunk, last)
    except (MalformedError, InvalidFieldError) as error:
        fault = error
    yield from reader.ready
    reader.ready.clear()
    if fault is not None:
        raise fault


def _refuse(*_: object) -> int:
    raise MalformedError(
        expected="XML without document type and entities",
        received="a declaration",
        where="document",
        advice="export it without a DTD",
    )
