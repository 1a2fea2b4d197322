"""Who has the cells: at each handover releaser and receiver sign, and the identities are read."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.instants import MINUTE
from twins.supply.identity import facts as f
from twins.supply.identity.judging import Judge
from twins.supply.identity.sifting import Act, Sifted
from twins.supply.identity.workflow import BOTH, Step, Workflow


@dataclass(slots=True)
class Meeting:
    """Facts of one step that belong together: one handover, or all there is of a step that is none."""

    acts: list[Act]
    signed: dict[str, list[Act]]  # by half

    @property
    def units(self) -> frozenset[str]:
        """All units that its facts name."""
        return frozenset(unit for act in self.acts for unit in units_of(act.fact))


def units_of(fact: f.Fact) -> tuple[str, ...]:
    """Give the units that change hands."""
    if isinstance(fact, f.Scan):
        return (*fact.units, *fact.children) if fact.children else fact.units
    return fact.units if isinstance(fact, f.Handover) else ()


def judge_custody(judge: Judge, sifted: Sifted, workflow: Workflow) -> None:
    """Find signatures and readings that are missing. Provisional: they may be late.

    A step of which nothing was missing, whatever the clock, is not judged again until facts are added to it.
    """
    fine = sifted.fine
    for step in workflow.steps:
        acts = sifted.acts.get(step.name)
        if acts is None:
            continue
        again = sifted.reopened.get(step.name, 0)
        if fine.get(step.name) == (again, len(acts)):
            continue
        before = len(judge.found)
        signs = step.signs
        if not signs and any(signed_by(act.fact) for act in acts):
            signs = BOTH
        if signs:
            _judge_handovers(judge, step, signs, acts, again)
        elif step.reads:
            _judge_reading(judge, step, acts, again)
        if len(judge.found) == before:
            fine[step.name] = (again, len(acts))
        else:
            fine.pop(step.name, None)


def signed_by(fact: f.Fact) -> dict[str, str]:
    """Give who signed which half."""
    if isinstance(fact, f.Handover):
        return {fact.half: fact.party}
    signed = {}
    if isinstance(fact, f.Scan):
        if fact.releaser:
            signed["release"] = fact.releaser
        if fact.receiver:
            signed["receipt"] = fact.receiver
    return signed


def _judge_handovers(judge: Judge, step: Step, signs: tuple[str, ...], acts: list[Act], again: int) -> None:
    meetings = _meetings(acts, round(step.minutes * MINUTE))
    signed = [one for one in meetings if one.signed]
    if not signed:
        meetings = meetings[:1]  # one gap, however often it was looked at
    elif len(signed) < len(meetings):  # somebody only looked, after or before it was signed for
        meetings = [one for one in meetings if one.signed or not _covered(one, signed)]
    apart: Meeting | None = None
    for place, meeting in enumerate(meetings):
        if apart is not None:  # told together with the one before
            apart = None
            continue
        lacking = [half for half in signs if half not in meeting.signed]
        after = meetings[place + 1] if place + 1 < len(meetings) else None
        if lacking and after is not None and _completes(meeting, after, signs):
            apart = after
        if step.reads:
            _judge_reading(judge, step, meeting.acts + (apart.acts if apart else []), again)
        _judge_signatures(judge, step, signs, meeting, lacking, apart, again)


def _judge_signatures(
    judge: Judge, step: Step, signs: tuple[str, ...], meeting: Meeting, lacking: list[str], apart: Meeting | None,
    again: int,
) -> None:  # fmt: skip
    allowed = round(step.minutes * MINUTE)
    first, last = meeting.acts[0], meeting.acts[-1]
    seen = min(act.known for act in meeting.acts)
    name = f"{step.name}:{first.fact.source}:{first.fact.id}"
    received, late = "a signature known too late", None
    if lacking:
        received = f"no {' and no '.join(lacking)}"
        if apart is not None:
            received = f"{(apart.acts[0].at - last.at) / MINUTE:.0f} min between them"
        late = judge.lacks(last.at + allowed, seen, None, again)
    else:
        known = max(min(act.known for act in meeting.signed[half]) for half in signs)
        first_signed = min(min(act.at for act in meeting.signed[half]) for half in signs)
        if known > first_signed:
            late = judge.lacks(first_signed + allowed, seen, known, again)
        if late is None and len(signs) > 1 and len(meeting.acts) > 1:
            _judge_bags(judge, step, meeting, name, again)
    if late is not None:
        facts = [act.fact for act in (*meeting.acts, *(apart.acts if lacking and apart is not None else ()))]
        wanted = f"{' and '.join(signs)} signed at {step.name} within {step.minutes:g} min"
        judge.add("custody_gap", name, first.at, facts, wanted, received, late)


def _judge_bags(judge: Judge, step: Step, meeting: Meeting, name: str, again: int) -> None:
    """Find bags that one signed for and the other did not."""
    sides = []
    for half in BOTH:
        told = [units_of(act.fact) for act in meeting.signed.get(half, [])]
        if not all(told):
            return  # a signature for all there is
        sides.append({unit for units in told for unit in units})
    if sides[0] != sides[1]:
        last = meeting.acts[-1]
        judge.add(
            "custody_gap", name, last.at, [act.fact for act in meeting.acts],
            f"release and receipt of the same units at {step.name}",
            f"released {', '.join(sorted(sides[0]))}, received {', '.join(sorted(sides[1]))}",
            judge.lacks(last.at + round(step.minutes * MINUTE), last.known, None, again),
        )  # fmt: skip


def _judge_reading(judge: Judge, step: Step, acts: list[Act], again: int) -> None:
    first = acts[0]
    allowed = round(step.minutes * MINUTE)
    seen = min(act.known for act in acts)
    for name in step.reads:
        known = [act.known for act in acts if isinstance(act.fact, (f.Scan, f.Handover)) and act.fact.read.get(name)]
        found = min(known) if known else None
        if found is not None and found <= first.at:
            continue
        late = judge.lacks(acts[-1].at + allowed, seen, found, again)
        if late is not None:
            judge.add(
                "identity_unread", f"{step.name}:{name}:{first.fact.source}:{first.fact.id}", first.at,
                [act.fact for act in acts], f"{' and '.join(step.reads)} read at {step.name}", f"no {name} in time",
                late,
            )  # fmt: skip


def _meetings(acts: list[Act], allowed: int) -> list[Meeting]:
    found: list[Meeting] = []
    for act in acts:
        if not found or act.at - found[-1].acts[-1].at > allowed:
            found.append(Meeting([], {}))
        found[-1].acts.append(act)
        for half in signed_by(act.fact):
            found[-1].signed.setdefault(half, []).append(act)
    return found


def _covered(meeting: Meeting, signed: list[Meeting]) -> bool:
    units = meeting.units
    return any(not units or not one.units or units <= one.units for one in signed)


def _completes(meeting: Meeting, after: Meeting, signs: tuple[str, ...]) -> bool:
    units, others = meeting.units, after.units
    return (
        all(half in meeting.signed or half in after.signed for half in signs)
        and not all(half in after.signed for half in signs)
        and (not units or not others or bool(units & others))
    )
