"""Fields of other people's namespaces: their whole names, and their values at any depth, up to a bound."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from schemas.epcis import MOST_ITEMS, Extension
from schemas.errors import MalformedError

DEEPEST = 10  # fields of extensions within each other
LONGEST_URI = 2048  # as in schemas/epcis.py
LONGEST_TEXT = 100_000

STANDARD_PREFIXES: dict[str, str] = {
    "cbv": "https://ref.gs1.org/cbv/",
    "cbvmda": "urn:epcglobal:cbv:mda",  # as XML documents declare it, so that both forms hash alike
    "epcis": "https://ref.gs1.org/epcis/",
    "gs1": "https://gs1.org/voc/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "dcterms": "http://purl.org/dc/terms/",
}
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_NAMESPACE = re.compile(r"[^{}\x00-\x20\x7f\ud800-\udfff]+")
_NAME = re.compile(r"(?:\{[^{}\x00-\x20\x7f]+\})?[^{}\x00-\x1f\x7f\ud800-\udfff]+")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def read_extension(name: str, value: object, where: str, context: Mapping[str, str], depth: int = 0) -> list[Extension]:
    """Read one field of an object: a list gives several, an object its inner fields.

    Raises
    ------
    MalformedError
        If it is nested deeper than `DEEPEST`, too long, or no name or value at all.
    """
    if depth > DEEPEST:
        raise MalformedError(expected=f"nesting of at most {DEEPEST}", received="more", where=where[:300])
    if isinstance(value, list):
        if len(value) > MOST_ITEMS:
            raise MalformedError(expected=f"at most {MOST_ITEMS} entries", received="more", where=where[:300])
        places = ((item, f"{where}[{n}]") for n, item in enumerate(value))
        return [each for item, place in places for each in read_extension(name, item, place, context, depth + 1)]
    whole = whole_name(name, context)
    if len(whole) > LONGEST_URI or not _NAME.fullmatch(whole):
        raise MalformedError(
            expected="the name of a field, such as `example:field`", received=repr(name)[:80], where=where[:300]
        )
    if not isinstance(value, dict):
        return [Extension(whole, _scalar(value, where))]
    if "@context" in value:
        context = {**context, **prefixes_of(value["@context"])}
    inner = tuple(
        each
        for key, item in value.items()
        if key not in ("@context", "@value")
        for each in read_extension(key, item, f"{where}.{key}", context, depth + 1)
    )
    return [Extension(whole, _scalar(value.get("@value"), where), inner)]


def prefixes_of(context: object) -> dict[str, str]:
    """Read the prefixes of a JSON-LD `@context`: a map, or a list with maps in it. Other parts say nothing here."""
    found: dict[str, str] = {}
    for part in context if isinstance(context, list) else [context]:
        if isinstance(part, dict):
            found.update(
                (name, value)
                for name, value in part.items()
                if isinstance(value, str)
                and isinstance(name, str)
                and len(value) <= LONGEST_URI
                and _PREFIX.fullmatch(name)
                and _NAMESPACE.fullmatch(value)
            )
    return found


def whole_name(name: str, context: Mapping[str, str]) -> str:
    """Write a field's name out as `{namespace}local`, whether it came with a prefix or as a URI.

    Examples
    --------
    >>> whole_name("ex:lot", {"ex": "https://ns.example.com/epcis/"})
    '{https://ns.example.com/epcis/}lot'
    """
    if name.startswith("{") or ":" not in name:
        return name
    prefix, _, local = name.partition(":")
    namespace = context.get(prefix) or STANDARD_PREFIXES.get(prefix)
    if namespace is not None and not local.startswith("//"):
        return f"{{{namespace}}}{local}"
    cut = max(name.rfind("/"), name.rfind("#"))
    if local.startswith("//") and cut > len(prefix) + 2:
        return f"{{{name[: cut + 1]}}}{name[cut + 1 :]}"
    return name


def said(value: object) -> str:
    """Show what came, shortened."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value)[:80]


def _scalar(value: object, where: str) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or CONTROL.search(value):
            raise MalformedError(
                expected=f"a text of at most {LONGEST_TEXT} printable characters",
                received=repr(value)[:80],
                where=where[:300],
            )
        return value
    if isinstance(value, int) and abs(value) < 1 << 63:
        return value
    if isinstance(value, int | float):
        number = to_float(value)
        if number is not None and math.isfinite(number):
            return number
    raise MalformedError(expected="a text, number, true or false", received=said(value), where=where[:300])


def to_float(value: str | float) -> float | None:
    """Give a number, or None where it is none or endless in digits."""
    convert: Callable[[str | float], float] = float
    try:
        return convert(value)
    except (ValueError, OverflowError):
        return None
