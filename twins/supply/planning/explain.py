"""What a new plan changes, in plain words: slots and stages that moved, by how much and why, and who is at risk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twins.supply.planning.freezing import freeze
from twins.supply.planning.problem import Assignment, Closing, Patient, Problem, Stage

NARROW_HOURS = 24.0  # less than a day to a limit is called a risk (assumed: one courier's departure)


@dataclass(frozen=True, slots=True)
class Move:
    """One patient whose infusion or stages stand elsewhere; `by` is the infusion's shift in steps, 0 if it stays."""

    patient: str
    priority: int
    by: int
    slot_was: int | None
    slot: int | None
    stages: tuple[str, ...]
    why: str
    words: str


@dataclass(frozen=True, slots=True)
class Risk:
    """A patient who comes near a limit: which, and how many steps are left; 0 or less: beyond it."""

    patient: str
    limit: str
    left: int
    words: str


@dataclass(frozen=True, slots=True)
class Change:
    """All that changed, and how nervous the new plan is."""

    moves: tuple[Move, ...]
    risks: tuple[Risk, ...]
    nervousness: dict[str, float]
    broken: tuple[str, ...]

    def document(self) -> dict[str, Any]:  # Any: JSON
        """Lay it out."""
        return {
            "moves": [asdict(one) for one in self.moves],
            "risks": [asdict(one) for one in self.risks],
            "nervousness": self.nervousness,
            "broken": list(self.broken),
        }


def explain(problem: Problem, new: Iterable[Assignment]) -> Change:
    """Explain a new plan beside the problem's present one. Slots come first, the longest shift at the top."""
    was = {(one.patient, one.stage): one for one in problem.plan}
    now = {(one.patient, one.stage): one for one in new}
    broken = freeze(problem).broken
    fell = {one.patient: f"its {one.stage} cannot stay: {one.why}" for one in broken}
    holders = _holders(problem, now, was)
    moves: list[Move] = []
    risks: list[Risk] = []
    for patient in problem.patients:
        move = _move(problem, patient, was, now, fell.get(patient.id, ""), holders)
        if move is not None:
            moves.append(move)
        risks += _risks(problem, patient, now)
    moves.sort(key=lambda one: (one.slot is not None, -abs(one.by), one.patient))
    words = tuple(f"{one.patient}: {one.stage} was frozen and cannot stay: {one.why}" for one in broken)
    return Change(tuple(moves), tuple(risks), _nervousness(problem, moves, was, now), words)


def _move(
    problem: Problem,
    patient: Patient,
    was: dict[tuple[str, str], Assignment],
    now: dict[tuple[str, str], Assignment],
    fell: str,
    holders: dict[str, list[tuple[int, int, Patient, Stage]]],
) -> Move | None:
    keys = [(patient.id, stage.name) for stage in patient.stages]
    other = [key[1] for key in keys if key in was and was[key] != now.get(key)]
    if not other:
        return None
    before, after = was.get(keys[-1]), now.get(keys[-1])
    placed = all(key in now for key in keys)
    by = after.start - before.start if before and after and placed else 0
    why = fell or _why(problem, patient, was, other, holders)
    if not placed:
        words = f"{patient.id} (priority {patient.priority}) has no place any more: {why}"
    elif by:
        words = (
            f"{patient.id} (priority {patient.priority}): infusion {_said(problem, abs(by))} "
            f"{'later' if by > 0 else 'earlier'}: {why}"
        )
    else:
        words = f"{patient.id} (priority {patient.priority}): {', '.join(other)} moved, infusion stays: {why}"
    slot_was, slot = before.start if before else None, after.start if after and placed else None
    return Move(patient.id, patient.priority, by, slot_was, slot, tuple(other), why, words)


def _why(
    problem: Problem,
    patient: Patient,
    was: dict[tuple[str, str], Assignment],
    moved: Sequence[str],
    holders: dict[str, list[tuple[int, int, Patient, Stage]]],
) -> str:
    """Name what stands in the way of where the first moved stages stood: a closing, else another patient."""
    resources = {one.name: one for one in problem.resources}
    for stage in patient.stages:
        if stage.name not in moved:
            continue
        start = was[patient.id, stage.name].start
        end, unit = start + stage.duration, was[patient.id, stage.name].unit
        for name in (unit, *(use.resource for use in stage.uses)):
            closing = _closing(resources[name].closed, start, end) if name else None
            if closing is not None:
                return f"{name} is gone ({closing.why})"
        departures = next((one for one in problem.departures if one.name == stage.departures), None)
        if departures is not None and any(gap.start <= start < gap.end for gap in departures.closed):
            return f"{departures.name} have no departure then"
        for first, last, other, _ in holders.get(unit, ()):
            if other.id != patient.id and first < end and start < last:
                rank = "of higher priority" if other.priority < patient.priority else f"of priority {other.priority}"
                return f"its {stage.name} in {unit} went to {other.id}, {rank}"
    depletion, slot = patient.depletion, patient.stages[-1].name
    if depletion is not None and slot in moved and not depletion.begun:
        begins = was[patient.id, slot].start - depletion.lead
        if begins < depletion.earliest:
            return "lymphodepletion may begin only later, when release is sure enough"
    return "all patients together are served better so"


def _closing(closed: Sequence[Closing], start: int, end: int) -> Closing | None:
    return next((one for one in closed if one.start < end and start < one.end), None)


def _holders(
    problem: Problem, now: dict[tuple[str, str], Assignment], was: dict[tuple[str, str], Assignment]
) -> dict[str, list[tuple[int, int, Patient, Stage]]]:
    """Give by unit who holds it now and did not before."""
    found: dict[str, list[tuple[int, int, Patient, Stage]]] = {}
    changeover = {one.name: one.changeover for one in problem.resources}
    for patient in problem.patients:
        for stage in patient.stages:
            one = now.get((patient.id, stage.name))
            if one is not None and one.unit and was.get((patient.id, stage.name)) != one:
                end = one.start + stage.duration + changeover[one.unit]
                found.setdefault(one.unit, []).append((one.start, end, patient, stage))
    return found


def _risks(problem: Problem, patient: Patient, now: dict[tuple[str, str], Assignment]) -> Iterable[Risk]:
    narrow = int(NARROW_HOURS * 60 / problem.grid_minutes)
    stages = patient.stages
    if any((patient.id, stage.name) not in now for stage in stages):
        yield Risk(patient.id, "place", 0, f"{patient.id} has no place in the plan")
        return
    starts = {stage.name: now[patient.id, stage.name].start for stage in stages}
    limits = []
    if patient.expires is not None and starts[stages[0].name] >= problem.now:
        limits.append(("starting material", patient.expires - starts[stages[0].name]))
    for stage in stages:
        for within in stage.within:
            earlier = next(one for one in stages if one.name == within.after)
            until = starts[within.after] + earlier.duration + within.length
            if starts[stage.name] >= problem.now:
                limits.append((f"{stage.name} after {within.after}", until - starts[stage.name]))
    slot = starts[stages[-1].name]
    if slot >= problem.now:
        limits.append(("latest slot", patient.latest - slot))
    if patient.bridged_until is not None and slot >= problem.now:
        limits.append(("bridging", patient.bridged_until - slot))
    for limit, left in limits:
        if left < narrow:
            word = f"{_said(problem, left)} left" if left >= 0 else f"{_said(problem, -left)} beyond it"
            yield Risk(patient.id, limit, left, f"{patient.id}: {limit}, {word}")


def _nervousness(
    problem: Problem,
    moves: Sequence[Move],
    was: dict[tuple[str, str], Assignment],
    now: dict[tuple[str, str], Assignment],
) -> dict[str, float]:
    """Count what moved: shares are of what the present plan had and could still move, hours of the slots that did."""
    ahead = [one for one in was.values() if one.start >= problem.now]
    slots = {(one.id, one.stages[-1].name) for one in problem.patients}
    visible = [one for one in ahead if (one.patient, one.stage) in slots]
    shifts = [abs(one.by) * problem.grid_minutes / 60.0 for one in moves if one.by]
    stages = sum(len(one.stages) for one in moves)
    return {
        "slots_moved": len(shifts),
        "slots_moved_share": len(shifts) / max(len(visible), 1),
        "slots_moved_hours_mean": sum(shifts) / max(len(shifts), 1),
        "slots_moved_hours_most": max(shifts, default=0.0),
        "stages_moved": stages,
        "stages_moved_share": stages / max(len(ahead), 1),
        "slots_lost": sum(one.slot is None and one.slot_was is not None for one in moves),
    }


def _said(problem: Problem, steps: int) -> str:
    """Say a length.

    Examples
    --------
    >>> _said(Problem("n", 0, 9, (), grid_minutes=60), 31)
    '1 d 7 h'
    """
    minutes = steps * problem.grid_minutes
    days, rest = divmod(minutes, 24 * 60)
    parts = ((days, "d"), (rest // 60, "h"), (rest % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"
