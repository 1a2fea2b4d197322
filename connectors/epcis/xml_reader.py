"""EPCIS in XML, by expat: the events of a document as objects with the names that the JSON form has.

The wrappers that EPCIS 1.x put around later fields (`extension`, `baseExtension`) are looked through. A document type
declaration, and with it every entity, is refused before anything of it is used. Bounds: `DEEPEST`, `MOST_ELEMENTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from schemas.epcis import MOST_ITEMS
from schemas.errors import InputError, InvalidFieldError, MalformedError

DEEPEST = 64
MOST_ELEMENTS = 10 * MOST_ITEMS  # of one event
LONGEST_TEXT = 100_000  # characters of one element
_CHUNK = 1 << 16
WRAPPED = "@wrapped"  # names of an event's fields that stood in wrappers, where a later version may add its own
_ROOTS = frozenset({"EPCISDocument", "EPCISQueryDocument"})
_WRAPPERS = frozenset({"extension", "baseExtension"})
_OURS = ("urn:epcglobal:epcis:xsd:", "urn:epcglobal:epcis-query:xsd:")
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


class XmlEvent(NamedTuple):
    """One event as an object; `where` begins the path of its fields."""

    fields: dict[str, object]
    where: str
    number: int
    context: dict[str, str]


@dataclass(slots=True)
class _Element:
    name: str
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    size: int = 0
    nil: bool = False  # `xsi:nil`: it says itself that it has no value

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


class _Reader:
    """Expat's handlers. Events that are complete wait in `ready`."""

    def __init__(self) -> None:
        self.ready: list[XmlEvent] = []
        self.index = 0
        self.context: dict[str, str] = {}
        self.faults: list[InputError] = []  # of the document's own attributes
        self._path: list[str] = []
        self._open: list[_Element] = []  # from the event's element to the one at hand
        self._count = 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.StartNamespaceDeclHandler = self._prefix
        self.parser.StartDoctypeDeclHandler = _doctype
        self.parser.EntityDeclHandler = _refuse
        self.parser.ExternalEntityRefHandler = _refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _name(tag)
        if len(self._path) >= DEEPEST:
            raise self._bad(f"nesting of at most {DEEPEST}", "more")
        if not self._path and name not in _ROOTS:
            raise self._bad(f"a document of {' or '.join(sorted(_ROOTS))}", f"{name[:60]!r}")
        if not self._path:
            self.faults = [
                InvalidFieldError(expected="a value", received="nothing", where=needed)
                for needed in ("schemaVersion", "creationDate")
                if not attributes.get(needed)
            ]
        if self._open or self._begins_event(name):
            self._count += 1
            if self._count > MOST_ELEMENTS:
                raise self._bad(f"at most {MOST_ELEMENTS} elements of an event", "more")
            nil = attributes.get(f"{_XSI} nil") in ("true", "1")
            element = _Element(name, _attributes(attributes), nil=nil)
            if self._open:
                self._open[-1].children.append(element)
            self._open.append(element)
        self._path.append(name)

    def _begins_event(self, name: str) -> bool:
        """What stands in `EventList`, directly or in a wrapper, is an event."""
        outer = next((name for name in reversed(self._path) if name not in _WRAPPERS), "")
        return outer == "EventList" and name not in _WRAPPERS

    def _data(self, text: str) -> None:
        if self._open:
            element = self._open[-1]
            element.size += len(text)
            if element.size > LONGEST_TEXT:
                raise self._bad(f"a text of at most {LONGEST_TEXT} characters", "more")
            element.parts.append(text)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if not self._open:
            return
        element = self._open.pop()
        if not self._open:
            where = f"EventList[{self.index}]"
            self.ready.append(XmlEvent(_event(element), where, self.index, dict(self.context)))
            self.index += 1
            self._count = 0

    def _prefix(self, prefix: str | None, uri: str | None) -> None:
        if prefix and uri and not uri.startswith(_OURS) and uri != _XSI:
            self.context[prefix] = uri

    def _bad(self, expected: str, received: str) -> MalformedError:
        return MalformedError(
            expected=expected, received=received, where=f"line {self.parser.CurrentLineNumber}, EventList[{self.index}]"
        )


def read_xml(payload: bytes) -> Iterator[XmlEvent | InputError]:
    """Give what the document itself lacks, its events, and last the error where it breaks off."""
    reader = _Reader()
    fault: InputError | None = None
    starts = range(0, len(payload) + 1, _CHUNK)
    for start in starts:
        try:
            reader.parser.Parse(payload[start : start + _CHUNK], start == starts[-1])
        except expat.ExpatError as error:
            fault = MalformedError(
                expected="a whole XML document",
                received=expat.errors.messages.get(error.code, "a fault"),
                where=f"line {error.lineno}, EventList[{reader.index}]",
                advice="fetch it again; what stood before is used",
            )
        except InputError as error:
            fault = error
        except (ValueError, LookupError) as error:  # an encoding that nobody here knows
            fault = MalformedError(expected="a whole XML document", received=str(error)[:120], where="document")
        yield from reader.faults
        yield from reader.ready
        reader.faults.clear()
        reader.ready.clear()
        if fault is not None:
            yield fault
            return


def _event(element: _Element) -> dict[str, object]:
    fields: dict[str, object] = {"type": element.name}
    direct = {child.name for child in element.children}
    wrapped = [child.name for child in _children(element) if child.name not in direct]
    if wrapped:
        fields[WRAPPED] = wrapped
    for child in _children(element):
        shape = _SHAPES.get(child.name)
        if child.name == "certificationInfo":
            known = fields.setdefault(child.name, [])
            assert isinstance(known, list)
            known.append(child.text)
        else:
            _put(fields, child.name, _any(child) if shape is None else shape(child))
    return fields


def _children(element: _Element) -> Iterator[_Element]:
    """Give the children, those within wrappers too."""
    for child in element.children:
        if child.name in _WRAPPERS:
            yield from _children(child)
        else:
            yield child


def _put(fields: dict[str, object], name: str, value: object) -> None:
    """Set a field; given again it becomes a list, as JSON has it."""
    if name not in fields:
        fields[name] = value
        return
    before = fields[name]
    fields[name] = [*before, value] if isinstance(before, list) else [before, value]


def _any(element: _Element) -> object:
    """Give an element as a text, or as an object where it has attributes or children."""
    if not element.attributes and not element.children:
        return element.text or (None if element.name.startswith("{") else "")
    fields: dict[str, object] = dict(element.attributes)
    for child in element.children:
        _put(fields, child.name, _any(child))
    if element.text:
        fields["@value"] = element.text
    return fields


def _texts(element: _Element) -> object:
    return [child.text if not child.children else _any(child) for child in element.children]


def _objects(element: _Element) -> object:
    return [_object(child) for child in element.children]


def _object(element: _Element) -> object:
    """Give an element as an object, empty or not; a field of EPCIS that is nil is none."""
    fields: dict[str, object] = dict(element.attributes)
    for child in _children(element):
        value = _any(child)
        if not (child.nil and value == ""):
            _put(fields, child.name, value)
    return fields


def _typed(element: _Element) -> object:
    """`<source type="...">id</source>` is an object of two fields in JSON."""
    return [
        {**child.attributes, child.name: child.text, **{inner.name: _any(inner) for inner in child.children}}
        for child in element.children
    ]


def _persistent(element: _Element) -> object:
    fields: dict[str, list[str]] = {}
    for child in element.children:
        fields.setdefault(child.name, []).append(child.text)
    return fields


def _error(element: _Element) -> object:
    fields: dict[str, object] = {}
    for child in _children(element):
        _put(fields, child.name, _texts(child) if child.name == "correctiveEventIDs" else _any(child))
    return fields


def _sensors(element: _Element) -> object:
    return [_sensor(child) for child in element.children]


def _sensor(element: _Element) -> object:
    fields: dict[str, object] = dict(element.attributes)
    reports = [_object(child) for child in element.children if child.name == "sensorReport"]
    for child in _children(element):
        if child.name == "sensorMetadata":
            _put(fields, child.name, _object(child))
        elif child.name != "sensorReport":
            _put(fields, child.name, _any(child))
    return {**fields, "sensorReport": reports}


_SHAPES: dict[str, Callable[[_Element], object]] = {
    "epcList": _texts,
    "childEPCs": _texts,
    "inputEPCList": _texts,
    "outputEPCList": _texts,
    "quantityList": _objects,
    "childQuantityList": _objects,
    "inputQuantityList": _objects,
    "outputQuantityList": _objects,
    "bizTransactionList": _typed,
    "sourceList": _typed,
    "destinationList": _typed,
    "readPoint": _object,
    "bizLocation": _object,
    "ilmd": _object,
    "persistentDisposition": _persistent,
    "errorDeclaration": _error,
    "sensorElementList": _sensors,
}


def _name(tag: str) -> str:
    """Write a name as `{namespace}local`; those of EPCIS itself stand bare."""
    namespace, _, local = tag.rpartition(" ")
    return local if not namespace or namespace.startswith(_OURS) else f"{{{namespace}}}{local}"


def _attributes(attributes: dict[str, str]) -> dict[str, str]:
    """Name the attributes; what XML Schema says of an element is no content, its type is kept as JSON-LD has it."""
    named: dict[str, str] = {}
    for tag, value in attributes.items():
        if not tag.startswith(_XSI):
            named[_name(tag)] = value
        elif tag == f"{_XSI} type":
            named["@type"] = value
    return named


def _doctype(_name: str, system_id: str | None, public_id: str | None, has_subset: int) -> None:
    """A declaration that says the name of the document alone declares nothing; any other is refused."""
    if system_id or public_id or has_subset:
        _refuse()


def _refuse(*_: object) -> int:
    raise MalformedError(
        expected="XML without document type and entities",
        received="a declaration",
        where="document",
        advice="export it without a DTD",
    )
