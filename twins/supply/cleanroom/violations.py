"""A rule that was broken, named: when, which, and by whom or what."""

from __future__ import annotations

from msgspec import Struct


class Violation(Struct, frozen=True, array_like=True):
    """`kind` names the rule, `subjects` all who broke it together, `at` the instant [us]."""

    at: int
    kind: str
    subjects: tuple[str, ...]
    detail: str = ""
