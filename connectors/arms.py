"""What must not pass the door of a blinded study: who got which arm, and who a subject is.

A column or field is told by its name. Names of arms are dropped where nobody maps them, and refused where somebody
does; so are names of a person's identity. A mapping lists further ones under `arms`.
"""

from __future__ import annotations

import re
from typing import Any

# Names by which exports call the arm: CDISC SDTM (ARM, ARMCD, ACTARM, ACTARMCD) and ADaM (TRTxxP, TRTxxA, TRTP, TRTA),
# FHIR R5 (assignedComparisonGroup, actualComparisonGroup), and what spreadsheets say.
_WORDS = frozenset({"arm", "arms", "armcd", "actarm", "actarmcd", "trt", "trtp", "trta", "allocation", "unblinded"})
_WORD = re.compile(r"trt\d{1,2}[pa]n?")
_PAIRS = (
    *(
        {"treatment", second}
        for second in ("group", "assigned", "assignment", "code", "allocated", "given", "received")
    ),
    *({first, second} for first in ("randomisation", "randomization") for second in ("code", "list", "group")),
    *({"group", first} for first in ("comparison", "dose", "study")),
    *({"kit", second} for second in ("number", "no", "id", "code")),
    {"study", "drug"},
)
_WHOLE = frozenset({"treatment", "kit", "blind", "group"})

# A name of an arm holds one of these, so a line without any needs no closer look.
_HINTS = (b"arm", b"treatment", b"trt", b"allocation", b"group", b"kit", b"blind", b"drug", b"sation", b"zation")

# Names by which exports call what tells a person; a birth year too.
_PERSONAL = frozenset(
    {"birth", "dob", "birthdate", "initials", "surname", "firstname", "lastname", "forename", "phone", "telephone"}
    | {"email", "address", "ssn", "postcode", "zip", "passport"}
)
_NAMED = tuple({"name", who} for who in ("patient", "subject", "first", "last", "full", "family", "given"))
_CUT = re.compile(r"[^0-9A-Za-z]+|(?<=[a-z])(?=[A-Z])")


def words_of(name: str) -> list[str]:
    """Cut a column's name into small words.

    Examples
    --------
    >>> words_of("assignedComparisonGroup"), words_of("Treatment-arm (planned)")
    (['assigned', 'comparison', 'group'], ['treatment', 'arm', 'planned'])
    """
    return [word.lower() for word in _CUT.split(name) if word]


def is_arm(name: str) -> bool:
    """Tell whether a column or field says, by its name, to which arm a subject belongs.

    Examples
    --------
    >>> is_arm("ARMCD"), is_arm("Treatment group"), is_arm("Treatment start"), is_arm("Pharmacy")
    (True, True, False, False)
    """
    words = words_of(name)
    known = set(words)
    named = bool(known & _WORDS) or any(_WORD.fullmatch(word) for word in words)
    return named or any(pair <= known for pair in _PAIRS) or (len(words) == 1 and words[0] in _WHOLE)


def may_tell_arm(line: bytes) -> bool:
    """Tell, fast, whether a line could hold the name of an arm."""
    lower = line.lower()
    return any(hint in lower for hint in _HINTS)


def is_personal(name: str) -> bool:
    """Tell whether a column or field says, by its name, who a person is.

    Examples
    --------
    >>> is_personal("Date of birth"), is_personal("Patient name"), is_personal("Site name")
    (True, True, False)
    """
    known = set(words_of(name))
    return bool(known & _PERSONAL) or any(pair <= known for pair in _NAMED)


def without_arms(document: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """Leave out, of an event line's own fields and those of its `data`, what says an arm. The rest is untouched.

    Examples
    --------
    >>> without_arms({"type": "enrollment.subject_randomised", "arm": "A", "data": {"site": "S1", "ARMCD": "B"}})
    {'type': 'enrollment.subject_randomised', 'data': {'site': 'S1'}}
    """
    kept = {name: value for name, value in document.items() if not is_arm(name)}
    data = kept.get("data")
    if isinstance(data, dict):
        kept["data"] = {name: value for name, value in data.items() if not is_arm(name)}
    return kept
