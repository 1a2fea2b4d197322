"""Whose cells are these: identifiers as read against the patient's, and units against those that are the patient's."""

from __future__ import annotations

from typing import NamedTuple

from twins.supply.identity import facts as f
from twins.supply.identity.judging import Judge
from twins.supply.identity.sifting import Act, Sifted
from twins.supply.identity.workflow import Workflow


def judge_identity(judge: Judge, sifted: Sifted, coi: str) -> None:
    """Find every identifier that was read and is not the patient's. At once: no late fact makes it right."""
    fine = True
    for step, act in sifted.seen[sifted.identified :]:
        read = act.fact.read  # type: ignore[union-attr]
        if not read:
            continue
        for value in read.values():
            if value != coi and value.strip() not in ("", coi):
                _mismatch(judge, act, coi, read, step)
                fine = False
                break
    if fine:
        sifted.identified = len(sifted.seen)
    for act in sifted.orders:
        if act.fact.coi.strip() != coi:  # type: ignore[union-attr]
            _mismatch(judge, act, coi, {"order": act.fact.coi}, "order")  # type: ignore[union-attr]


def _mismatch(judge: Judge, act: Act, coi: str, read: dict[str, str], step: str) -> None:
    wrong = {name: value for name, value in sorted(read.items()) if value.strip() not in ("", coi)}
    received = ", ".join(f"{name} {value}" for name, value in wrong.items())
    name = f"{step}:{act.fact.source}:{act.fact.id}"
    judge.add("identity_mismatch", name, act.at, [act.fact], f"{coi} on {' and '.join(wrong)}", received)


def judge_units(judge: Judge, sifted: Sifted, workflow: Workflow, coi: str) -> str | None:
    """Find units that nobody made the patient's. Give why it cannot be judged, or None."""
    own = sifted.own
    for step, act in sifted.seen[sifted.owned :]:
        fact = act.fact
        known = workflow.by_name.get(step)
        if known is not None and (known.makes or (known.transforms and _labelled(fact, coi))):
            _own(own, fact.units, act)  # type: ignore[union-attr]
        if isinstance(fact, f.Scan):
            if fact.outputs:
                _own(own, fact.outputs, act)
            if fact.action == "ADD" and not fact.parent:
                _own(own, (*fact.units, *fact.children), act)
    sifted.owned = len(sifted.seen)
    if not own:
        told = any(units_seen(act.fact) for _, act in sifted.seen)
        return "units: no scan says which are this patient's" if told else None
    again = sifted.reopened.get("units", 0)
    fine = True
    for step, act in sifted.seen[sifted.placed :]:
        for unit in units_seen(act.fact):
            late: int | None = None
            if unit not in own:
                late = judge.lacks(act.at, act.known, None, again)
            else:
                made, known_at = own[unit]
                if known_at > act.at:  # else it was known in time, whatever the bound
                    late = judge.lacks(max(act.at, made), act.known, known_at, again)
            if late is not None:
                _foreign(judge, unit, step, sifted, late)
                fine = False
    if fine:  # more facts make no unit less the patient's: what was known in time stays so
        sifted.placed = len(sifted.seen)
    return None


def _labelled(fact: f.Fact, coi: str) -> bool:
    """Tell whether a scan of a making names units alone, under the patient's own label."""
    if not isinstance(fact, f.Scan) or fact.inputs or fact.outputs:
        return False
    return coi in (fact.read.get("bag", "").strip(), fact.read.get("label", "").strip())


def _own(own: dict[str, tuple[int, int]], units: tuple[str, ...], act: Act) -> None:
    for unit in units:
        before = own.get(unit)
        own[unit] = (act.at, act.known) if before is None else (min(before[0], act.at), min(before[1], act.known))


def units_seen(fact: f.Fact) -> tuple[str, ...]:
    """Give all units that a fact is about."""
    if isinstance(fact, f.Scan):
        return (*fact.units, *fact.children, *fact.inputs) if fact.children or fact.inputs else fact.units
    return fact.units if isinstance(fact, f.Handover) else ()


def _foreign(judge: Judge, unit: str, step: str, sifted: Sifted, deadline: int | None) -> None:
    shows = [act for _, act in sifted.seen if unit in units_seen(act.fact)]
    judge.add(
        "foreign_unit", unit, shows[0].at, [act.fact for act in shows],
        "a unit that was collected from, made of or given to this patient", f"unit {unit} at {step}", deadline,
    )  # fmt: skip


def judge_workcells(judge: Judge, sifted: Sifted, coi: str) -> None:
    """Find other patients' units that were open in a workcell while this patient's was."""
    own: list[_Open] = []
    others: list[_Open] = []
    for act in sifted.opened:
        fact = act.fact
        assert isinstance(fact, f.Opened)
        closed = next((one for one in sifted.closed if one.at >= act.at and _same(one.fact, fact, coi)), None)
        (own if fact.coi.strip() in ("", coi) else others).append(_Open(act, fact, closed))
    for one in own:
        for other in others:
            if one.fact.workcell == other.fact.workcell:
                _judge_both(judge, coi, one, other)


class _Open(NamedTuple):
    act: Act
    fact: f.Opened
    closed: Act | None


def _judge_both(judge: Judge, coi: str, one: _Open, other: _Open) -> None:
    first, second = (one, other) if one.act.at <= other.act.at else (other, one)
    until, begun = first.closed, second.act
    deadline: int | None = None
    if until is None or until.at <= begun.at:  # else both are known to have been open
        deadline = judge.lacks(begun.at, begun.known, None if until is None else until.known)
        if deadline is None:
            return
    where = other.fact.workcell
    judge.add(
        "two_patients_open", f"{where}:{other.fact.coi}", begun.at, [one.fact, other.fact],
        f"{coi} alone in workcell {where}", f"{other.fact.coi} open there too", deadline,
    )  # fmt: skip


def _same(closed: f.Fact, opened: f.Opened, coi: str) -> bool:
    assert isinstance(closed, f.Closed)
    return (
        closed.workcell == opened.workcell
        and (closed.coi.strip() or coi) == (opened.coi.strip() or coi)
        and (not closed.unit or not opened.unit or closed.unit == opened.unit)
    )
