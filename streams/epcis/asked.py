"""A query of EPCIS 2.0: its parameters, read and checked, whether they came in an address or in a named query.

Identifiers become canonical and words bare, so that any spelling finds any other.

Source: GS1, EPCIS 2.0 (2022), section 8.2.7.1 (SimpleEventQuery).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from connectors.epcis import canonical
from connectors.epcis.moments import moment_at
from connectors.epcis.vocabulary import BIZ_STEP, DISPOSITION, ERROR, PARTY, TRANSACTION, Words, bare
from schemas.errors import InputError
from streams.api.problems import ProblemError
from streams.ledger import epcis_index as index
from streams.ledger.epcis_reads import MOST_ON_PAGE, EventQuery, Has

MOST_VALUES = 200  # of one parameter
LONGEST_VALUE = 2048
MOST_PARAMETERS = 40
DEFAULT_PAGE = 30
KINDS = ("ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent")
PAGING = ("perPage", "nextPageToken")
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)

Given = Mapping[str, Sequence[str]]


class Asked(Struct, frozen=True):
    """What is asked, and how it is to be handed over. `most` is the eventCountLimit, `too_many` the maxEventCount."""

    query: EventQuery
    most: int | None = None
    too_many: int | None = None


def refuse(name: str, expected: str, received: object) -> ProblemError:
    """Say which parameter is wrong."""
    return ProblemError(
        400,
        f"expected {expected}, received {str(received)[:80]!r}, in {name[:80]}",
        type="epcisException:QueryParameterException",
        parameter=name[:80],
    )


def read_query(given: Given) -> Asked:
    """Read parameters, each with its values. Raises ProblemError 400 that names the parameter."""
    if len(given) > MOST_PARAMETERS:
        raise refuse("query", f"at most {MOST_PARAMETERS} parameters", len(given))
    query, more = EventQuery(), _More()
    for name, said in given.items():
        values = tuple(dict.fromkeys(said))
        if not values or len(values) > MOST_VALUES or not all(0 < len(each) <= LONGEST_VALUE for each in values):
            raise refuse(name, f"1 to {MOST_VALUES} values of at most {LONGEST_VALUE} characters", values[:1])
        if "\x00" in "".join(values):
            raise refuse(name, "text without zero bytes", "one with")
        _take(query, more, name, values)
    if more.most is not None and more.too_many is not None:
        raise refuse("maxEventCount", "eventCountLimit or maxEventCount, not both", "both")
    query.newest_first = (more.direction or "DESC") == "DESC" if query.by else False
    if more.direction and not query.by:
        raise refuse("orderDirection", "orderBy beside it", "none")
    return Asked(query, more.most, more.too_many)


def given_of(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather the parameters of an address, each with its values."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    return given


def read_page(given: Given) -> tuple[int, str | None]:
    """Read perPage and nextPageToken."""
    size = DEFAULT_PAGE
    for text in given.get("perPage", ())[:1]:
        size = _count("perPage", text)
    if not 1 <= size <= MOST_ON_PAGE:
        raise refuse("perPage", f"1 to {MOST_ON_PAGE}", size)
    return size, next(iter(given.get("nextPageToken", ())), None)


def read_stored(document: Mapping[str, object]) -> dict[str, list[str]]:
    """Bring the `query` of a named query into the shape of an address' parameters: a list of texts each.

    Raises
    ------
    ProblemError
        400, if a value is neither text, number, truth nor a list of them.
    """
    given: dict[str, list[str]] = {}
    for name, value in document.items():
        if name == "@context" or name in PAGING:
            raise refuse(name, "parameters of a query", name)
        many = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str | int) for each in many):
            raise refuse(name, "a text, or a list of texts", value)
        given[name] = [str(each).lower() if isinstance(each, bool) else str(each) for each in many]
    return given


class _More:
    """What is no condition on events."""

    def __init__(self) -> None:
        self.direction: str = ""
        self.most: int | None = None
        self.too_many: int | None = None


def _take(query: EventQuery, more: _More, name: str, values: tuple[str, ...]) -> None:
    if name in _SETS:
        column, read = _SETS[name]
        query.among.append((column, tuple(read(value) for value in _split(values))))
    elif name in _TIMES:
        column, low = _TIMES[name]
        (query.since if low else query.until).append((column, _moment(name, _single(name, values))))
    elif name in _WITHIN:
        query.within.append((_WITHIN[name], tuple(canonical(value) for value in _split(values))))
    elif name in _HAS:
        fields, read = _HAS[name]
        query.has.append(Has(fields, tuple(read(value) for value in _split(values))))
    elif name in _MATCH:
        _match(query, _MATCH[name], name, _split(values))
    elif name.startswith(tuple(_TYPED)):
        prefix = next(each for each in _TYPED if name.startswith(each))
        field, words = _TYPED[prefix]
        kind = bare(name.removeprefix(prefix), words)
        query.has.append(Has((field + kind,), tuple(canonical(value) for value in _split(values))))
    else:
        _order(query, more, name, _single(name, values))


def _order(query: EventQuery, more: _More, name: str, value: str) -> None:
    if name == "orderBy":
        if value not in ("eventTime", "recordTime"):
            raise refuse(name, "eventTime or recordTime", value)
        query.by = "event_time" if value == "eventTime" else "record_time"
    elif name == "orderDirection":
        if value not in ("ASC", "DESC"):
            raise refuse(name, "ASC or DESC", value)
        more.direction = value
    elif name == "eventCountLimit":
        more.most = _positive(name, value)
    elif name == "maxEventCount":
        more.too_many = _positive(name, value)
    elif name == "EXISTS_errorDeclaration":
        if value not in ("true", "false", ""):
            raise refuse(name, "true or false", value)
        query.declared = value != "false"
    else:
        raise refuse(name, "a parameter that docs/supply_epcis_api.md lists", name)


def _match(query: EventQuery, fields: tuple[str, ...], name: str, values: Iterable[str]) -> None:
    whole: list[str] = []
    begins: list[str] = []
    for value in values:
        if "*" not in value:
            whole.append(canonical(value))
            continue
        link = canonical(value)  # a pattern whose last part alone is open becomes the link of what stands before
        if "*" in link:
            raise refuse(name, "an identifier, or a pattern (urn:epc:idpat:) whose last part alone is *", value)
        whole.append(link)
        begins.append(link + _BETWEEN.get(value.split(":")[3], "/"))
    query.has.append(Has(fields, tuple(whole), tuple(begins)))


def _split(values: Sequence[str]) -> list[str]:
    """A list of words may come as several values or in one, parted by `|` (EPCIS 2.0, 12.7.1)."""
    return [part for value in values for part in value.split("|") if part]


def _single(name: str, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise refuse(name, "one value", f"{len(values)} values")
    return values[0]


def _moment(name: str, text: str) -> int:
    try:  # a `+` that came unescaped arrives as a space
        return moment_at(text.replace(" ", "+"), name)
    except InputError as error:
        raise refuse(name, error.expected, text) from None


def _count(name: str, text: str) -> int:
    if _COUNT.fullmatch(text) is None:
        raise refuse(name, "a whole number", text)
    return int(text)


def _positive(name: str, text: str) -> int:
    number = _count(name, text)
    if number < 1:
        raise refuse(name, "a number of 1 or more", text)
    return number


def _word(words: Words) -> Callable[[str], str]:
    return lambda text: bare(text, words)


def _kind(text: str) -> str:
    if text not in KINDS:
        raise refuse("eventType", f"one of {', '.join(KINDS)}", text)
    return text


def _action(text: str) -> str:
    if text not in ("ADD", "OBSERVE", "DELETE"):
        raise refuse("EQ_action", "ADD, OBSERVE or DELETE", text)
    return text


Column = Literal["event_time", "record_time", "error_time"]
# What follows the class before a serial: of some keys the serial stands at once behind.
_BETWEEN = {"grai": "", "gdti": "", "sgcn": ""}
_SETS: dict[str, tuple[str, Callable[[str], str]]] = {
    "eventType": ("kind", _kind),
    "EQ_action": ("action", _action),
    "EQ_bizStep": ("biz_step", _word(BIZ_STEP)),
    "EQ_disposition": ("disposition", _word(DISPOSITION)),
    "EQ_readPoint": ("read_point", canonical),
    "EQ_bizLocation": ("biz_location", canonical),
}
_WITHIN = {"WD_readPoint": "read_point", "WD_bizLocation": "biz_location"}
_TIMED: dict[str, Column] = {
    "eventTime": "event_time",
    "recordTime": "record_time",
    "errorDeclarationTime": "error_time",
}
_TIMES = {f"{bound}_{name}": (column, bound == "GE") for bound in ("GE", "LT") for name, column in _TIMED.items()}
_HAS: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "EQ_eventID": ((index.ID,), str),
    "EQ_transformationID": ((index.TRANSFORMATION,), canonical),
    "EQ_errorReason": ((index.REASON,), _word(ERROR)),
    "EQ_correctiveEventID": ((index.CORRECTIVE,), str),
    "EQ_persistentDisposition_set": ((index.SET,), _word(DISPOSITION)),
    "EQ_persistentDisposition_unset": ((index.UNSET,), _word(DISPOSITION)),
}
_MATCH: dict[str, tuple[str, ...]] = {
    "MATCH_epc": (index.EPC,),
    "MATCH_parentID": (index.PARENT,),
    "MATCH_inputEPC": (index.INPUT,),
    "MATCH_outputEPC": (index.OUTPUT,),
    "MATCH_anyEPC": index.THINGS,
    "MATCH_epcClass": (index.CLASS,),
    "MATCH_inputEPCClass": (index.INPUT_CLASS,),
    "MATCH_outputEPCClass": (index.OUTPUT_CLASS,),
    "MATCH_anyEPCClass": index.CLASSES,
}
_TYPED = {
    "EQ_bizTransaction_": (index.TRANSACTION, TRANSACTION),
    "EQ_source_": (index.SOURCE, PARTY),
    "EQ_destination_": (index.DESTINATION, PARTY),
}
NAMES = (*_SETS, *_TIMES, *_WITHIN, *_HAS, *_MATCH, *(f"{each}<type>" for each in _TYPED))
