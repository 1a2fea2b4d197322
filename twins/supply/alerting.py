"""Alerts of a supply twin: what is called for now, against what stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from schemas.effects import AlertPriority
from twins.scalar import Said

NEWS = 0.2  # change of a probability that is told of an alert that stands (assumed: less is no reason to look again)


class Standing(Struct, frozen=True, array_like=True):
    """What was said last of an alert that stands."""

    priority: AlertPriority
    probability: float | None = None


Raised = dict[str, Standing]  # what stands, by rule


class Wish(NamedTuple):
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
    """Raise what is called for and does not stand, clear what is over, update what changed in priority or by `NEWS`.

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
        over = Wish(rule, rule.partition(".")[2] or rule, raised.pop(rule).priority, "over")
        said.append(_say("clear", over, clock))
    for rule, wish in sorted(by_rule.items()):
        before = raised.get(rule)
        if before is None:
            said.append(_say("raise", wish, clock))
        elif before.priority != wish.priority or _news(before.probability, wish.probability):
            said.append(_say("update", wish, clock))
        else:
            continue
        unknown = wish.probability is None and before is not None
        raised[rule] = Standing(wish.priority, before.probability if unknown and before else wish.probability)
    return said


def _news(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and abs(now - before) >= NEWS


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
