"""A journey read from its facts: where the cells are, who has them, what is wrong, what cannot be judged yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from twins.supply.identity import facts as f
from twins.supply.identity.belonging import judge_identity, judge_units, judge_workcells
from twins.supply.identity.custody import judge_custody, signed_by, units_of
from twins.supply.identity.judging import Judge, Violation
from twins.supply.identity.lot import judge_holds, judge_labels, judge_release, lot_status
from twins.supply.identity.ordering import judge_limits, judge_order
from twins.supply.identity.sifting import Act, Corrections, Row, Sifted, extend, pick_workflow, resolve, sift
from twins.supply.identity.workflow import AUTOLOGOUS, Settings, Workflow


class Entry(Struct, frozen=True, array_like=True):
    """One line of the custody line. `at` [us]; `fact` is (source, id); who signed, empty where nobody did."""

    at: int
    step: str
    place: str
    releaser: str
    receiver: str
    units: tuple[str, ...]
    fact: tuple[str, str]


class JourneyReading(Struct, frozen=True, array_like=True):
    """What a patient's journey says as of its clock. Times [us].

    `violations` stand: stops first, then provisional ones. `decided` are those about which a person decided. `custody`
    is who signed, in time. `holder` has the cells; on the way between two who sign, `holder` is who released them and
    `handing_over` is true. `voided` are pairs of a fact that does not count and the one that says so. `wake`: after it
    the passing of time alone changes this reading.
    """

    coi: str
    clock: int
    workflow: str
    step: str
    place: str
    holder: str
    handing_over: bool
    lot: str
    last_scan: int | None
    violations: tuple[Violation, ...]
    decided: tuple[Violation, ...]
    custody: tuple[Entry, ...]
    voided: tuple[tuple[tuple[str, str], tuple[str, str]], ...]
    unjudged: tuple[str, ...]
    wake: int | None

    @property
    def stopped(self) -> bool:
        """Whether the cells must not move on."""
        return any(not one.provisional for one in self.violations)

    @property
    def gaps(self) -> tuple[Violation, ...]:
        """What is provisional, each with its deadline."""
        return tuple(one for one in self.violations if one.provisional)


@dataclass(slots=True)
class Memory:
    """What one reading of a journey spares the next, of the same facts and more. It holds no truth of its own."""

    workflow: str = ""
    sifted: Sifted | None = None
    rows: int = 0  # how many of the first are sifted
    entries: dict[tuple[str, int], tuple[f.Fact, Entry]] = field(default_factory=dict)  # by step and the fact's id()
    custody: list[Entry] = field(default_factory=list)  # of the first `listed` of what is sifted
    listed: int = 0
    where: tuple[str, str] = ("", "")  # step and place after those


def read_journey(
    coi: str, rows: Sequence[Row], clock: int, settings: Settings, corrected: bool, memory: Memory
) -> JourneyReading:  # fmt: skip
    """Read a journey as of a clock. A function of the set of facts and the clock: never of the order they came in.

    Parameters
    ----------
    coi : str
        The patient's chain of identity identifier.
    rows : sequence of (at [us], number of the name, fact)
        All facts, sorted.
    clock : int
        The newest time that any fact proves, or that time was said to have passed [us].
    settings : Settings
        Bounds, and workflows beside the default one.
    corrected : bool
        Whether any fact voids or corrects another.
    memory : Memory
        Of this journey; brought up to date.
    """
    unjudged: list[str] = []
    workflow, sifted = _sifted(rows, settings, corrected, memory, unjudged)
    judge = Judge(clock, settings, sifted.decided)
    judge_identity(judge, sifted, coi)
    judge_order(judge, sifted, workflow)
    judge_custody(judge, sifted, workflow)
    judge_release(judge, sifted, workflow)
    judge_limits(judge, sifted, workflow)
    unjudged += judge_holds(judge, sifted, workflow)
    unjudged += filter(None, (judge_units(judge, sifted, workflow, coi), judge_labels(judge, sifted, workflow)))
    judge_workcells(judge, sifted, coi)
    if not sifted.orders:
        unjudged.append("order: it has not come")
    unjudged += [f"{fact.source} {fact.id}: the fact that it corrects has not come" for fact in sifted.waiting]
    stands, decided = judge.standing()
    step, place, last = _where(sifted, workflow, memory)
    custody = _custody(sifted, workflow, memory)
    holder, handing_over = _holder(custody)
    return JourneyReading(
        coi, clock, workflow.name, step, place, holder, handing_over, lot_status(sifted, workflow, clock)[0], last,
        tuple(stands), tuple(decided), custody, tuple((_name(fact), _name(by)) for fact, by in sifted.voided),
        tuple(unjudged), judge.wake,
    )  # fmt: skip


def _sifted(
    rows: Sequence[Row], settings: Settings, corrected: bool, memory: Memory, unjudged: list[str]
) -> tuple[Workflow, Sifted]:  # fmt: skip
    """Sift the facts, or those that came after what was sifted before."""
    before = memory.sifted
    if before is not None and not corrected:
        workflow = _workflow(memory.workflow, settings, unjudged)
        if extend(before, rows[memory.rows :], workflow):
            memory.rows = len(rows)
            return workflow, before
        unjudged.clear()
    corrections = resolve(rows) if corrected else Corrections()
    memory.workflow = pick_workflow(rows, corrections.dead)
    workflow = _workflow(memory.workflow, settings, unjudged)
    memory.sifted, memory.rows = sift(rows, workflow, corrections), len(rows)
    memory.custody, memory.listed, memory.where = [], 0, ("", "")
    return workflow, memory.sifted


def _workflow(name: str, settings: Settings, unjudged: list[str]) -> Workflow:
    if not name or (name == AUTOLOGOUS.name and name not in settings.workflows):
        return AUTOLOGOUS
    if name in settings.workflows:
        return settings.workflows[name]
    unjudged.append(f"workflow: {name} is not configured, so that steps are judged by {AUTOLOGOUS.name}")
    return AUTOLOGOUS


def _where(sifted: Sifted, workflow: Workflow, memory: Memory) -> tuple[str, str, int | None]:
    """Give the newest step, the newest place that a fact names, and when anything was seen last [us]."""
    step, place = memory.where
    for word, act in sifted.seen[memory.listed :]:
        if word in workflow.by_name:
            step = word
        place = act.fact.place or place  # type: ignore[union-attr]
    memory.where = step, place
    return step, place, sifted.seen[-1][1].at if sifted.seen else None


def _custody(sifted: Sifted, workflow: Workflow, memory: Memory) -> tuple[Entry, ...]:
    """List who signed or scanned, by step and time. What does not change is the same object again."""
    found = memory.custody
    for step, act in sifted.seen[memory.listed :]:
        if step not in workflow.by_name:
            continue
        before = memory.entries.get((step, id(act.fact)))
        entry = _entry(step, act) if before is None else before[1]
        if before is None:
            memory.entries[step, id(act.fact)] = (act.fact, entry)
        found.append(entry)
    memory.listed = len(sifted.seen)
    return tuple(found)


def _entry(step: str, act: Act) -> Entry:
    fact = act.fact
    assert isinstance(fact, (f.Scan, f.Handover))
    signed = signed_by(fact)
    return Entry(
        act.at, step, fact.place, signed.get("release", ""), signed.get("receipt", ""), units_of(fact), _name(fact)
    )  # fmt: skip


def _holder(custody: tuple[Entry, ...]) -> tuple[str, bool]:
    """Give who signed last for the cells. At one step a release and a receipt may be known in either order."""
    for place in range(len(custody) - 1, -1, -1):
        one = custody[place]
        if one.receiver:
            return one.receiver, False
        if one.releaser:
            before = [two.receiver for two in custody[:place] if two.step == one.step and two.receiver]
            return (before[-1], False) if before else (one.releaser, True)
    return "", False


def _name(fact: f.Fact) -> tuple[str, str]:
    return fact.source, fact.id
