"""Alerts of a supply twin: what is called for now, against what stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.effects import AlertPriority
from twins.scalar import Said

Raised = dict[str, AlertPriority]  # what stands, by rule


@dataclass(frozen=True, slots=True)
class Wish:
    """An alert that is called for. `message` says what is the matter and what to do."""

    rule: str
    tag: str
    priority: AlertPriority
    message: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    probability: float | None = None
    expected_at: str | None = None


def speak(called: Iterable[Wish], raised: Raised, clock: int) -> list[Said]:
    """Raise what is called for and does not stand, update what changed in priority, clear what is over.

    Parameters
    ----------
    raised : dict
        What stands; brought up to date.
    clock : int
        When it is said [us].
    """
    by_rule = {wish.rule: wish for wish in called}
    said = []
    for rule in sorted(raised.keys() - by_rule.keys()):
        said.append(_say("clear", Wish(rule, rule.partition(".")[2] or rule, raised.pop(rule), "over"), clock))
    for rule, wish in sorted(by_rule.items()):
        if rule not in raised:
            said.append(_say("raise", wish, clock))
        elif raised[rule] != wish.priority:
            said.append(_say("update", wish, clock))
        raised[rule] = wish.priority
    return said


def _say(action: str, wish: Wish, clock: int) -> Said:
    data = {
        "action": action,
        "rule": wish.rule,
        "tag": wish.tag,
        "priority": wish.priority,
        "value": wish.value,
        "limit": wish.limit,
        "unit": wish.unit,
        "probability": wish.probability,
        "expected_at": wish.expected_at,
        "batch": None,
        "phase": None,
        "message": wish.message,
    }
    return Said("alert", data, event_time=clock, rule=wish.rule)
