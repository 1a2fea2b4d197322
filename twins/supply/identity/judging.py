"""Violations, and the one rule of time: what a late fact could explain is provisional until that fact must be here."""

from __future__ import annotations

from msgspec import Struct

from twins.supply.identity.facts import Decided, Fact
from twins.supply.identity.workflow import Settings

ADVICE = {
    "identity_mismatch": "stop: do not use these cells for this patient; hold both, read each identifier again, and "
    "declare the scan erroneous only if it was",
    "identity_unread": "hold until bag, order and (at the bedside) wristband are read, or the scan is sent",
    "foreign_unit": "hold the unit: find whose it is, or send the fact that made it this patient's",
    "custody_gap": "find who had the cells; send the missing signature, or decide with a reason",
    "missing_step": "send the scan of the step, or decide with a reason that it was done",
    "wrong_step": "hold: check which step this is, and correct the scan if it names a wrong one",
    "before_cause": "hold: check both times and steps, and correct the wrong fact",
    "unreleased": "hold the lot: it ships when it is released, or its release out of specification is approved",
    "hold_expired": "do not use before the temperature record is judged; charge the shipper again or move the cells",
    "labels_unbalanced": "find each label: received is used, passed on, or destroyed; correct the count that is wrong",
    "two_patients_open": "stop work in the workcell: close one, clear the line, and judge both for mix-up",
    "material_expired": "hold the material: quality decides whether it may still be used",
}
CODES = tuple(ADVICE)


class Violation(Struct, frozen=True, array_like=True):
    """One thing that is wrong. `key` names it for a decision; it stands until a correction or a decision ends it.

    `since` [us] is when it happened. `facts` are (source, id) of what shows it. Provisional until `deadline` [us], else
    a stop. `decided_by` and `reason` are a person's, where one decided.
    """

    code: str
    key: str
    since: int
    facts: tuple[tuple[str, str], ...]
    expected: str
    received: str
    advice: str
    provisional: bool
    deadline: int | None = None
    decided_by: str = ""
    reason: str = ""


class Judge:
    """Judges as of a clock [us], and collects what is wrong."""

    def __init__(self, clock: int, settings: Settings, decided: dict[str, Decided]) -> None:
        self.clock = clock
        self.skew = settings.skew
        self.found: dict[str, Violation] = {}
        self.wake: int | None = None  # [us] when the passing of time alone will change what is read
        self._lateness = settings.lateness
        self._settle = settings.settle
        self._decisions = decided

    def lacks(self, due: int, seen: int, found: int | None = None, reopened: int = 0) -> int | None:
        """Give the time [us] by which a fact had to be known; None where it was.

        Parameters
        ----------
        due : int
            The latest time at which what is missing may have happened.
        seen : int
            When the fact that calls for it was known.
        found : int or None
            When it was known; None while it is not.
        reopened : int
            When what stood in its place was declared wrong.
        """
        deadline = max(due + self._lateness, seen + self._settle, reopened + self._lateness if reopened else 0)
        return None if found is not None and found <= deadline else deadline

    def wait(self, until: int) -> None:
        """Say that the passing of time alone changes something after `until`."""
        if until >= self.clock and (self.wake is None or until < self.wake):
            self.wake = until

    def add(
        self, code: str, name: str, since: int, facts: list[Fact], expected: str, received: str,
        deadline: int | None = None,
    ) -> None:  # fmt: skip
        """Note what is wrong: provisional while the clock has not passed the deadline. The first of a name stays."""
        key = f"{code}:{name}"
        if key in self.found:
            return
        provisional = deadline is not None and self.clock <= deadline
        if provisional:
            assert deadline is not None
            self.wait(deadline)
        names = tuple(dict.fromkeys((fact.source, fact.id) for fact in facts))
        decision = self._decisions.get(key)
        violation = Violation(
            code, key, since, names, expected, received, ADVICE[code], provisional, deadline if provisional else None,
            decision.by if decision else "", decision.reason if decision else "",
        )  # fmt: skip
        self.found[key] = violation

    def standing(self) -> tuple[list[Violation], list[Violation]]:
        """Give what stands, stops first and then by time, and what people decided about."""
        order = sorted(self.found.values(), key=lambda one: (one.provisional, one.since, one.key))
        return [one for one in order if not one.decided_by], [one for one in order if one.decided_by]
