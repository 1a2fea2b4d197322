"""Take the twins of a block over into another configuration, in the middle of their runs: docs/adr/0007.

Facts, newest values and what counted stay as they are. Beliefs that another configuration would have come to by
another way are folded again from the minutes that were kept since each run began. An alert whose rule is the same in
both goes on under its identity; one whose rule is gone or another is cleared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from schemas.instants import SECOND
from twins.bioreactor.config import BioreactorConfig
from twins.bioreactor.intake import Ints
from twins.bioreactor.refolding import refold_all
from twins.bioreactor.rules import Rule
from twins.bioreactor.snapshot import derive
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import LAYOUT, LINK, LINK_CAUSE, State
from twins.bioreactor.triggers import COUNT
from twins.block import Effects, LoadPast

BUDGET = COUNT + 1  # columns of `State.trigger` that no run begins anew
DECIDE_BELIEFS = ("model", "parameters", "charts", "process", "reconciled")
Kept = dict[int, int]  # place of a rule in the old configuration: its place in the new one


@dataclass(frozen=True, slots=True)
class Configured:
    """A state and the configuration it belongs to."""

    state: State
    config: BioreactorConfig


def same_beliefs(old: BioreactorConfig, new: BioreactorConfig) -> bool:
    """Tell whether two configurations come to the same beliefs, however much else they do not share."""
    alike = all(getattr(old, name) == getattr(new, name) for name in DECIDE_BELIEFS)
    return alike and (old.faults is None) == (new.faults is None)  # what lost trust was decided then, and stays so


def kept_rules(old: Configured, new: Configured) -> Kept:
    """Match the rules that mean the same in both, with all that decides whether their alerts are shown."""
    ours = {_meaning(rule, new): rule.index for rule in new.state.rules}
    pairs = ((rule.index, ours.get(_meaning(rule, old))) for rule in old.state.rules)
    return {before: after for before, after in pairs if after is not None}


def clear_changed(old: State, kept: Kept, speech: Speech, change: int) -> None:
    """Clear the alerts that stand by a rule that is gone or another; say which change did it."""
    gone = [rule for rule in old.rules if rule.index not in kept]
    for slot in range(len(old)):
        for rule in gone:
            if old.alert[slot, rule.index]:
                speech.turn_off(0, slot, rule, f"change {change} of the configuration removed or changed this rule")


def take_over(new: Configured, old: Configured, kept: Kept, load: LoadPast, offset: int, effects: Effects) -> None:
    """Fill an empty state from that of another configuration, whose cleared alerts are off already.

    Parameters
    ----------
    load : callable
        Gives the past of some twins as it was before the change, whose record has this `offset`.
    effects : Effects
        Gets the marks and minutes that are to be kept.
    """
    _carry(new.state, old.state)
    _carry_rules(new.state, old.state, kept)
    _carry_cadence(new, old)
    _carry_more(new, old)
    used = len(old.state)
    if same_beliefs(old.config, new.config):
        for name in ("chart", "joint", "probes"):
            getattr(new.state, name)[:used] = getattr(old.state, name)[:used]
        new.state.marks_from = old.state.marks_from
    else:
        new.state.marks_from = offset
        refold_all(new.state, load, offset, effects)
    derive(new.state)


def _carry(new: State, old: State) -> None:
    """Take over what no configuration decides: who there is, what counted, newest values, the open minutes."""
    used, wide = len(old), len(old.columns)
    new.columns = list(old.columns)
    new.column_of = {pair: place for place, pair in enumerate(new.columns)}
    new.make_room(max(64, used), max(8, wide))
    for key in old.keys:
        new.enrol(key)
    if new.process is not None and new.process.biomass_unit is not None:
        new.biomass_column = new.column("biomass", new.process.biomass_unit)
    for name in LAYOUT:
        getattr(new, name)[:used] = getattr(old, name)[:used]
    for name in ("value", "value_time", "quality"):
        getattr(new, name)[:used, :wide] = getattr(old, name)[:used, :wide]
    unset = new.biomass[:used] < 0
    new.biomass[:used][unset] = new.biomass_column
    new.batches, new.current = list(old.batches), list(old.batches)
    new.items, new.clock = dict(old.items), list(old.clock)


def _carry_rules(new: State, old: State, kept: Kept) -> None:
    """Take over what is remembered of the rules that are kept."""
    used = len(old)
    for before, after in kept.items():
        for name in ("alert", "alert_offset", "alert_n"):
            getattr(new, name)[:used, after] = getattr(old, name)[:used, before]
        point, waits = old.rules[before].point, new.rules[after].point
        if point >= 0:
            new.since[:used, waits] = old.since[:used, point]
            new.seen[:used, waits] = old.seen[:used, point]
        if before in old.linked and after in new.linked:
            at, to = LINK * old.linked.index(before), LINK * new.linked.index(after)
            link = old.links[:used, at : at + LINK].copy()
            places = np.array([kept.get(rule.index, -1) for rule in old.rules], dtype=np.int64)
            link[:, LINK_CAUSE] = np.where(link[:, LINK_CAUSE] >= 0, places[link[:, LINK_CAUSE]], -1)
            new.links[:used, to : to + LINK] = link


def _carry_cadence(new: Configured, old: Configured) -> None:
    """Number the slots of estimates and forecasts by the new cadence: what was said counts for the present slot."""
    slots = np.arange(len(old.state))
    heard = new.state.heard[slots]
    for name, before, after in (
        ("estimated", old.config.estimate_seconds, new.config.estimate_seconds),
        ("forecast", old.config.forecast_seconds, new.config.forecast_seconds),
    ):
        periods = before * SECOND, after * SECOND
        then, now = (of.state.turns_of(name, slots, heard, one) for of, one in zip((old, new), periods, strict=True))
        newest: Ints = getattr(new.state, name)
        newest[slots] = np.where((newest[slots] < 0) | (then == now), newest[slots], now)


def _carry_more(new: Configured, old: Configured) -> None:
    """Take over answers of re-simulations, scores against good runs, and what detector and triggers remember, where
    they mean the same; else they begin anew."""
    used = len(old.state)
    if old.config.process == new.config.process:
        new.state.answers.runs = dict(old.state.answers.runs)
    if old.config.golden == new.config.golden:
        new.state.golden[:used] = old.state.golden[:used]
    if old.config.faults == new.config.faults:
        new.state.fault[:used] = old.state.fault[:used]
    if old.state.learning is not None and new.state.learning is not None and _learns_alike(old.config, new.config):
        new.state.learning.advisor.read(old.state.learning.advisor.write(used), used)
    if old.state.triggering is None or new.state.triggering is None:
        return
    same = old.config.triggers == new.config.triggers and old.config.process == new.config.process
    columns = new.state.trigger.shape[1] if same else BUDGET
    new.state.trigger[:used, :columns] = old.state.trigger[:used, :columns]


def _learns_alike(old: BioreactorConfig, new: BioreactorConfig) -> bool:
    return same_beliefs(old, new) and old.learning == new.learning


# Any: whatever two rules that mean the same have in common; compared, never looked into.
def _meaning(rule: Rule, of: Configured) -> Any:
    return _alone(rule, of.config), _company(rule, of)


def _alone(rule: Rule, config: BioreactorConfig) -> str:
    more: object = None
    if rule.kind == "chart":
        more = next(one for one in config.charts if rule.name.endswith(f".{one.chart}"))
    elif rule.kind == "golden":
        more = config.golden
    elif rule.kind == "fault":
        more = config.faults
    return repr((replace(rule, index=0, point=min(rule.point, 0)), more))


def _company(rule: Rule, of: Configured) -> tuple[str, ...]:
    """Give all lines of the table of consequences that hang together with a rule, and the rules they name."""
    lines, names = of.config.consequences, {rule.name}
    if rule.index not in of.state.linked:
        return ()
    while True:
        near = [one for one in lines if one.cause in names or one.effect in names]
        more = names.union(*({one.cause, one.effect} for one in near))
        if more == names:
            break
        names = more
    named = sorted(_alone(one, of.config) for one in of.state.rules if one.name in names)
    return (*named, *sorted(map(repr, near)))


__all__ = ["Configured", "clear_changed", "kept_rules", "same_beliefs", "take_over"]
