"""The facts of a journey, sifted: which of them count, and what they say by step. A function of the set alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.ids import event_hash
from twins.supply.identity import facts as f
from twins.supply.identity.workflow import CBV_STEPS, Workflow

Row = tuple[int, int, f.Fact]  # at, number of the name, fact: sorted so
_BAD = {  # dispositions of the CBV 2.0, and two words of quality, that say that a lot is not released
    "damaged", "destroyed", "disposed", "expired", "non_conformant", "non_sellable_other", "recalled", "returned",
    "quarantined", "rejected",
}  # fmt: skip


class Act(NamedTuple):
    """A fact about a step. `known` is when it, or what it corrects, was known."""

    at: int
    known: int
    fact: f.Fact


def in_time(act: Act) -> tuple[int, int, str, str]:
    """Order acts by time, the same in any order of arrival."""
    return act.at, act.known, act.fact.source, act.fact.id


@dataclass(slots=True)
class Sifted:
    """What counts, each list in time. `reopened` has, by step, when a fact of it was last declared wrong."""

    acts: dict[str, list[Act]] = field(default_factory=dict)
    seen: list[tuple[str, Act]] = field(default_factory=list)  # scans and halves of handovers, with their step or word
    orders: list[Act] = field(default_factory=list)
    labels: list[Act] = field(default_factory=list)
    lot: list[tuple[int, int, str, tuple[str, ...], f.Fact]] = field(default_factory=list)  # at, known, status, by
    packed: list[Act] = field(default_factory=list)
    opened: list[Act] = field(default_factory=list)
    closed: list[Act] = field(default_factory=list)
    decided: dict[str, f.Decided] = field(default_factory=dict)
    odd: list[tuple[str, Act]] = field(default_factory=list)  # of words that are no step here, nor one of the CBV
    voided: list[tuple[f.Fact, f.Fact]] = field(default_factory=list)  # what does not count, and what says so
    reopened: dict[str, int] = field(default_factory=dict)
    waiting: list[f.Fact] = field(default_factory=list)  # declarations about facts that nobody has said
    last: Act | None = None
    turned: int | None = None  # [us] from when on a word of two steps means the second
    identified: int = 0  # how many of the first of `seen` read nobody else's identity
    own: dict[str, tuple[int, int]] = field(default_factory=dict)  # by unit: when it became the patient's, when known
    owned: int = 0  # how many of the first of `seen` are in `own`
    placed: int = 0  # how many of the first of `seen` name units that were the patient's in time
    fine: dict[str, tuple[int, int]] = field(default_factory=dict)  # `reopened` and facts of steps with nothing missing
    caused: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)  # steps whose cause was known in time


@dataclass(slots=True)
class Corrections:
    """By number: facts that do not count with who says so, since when what is corrected was known; who waits."""

    dead: dict[int, f.Fact] = field(default_factory=dict)
    since: dict[int, int] = field(default_factory=dict)
    waiting: list[f.Fact] = field(default_factory=list)


def pick_workflow(rows: Sequence[Row], dead: dict[int, f.Fact]) -> str:
    """Give the name of the workflow that the newest order that counts names; empty without one."""
    for _, number, fact in reversed(rows):
        if type(fact) is f.Ordered and fact.workflow and not fact.voids and number not in dead:
            return fact.workflow
    return ""


def sift(rows: Sequence[Row], workflow: Workflow, corrections: Corrections) -> Sifted:
    """Sift facts in order of time."""
    dead, since = corrections.dead, corrections.since
    sifted = Sifted(waiting=corrections.waiting)
    turned = sifted.turned = _turn(rows, dead, workflow)
    for at, number, fact in rows:
        if number in dead:
            sifted.voided.append((fact, dead[number]))
            _reopen(sifted, fact, dead[number], workflow)
        elif not fact.voids:
            _put(sifted, Act(at, since.get(number, fact.known_at), fact), workflow, turned)
    if len(sifted.lot) > 1:
        sifted.lot.sort(key=lambda one: (one[0], one[2] == "released"))
    if sifted.decided:
        _latest_decisions(sifted, rows, dead)
    return sifted


def extend(sifted: Sifted, rows: Sequence[Row], workflow: Workflow) -> bool:
    """Sift facts that come after those that were; False, and nothing done, where they may change what those say."""
    if any(type(fact) not in (f.Scan, f.Handover) or fact.voids or fact.corrects for _, _, fact in rows):
        return False
    for at, _, fact in rows:
        if sifted.turned is None and fact.step in workflow.turn:  # type: ignore[union-attr]
            sifted.turned = at
        _put(sifted, Act(at, fact.known_at, fact), workflow, sifted.turned)
    if len(sifted.lot) > 1:
        sifted.lot.sort(key=lambda one: (one[0], one[2] == "released"))
    return True


def _put(sifted: Sifted, act: Act, workflow: Workflow, turned: int | None) -> None:
    fact = act.fact
    kind = type(fact)
    if kind is f.Scan or kind is f.Handover:
        word: str = fact.step  # type: ignore[union-attr]
        step = word if word in workflow.by_name else _meant(word, act.at, workflow, turned)
        if step is not None:
            sifted.acts.setdefault(step, []).append(act)
            if step == workflow.release and kind is f.Scan:
                bad = fact.disposition.rpartition(":")[2].rpartition("-")[2] in _BAD  # type: ignore[union-attr]
                sifted.lot.append((act.at, act.known, "quarantined" if bad else "released", (), fact))
        elif _odd(word, workflow):
            sifted.odd.append((word, act))
        sifted.seen.append((step or word, act))
        sifted.last = act
    elif kind is f.Ordered:
        sifted.orders.append(act)
        sifted.acts.setdefault(workflow.order, []).append(act)
    elif isinstance(fact, f.Disposition):
        sifted.lot.append((act.at, act.known, fact.status, fact.by, fact))
        if fact.status == "released":
            sifted.acts.setdefault(workflow.release, []).append(act)
    elif isinstance(fact, f.Decided):
        sifted.decided[fact.violation] = fact
    else:
        _LISTS[kind](sifted).append(act)


_LISTS = {
    f.Labels: lambda sifted: sifted.labels,
    f.ShipperPacked: lambda sifted: sifted.packed,
    f.Opened: lambda sifted: sifted.opened,
    f.Closed: lambda sifted: sifted.closed,
}


def _odd(word: str, workflow: Workflow) -> bool:
    return not (word in CBV_STEPS or word in workflow.also or word in workflow.clearance or ":" in word)


def _turn(rows: Sequence[Row], dead: dict[int, f.Fact], workflow: Workflow) -> int | None:
    """Give the time of the first step from which on a word of two steps means the second."""
    for at, number, fact in rows:
        if number in dead or fact.voids:
            continue
        if isinstance(fact, (f.Scan, f.Handover)):
            if fact.step in workflow.turn:
                return at
        elif isinstance(fact, f.Disposition) and fact.status == "released" and workflow.release in workflow.turn:
            return at
    return None


def _meant(word: str, at: int, workflow: Workflow, turned: int | None) -> str | None:
    steps = workflow.words.get(word)
    if not steps:
        return None
    return steps[-1] if turned is not None and at > turned else steps[0]


def resolve(rows: Sequence[Row]) -> Corrections:
    """Tell which facts do not count and who says so, and since when what is corrected was known.

    The newest word goes first: one that is itself declared wrong declares nothing, and none undoes a newer one.
    """
    by_number = {number: fact for _, number, fact in rows}
    by_id: dict[str, list[int]] = {}
    for _, number, fact in rows:
        by_id.setdefault(fact.id, []).append(number)
    words = [(fact.known_at, at, number, fact) for at, number, fact in rows if fact.voids or fact.corrects]
    words.sort(key=lambda one: one[:3], reverse=True)
    place = {number: place for place, (_, _, number, _) in enumerate(words)}
    dead: dict[int, f.Fact] = {}
    waiting: list[f.Fact] = []
    targets: dict[int, list[int]] = {}
    for order, (_, _, number, fact) in enumerate(words):
        if number in dead:
            continue
        found = [one for one in _named(fact, by_id, by_number) if place.get(one, len(words)) > order]
        targets[number] = found
        for one in found:
            dead.setdefault(one, fact)
        if not found:
            waiting.append(fact)
    since: dict[int, int] = {}
    for known, _, number, fact in reversed(words):
        if fact.corrects and number in targets:
            before = [since.get(one, by_number[one].known_at) for one in targets[number]]
            since[number] = min([known, *before])
    return Corrections(dead, since, waiting)


def _named(fact: f.Fact, by_id: dict[str, list[int]], by_number: dict[int, f.Fact]) -> list[int]:
    found = []
    for name in (fact.voids, fact.corrects):
        if ":" in name:
            found += by_id.get(name, [])
        elif name and (number := event_hash(fact.source, name)) in by_number:
            found.append(number)
    return found


def _reopen(sifted: Sifted, fact: f.Fact, by: f.Fact, workflow: Workflow) -> None:
    if fact.voids:
        return
    if isinstance(fact, (f.Scan, f.Handover)):
        names: tuple[str, ...] = (*workflow.words.get(fact.step, (fact.step,)), "units")
    elif isinstance(fact, f.Ordered):
        names = (workflow.order,)
    elif isinstance(fact, f.Disposition):
        names = (workflow.release,)
    else:
        names = (type(fact).__name__,)
    for name in names:
        sifted.reopened[name] = max(sifted.reopened.get(name, 0), by.known_at)


def _latest_decisions(sifted: Sifted, rows: Sequence[Row], dead: dict[int, f.Fact]) -> None:
    for _, number, fact in rows:  # in time: the last one stays
        if isinstance(fact, f.Decided) and number not in dead and not fact.voids:
            sifted.decided[fact.violation] = fact
