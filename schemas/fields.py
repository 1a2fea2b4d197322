"""Fields that events of every family share: names, texts, quantities, and which fact replaces which."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_PRINTABLE = r"^(?![\s\S]*[\x00-\x1f\x7f])"  # control characters have no business in a name, and PostgreSQL refuses NUL

Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTABLE)]
UnitText = Annotated[str, Meta(min_length=1, max_length=32, pattern=_PRINTABLE)]
Text = Annotated[str, Meta(max_length=1000, pattern=_PRINTABLE)]
Reason = Annotated[str, Meta(min_length=1, max_length=1000, pattern=_PRINTABLE)]
TimeText = Annotated[str, Meta(max_length=40, pattern=_PRINTABLE)]  # RFC 3339; parsed by who uses it


class Quantity(Struct, frozen=True, forbid_unknown_fields=True):
    """A number with its unit (UCUM code)."""

    value: float
    unit: UnitText


class FactName(Struct, frozen=True, forbid_unknown_fields=True):
    """Which fact: `source` and `id` as its event said them."""

    source: Name
    id: Name


class Fact(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may stand in any fact of a low-rate twin: which earlier one it replaces, and why."""

    supersedes: FactName | None = None
    because: Text = ""


class FactWithdrawn(Struct, frozen=True, forbid_unknown_fields=True):
    """A fact no longer counts. It stays on record."""

    fact: FactName
    reason: Reason
