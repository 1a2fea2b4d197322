"""GS1 keys: an EPC URN as canonical GS1 Digital Link URI, and a Digital Link of any host as the canonical one.

An identifier that is no GS1 key (ADI, GID, USDOD, IMOVN, BIC, a private URI), or a URN that breaks its key's rule,
stays as it is. What a URN escapes (`%2F`) is escaped alike in a Digital Link.

Source: GS1, EPC Tag Data Standard 2.0, section 6.3 and 7; GS1 Digital Link: URI Syntax 1.2, section 4; CBV 2.0, 8.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

HOST = "https://id.gs1.org/"
_PREFIX = range(6, 13)  # digits that a company prefix may have
_CACHED = 65_536  # identifiers remembered; the same ones come scan after scan

_TAIL = r"[^/]+"
# Primary key by application identifier: the pattern of its value, and the qualifiers that may follow.
_KEYS: dict[str, tuple[re.Pattern[str], tuple[str, ...]]] = {
    "00": (re.compile(r"\d{18}"), ()),
    "01": (re.compile(r"\d{14}|\d{13}|\d{12}|\d{8}"), ("22", "10", "21", "235")),
    "253": (re.compile(r"\d{13}[^/]{0,17}"), ()),
    "255": (re.compile(r"\d{13}\d{0,12}"), ()),
    "401": (re.compile(r"\d{6,}[^/]*"), ()),
    "402": (re.compile(r"\d{17}"), ()),
    "414": (re.compile(r"\d{13}"), ("254",)),
    "417": (re.compile(r"\d{13}"), ("7040",)),
    "8003": (re.compile(r"\d{14}[^/]{0,16}"), ()),
    "8004": (re.compile(r"\d{6,}[^/]*"), ("7040",)),
    "8006": (re.compile(r"\d{18}"), ("22", "10", "21")),
    "8010": (re.compile(r"\d{6,}[^/]*"), ("8011",)),
    "8013": (re.compile(_TAIL), ()),
    "8017": (re.compile(r"\d{18}"), ("8019",)),
    "8018": (re.compile(r"\d{18}"), ("8019",)),
}

# Names that earlier Digital Links had for application identifiers (GS1 Digital Link: URI Syntax 1.1, section 3.4).
_NAMES = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017", "gsrn": "8018",
    "gcn": "255", "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004",
    "cpv": "22", "lot": "10", "ser": "21", "glnx": "254", "cpsn": "8011", "refno": "8020", "srin": "8019",
}  # fmt: skip


def check_digit(payload: str) -> str:
    """Give the GS1 check digit of a key's other digits: weights 3, 1, 3, 1 from the right.

    Examples
    --------
    >>> check_digit("04012345000000111")
    '2'
    """
    total = sum(int(digit) * (1 if n % 2 else 3) for n, digit in enumerate(reversed(payload)))
    return str(-total % 10)


@lru_cache(maxsize=_CACHED)
def canonical(identifier: str) -> str:
    """Give the canonical GS1 Digital Link of a GS1 key; anything else as it is.

    Examples
    --------
    >>> canonical("urn:epc:id:sgtin:4012345.011111.9876")
    'https://id.gs1.org/01/04012345111118/21/9876'
    >>> canonical("https://example.com/some/path/01/04012345111118/21/9876?exp=271231")
    'https://id.gs1.org/01/04012345111118/21/9876'
    >>> canonical("urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52")
    'urn:epc:id:adi:W81X9C.3KL984PX1.2WMA52'
    """
    if identifier.startswith("urn:epc:"):
        link = _from_urn(identifier)
        return identifier if link is None else HOST + link
    if identifier.startswith(("https://", "http://")):
        return _from_web(identifier)
    return identifier


def key_of(identifier: str) -> tuple[str, str] | None:
    """Give application identifier and value of the primary key that an identifier names, or None.

    Examples
    --------
    >>> key_of("urn:epc:id:grai:4012345.66666.87"), key_of("https://example.com/x")
    (('8003', '0401234566666387'), None)
    """
    link = canonical(identifier)
    if not link.startswith(HOST):
        return None
    parts = link.removeprefix(HOST).split("/")
    return (parts[0], parts[1]) if len(parts) > 1 and parts[0] in _KEYS else None


def _from_web(uri: str) -> str:
    """Find the key at the end of a web address' path. GTINs of 8, 12 and 13 digits are filled up to 14."""
    path = uri.partition("#")[0].partition("?")[0].rstrip("/")
    parts = path.split("/")
    parts = parts[:3] + [_NAMES.get(part, part) for part in parts[3:]]
    for at in range(len(parts) - 2, 2, -1):
        if parts[at] in _KEYS and (len(parts) - at) % 2 == 0:
            pattern, qualifiers = _KEYS[parts[at]]
            if not pattern.fullmatch(parts[at + 1]):
                continue
            if all(name in qualifiers for name in parts[at + 2 :: 2]) and all(parts[at + 3 :: 2]):
                value = parts[at + 1].zfill(14) if parts[at] == "01" else parts[at + 1]
                return HOST + "/".join((parts[at], value, *parts[at + 2 :]))
    return uri


def _from_urn(urn: str) -> str | None:
    parts = urn.split(":", 4)
    if len(parts) < 5:
        return None
    kind, scheme, body = parts[2], parts[3], parts[4]
    rule = _URNS.get((kind, scheme))
    if rule is None:
        return None
    count, build = rule
    pieces = body.split(".", count - 1)
    # a company prefix of 12 digits leaves no reference where both have 12; a serial is never empty
    if len(pieces) != count or (count > 2 and not pieces[-1]):
        return None
    if not (pieces[0].isascii() and pieces[0].isdecimal() and len(pieces[0]) in _PREFIX):
        return None
    if kind == "idpat" and (pieces[-1] != "*" or "*" in pieces[:-1]):
        return None
    return build(*pieces)


def _digits(prefix: str, reference: str, length: int) -> str | None:
    """Put prefix and reference together where they are digits of the right number."""
    whole = prefix + reference
    return whole if len(whole) == length and whole.isascii() and whole.isdecimal() else None


def _gtin(prefix: str, reference: str) -> str | None:
    """The first digit of the item reference is the indicator, which leads a GTIN-14."""
    whole = _digits(prefix, reference, 13)
    if whole is None or not reference:
        return None
    payload = reference[0] + prefix + reference[1:]
    return payload + check_digit(payload)


def _trade_item(qualifier: str) -> Callable[..., str | None]:
    def build(prefix: str, reference: str, serial: str) -> str | None:
        gtin = _gtin(prefix, reference)
        return None if gtin is None else f"01/{gtin}" + ("" if serial == "*" else f"/{qualifier}/{serial}")

    return build


def _piece(prefix: str, reference: str, piece: str, total: str, serial: str) -> str | None:
    gtin = _gtin(prefix, reference)
    if gtin is None or not (piece + total).isdecimal() or len(piece) != 2 or len(total) != 2:
        return None
    return f"8006/{gtin}{piece}{total}" + ("" if serial == "*" else f"/21/{serial}")


def _sscc(prefix: str, reference: str) -> str | None:
    if _digits(prefix, reference, 17) is None:
        return None
    payload = reference[0] + prefix + reference[1:]
    return f"00/{payload}{check_digit(payload)}"


def _checked(identifier: str, length: int, lead: str = "") -> Callable[..., str | None]:
    """Keys of prefix, reference, check digit and, some, a serial that follows at once."""

    def build(prefix: str, reference: str = "", serial: str = "") -> str | None:
        whole = _digits(prefix, reference, length)
        if whole is None:
            return None
        return f"{identifier}/{lead}{whole}{check_digit(whole)}" + ("" if serial == "*" else serial)

    return build


def _place(prefix: str, reference: str, extension: str) -> str | None:
    whole = _digits(prefix, reference, 12)
    if whole is None:
        return None
    return f"414/{whole}{check_digit(whole)}" + ("" if extension in ("0", "*") else f"/254/{extension}")


def _plain(identifier: str) -> Callable[..., str | None]:
    def build(prefix: str, reference: str) -> str | None:
        return f"{identifier}/{prefix}{reference}" if reference else None

    return build


def _part(prefix: str, reference: str, serial: str) -> str | None:
    if not reference:
        return None
    return f"8010/{prefix}{reference}" + ("" if serial == "*" else f"/8011/{serial}")


# (class of URN, scheme): how many parts its body has, and how they make the Digital Link's path.
_URNS: dict[tuple[str, str], tuple[int, Callable[..., str | None]]] = {
    ("id", "sscc"): (2, _sscc),
    ("id", "pgln"): (2, _checked("417", 12)),
    ("id", "giai"): (2, _plain("8004")),
    ("id", "gsrn"): (2, _checked("8018", 17)),
    ("id", "gsrnp"): (2, _checked("8017", 17)),
    ("id", "ginc"): (2, _plain("401")),
    ("id", "gsin"): (2, _checked("402", 16)),
    ("class", "lgtin"): (3, _trade_item("10")),
}
for _kind in ("id", "idpat"):
    _URNS |= {
        (_kind, "sgtin"): (3, _trade_item("21")),
        (_kind, "upui"): (3, _trade_item("235")),
        (_kind, "itip"): (5, _piece),
        (_kind, "sgln"): (3, _place),
        (_kind, "grai"): (3, _checked("8003", 12, "0")),
        (_kind, "gdti"): (3, _checked("253", 12)),
        (_kind, "sgcn"): (3, _checked("255", 12)),
        (_kind, "cpi"): (3, _part),
    }
