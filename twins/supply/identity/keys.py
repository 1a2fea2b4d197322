"""GS1 keys: products, patients, shippers, places, returnable dewars, documents; as numbers, scans and web addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from schemas.errors import InvalidFieldError
from twins.supply.identity.check import check_mod10

GROUP_SEPARATOR = "\x1d"  # FNC1 as scanners send it
# GS1 character set 82 (General Specifications, figure 7.11-1).
_CSET82 = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A key: its name, its digits (the last a check digit; 0: none), and most characters of its serial after them."""

    name: str
    digits: int
    serial: int = 0
    filler: int = 0  # zeros before the number in an element string


# GS1 General Specifications, section 3: application identifier to key.
_SHAPES = {
    "00": _Shape("SSCC", 18),
    "01": _Shape("GTIN", 14),
    "253": _Shape("GDTI", 13, 17),
    "414": _Shape("GLN", 13),
    "417": _Shape("GLN", 13),  # of a party
    "8003": _Shape("GRAI", 13, 16, 1),
    "8004": _Shape("GIAI", 0, 30),
    "8017": _Shape("GSRN", 18),  # provider
    "8018": _Shape("GSRN", 18),  # recipient: the patient
}
# What may stand beside a key in a scan: application identifier to (digits, most other characters).
_BESIDE = {"10": 20, "21": 20, "22": 20, "254": 20, "8019": 10}
_DATES = ("11", "13", "15", "16", "17")  # six digits
_SET_LENGTH = {"00": 18, "01": 14, "414": 13, "417": 13, "8017": 18, "8018": 18, **dict.fromkeys(_DATES, 6)}
_SHORTER = {8: "GTIN-8", 12: "GTIN-12", 13: "GTIN-13", 14: "GTIN-14"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `ai` is its application identifier, `number` its digits with the check digit, `serial` what follows."""

    ai: str
    number: str
    serial: str = ""
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What kind of key it is, such as GSRN."""
        return _SHAPES[self.ai].name

    @property
    def text(self) -> str:
        """The key itself, without application identifiers."""
        return self.number + self.serial


def make_key(ai: str, text: str, beside: tuple[tuple[str, str], ...] = ()) -> Key:
    """Make a key of its application identifier and its characters; a shorter GTIN is filled up with zeros.

    Raises
    ------
    InvalidFieldError
        If length, characters or check digit are wrong.

    Examples
    --------
    >>> make_key("00", "040123450000001112").name
    'SSCC'
    """
    shape = _SHAPES.get(ai)
    if shape is None:
        raise _wrong(f"one of {', '.join(sorted(_SHAPES))}", repr(ai), "application identifier", "it is no key")
    where = f"{shape.name} ({ai})"
    if ai == "01":
        if len(text) not in _SHORTER:
            raise _wrong("8, 12, 13 or 14 digits", repr(text)[:60], where, "read it again")
        text = text.rjust(14, "0")
    number, serial = text[: shape.digits], text[shape.digits :]
    if shape.digits:
        if len(number) != shape.digits:
            raise _wrong(f"{shape.digits} digits", repr(text)[:60], where, "read it again")
        check_mod10(number, where)
    elif not serial:
        raise _wrong("1 to 30 characters", "none", where, "read it again")
    if len(serial) > shape.serial or (serial and _CSET82.fullmatch(serial) is None):
        most = f"at most {shape.serial} characters of GS1's set 82" if shape.serial else "nothing"
        raise _wrong(f"{most} after the number", repr(serial)[:60], where, "read it again")
    return Key(ai, number, serial, beside)


def read_elements(text: str) -> list[tuple[str, str]]:
    """Split an element string into application identifiers and values, in brackets as printed or raw as scanned.

    Raises
    ------
    InvalidFieldError
        If an identifier is unknown or a value too short.

    Examples
    --------
    >>> read_elements("(01)04012345000009(21)A1")
    [('01', '04012345000009'), ('21', 'A1')]
    """
    body = text.strip()
    if body.startswith("("):
        parts = re.findall(r"\((\d{2,4})\)((?:[^(]|\((?!\d{2,4}\)))*)", body)
        if "".join(f"({ai}){value}" for ai, value in parts) != body:
            raise _wrong("(nn)value pairs", repr(text)[:80], "element string", "scan it again")
        return [(_known(ai), value) for ai, value in parts]
    return _read_raw(body.removeprefix("]d2").removeprefix("]C1").lstrip(GROUP_SEPARATOR))


def _read_raw(body: str) -> list[tuple[str, str]]:
    found = []
    while body:
        ai = next((body[:size] for size in (2, 3, 4) if _is_known(body[:size])), None)
        if ai is None:
            raise _wrong("a known application identifier", repr(body[:8]), "element string", "scan it again")
        rest = body[len(ai) :]
        size = _SET_LENGTH.get(ai)
        if size is not None:
            value, body = rest[:size], rest[size:].removeprefix(GROUP_SEPARATOR)
        else:
            value, _, body = rest.partition(GROUP_SEPARATOR)
        found.append((ai, value))
    return found


def read_key(text: str) -> Key:
    """Read a key from an element string or a GS1 Digital Link address.

    Raises
    ------
    InvalidFieldError
        If there is none, there are several, or it is wrong.

    Examples
    --------
    >>> read_key("https://id.gs1.org/01/04012345000009/21/A1").beside
    (('21', 'A1'),)
    """
    pairs = _read_link(text) if "://" in text else read_elements(text)
    keys = [(ai, value) for ai, value in pairs if ai in _SHAPES]
    if not keys or len({ai for ai, _ in keys}) > 1 or len(keys) > 1:
        raise _wrong("one GS1 key", f"{len(keys)}", repr(text)[:80], "scan the label of one thing")
    beside = tuple((ai, _check_beside(ai, value)) for ai, value in pairs if ai not in _SHAPES)
    ai, value = keys[0]
    filler = _SHAPES[ai].filler
    if filler:
        if value[:filler] != "0" * filler:
            raise _wrong("a 0 before the number", repr(value)[:60], f"{_SHAPES[ai].name} ({ai})", "scan it again")
        value = value[filler:]
    return make_key(ai, value, beside)


def _read_link(text: str) -> list[tuple[str, str]]:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise _wrong("an https address", repr(text)[:80], "GS1 Digital Link", "scan it again")
    path = [unquote(part) for part in parts.path.split("/") if part]
    start = next((place for place, part in enumerate(path) if part in _SHAPES), None)
    if start is None or (len(path) - start) % 2:
        raise _wrong("pairs of identifier and value in the path", repr(text)[:80], "GS1 Digital Link", "scan it again")
    pairs = list(zip(path[start::2], path[start + 1 :: 2], strict=True))
    asked = [part.partition("=") for part in parts.query.split("&") if part]
    return [*((_known(ai), value) for ai, value in pairs), *((k, unquote(v)) for k, _, v in asked if _is_known(k))]


def as_elements(key: Key, brackets: bool = True) -> str:
    """Write a key as an element string, in brackets as printed, or raw as scanned.

    Examples
    --------
    >>> as_elements(make_key("8003", "0401234500005A1"))
    '(8003)00401234500005A1'
    """
    pairs = [(key.ai, "0" * _SHAPES[key.ai].filler + key.text), *key.beside]
    if brackets:
        return "".join(f"({ai}){value}" for ai, value in pairs)
    text = ""
    for place, (ai, value) in enumerate(pairs):
        last = place == len(pairs) - 1
        text += ai + value + ("" if last or ai in _SET_LENGTH else GROUP_SEPARATOR)
    return text


def as_link(key: Key, domain: str = "https://id.gs1.org") -> str:
    """Write a key as a GS1 Digital Link address.

    Examples
    --------
    >>> as_link(make_key("00", "040123450000001112"))
    'https://id.gs1.org/00/040123450000001112'
    """
    pairs = [(key.ai, "0" * _SHAPES[key.ai].filler + key.text)]
    path = [one for one in key.beside if one[0] in _QUALIFIERS.get(key.ai, ())]
    path.sort(key=lambda one: _QUALIFIERS[key.ai].index(one[0]))
    asked = [one for one in key.beside if one not in path]
    text = domain.rstrip("/") + "".join(f"/{ai}/{quote(value, safe='')}" for ai, value in [*pairs, *path])
    return text + ("?" + "&".join(f"{ai}={quote(value, safe='')}" for ai, value in asked) if asked else "")


_QUALIFIERS = {"01": ("22", "10", "21"), "414": ("254",), "8017": ("8019",), "8018": ("8019",)}  # Digital Link 1.2, 4.9


def _is_known(ai: str) -> bool:
    return ai in _SHAPES or ai in _BESIDE or ai in _DATES


def _known(ai: str) -> str:
    if not _is_known(ai):
        raise _wrong("a known application identifier", repr(ai), "element string", "leave it out, or scan it again")
    return ai


def _check_beside(ai: str, value: str) -> str:
    if ai in _DATES:
        if not re.fullmatch(r"\d{6}", value):
            raise _wrong("a date of six digits, YYMMDD", repr(value)[:60], f"({ai})", "scan it again")
    elif not 1 <= len(value) <= _BESIDE[ai] or _CSET82.fullmatch(value) is None:
        raise _wrong(f"1 to {_BESIDE[ai]} characters of GS1's set 82", repr(value)[:60], f"({ai})", "scan it again")
    return value


def _wrong(expected: str, received: str, where: str, advice: str) -> InvalidFieldError:
    return InvalidFieldError(expected=expected, received=received, where=where, advice=advice)
