"""A journey's workflow as data: its steps, what must come before each, who signs, what is read, what time allows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE
from twins.supply.identity.facts import IDENTITIES

BOTH = ("release", "receipt")
# Business steps of the CBV 2.0: those that are no step of a workflow tell where a unit was, and no more.
CBV_STEPS = {
    "accepting", "arriving", "assembling", "collecting", "commissioning", "consigning", "creating_class_instance",
    "cycle_counting", "decommissioning", "departing", "destroying", "disassembling", "dispensing", "encoding",
    "entering_exiting", "holding", "inspecting", "installing", "killing", "loading", "other", "packing", "picking",
    "receiving", "removing", "repackaging", "repairing", "replacing", "reserving", "retail_selling", "sampling",
    "sensor_reporting", "shipping", "staging_outbound", "stock_taking", "stocking", "storing", "transporting",
    "unloading", "unpacking", "void_shipping",
}  # fmt: skip


class Step(Struct, frozen=True, kw_only=True):
    """A step of a journey.

    `after` are its causes: groups of steps, of each group one must have been. `signs` are the halves of a handover
    that are signed there, within `minutes` of each other; `reads` the identities that must be read. `makes`: it gives
    the patient units; `transforms`: so does its scan where it names no inputs and outputs and read the patient's label.
    `released`: the lot must be released by then. `again`: it may be repeated at any time. `redo`: a rejected lot allows
    it again. `unpacks`: the shipper's hold ends here. `clears`: labels of its place must balance; the last step of
    these clears all places.
    """

    name: str
    after: tuple[tuple[str, ...], ...] = ()
    signs: tuple[str, ...] = ()
    minutes: float = 120.0  # assumed: a loading dock's patience; a site's own procedure replaces it
    reads: tuple[str, ...] = ()
    makes: bool = False
    transforms: bool = False
    released: bool = False
    again: bool = False
    redo: bool = False
    unpacks: bool = False
    clears: bool = False


class Limit(Struct, frozen=True, kw_only=True):
    """The most time from the last of a step to the first of another after it [h]. Void once one of `unless` was."""

    start: str
    end: str
    most_hours: float
    unless: tuple[str, ...] = ()


class Workflow(Struct, frozen=True, kw_only=True, dict=True):
    """Steps in their usual order, and what else a journey of this kind obeys.

    `words` maps words of others (a CBV business step) to one step, or to two: the one before and the one after the
    first step of `turn`, as shipping is before and after making. `also` are words that are allowed and mean nothing
    here, `clearance` those that clear the line of their place. `oos_approvals` is how many different approvers let a
    lot out of specification ship.
    """

    name: str
    steps: tuple[Step, ...]
    words: dict[str, tuple[str, ...]] = {}
    turn: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    clearance: tuple[str, ...] = ("line_clearance",)
    limits: tuple[Limit, ...] = ()
    order: str = "order"
    release: str = "release"
    oos_approvals: int = 2

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """Steps by name."""
        return {step.name: step for step in self.steps}

    @cached_property
    def place(self) -> dict[str, int]:
        """Numbers of steps, in their usual order."""
        return {step.name: place for place, step in enumerate(self.steps)}

    @cached_property
    def later(self) -> dict[str, tuple[str, ...]]:
        """Steps that need this one, themselves or through others where every way leads over it."""
        return {step.name: tuple(one.name for one in self.steps if step.name in self._needs[one.name])
                for step in self.steps}  # fmt: skip

    @cached_property
    def _needs(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for step in self.steps:  # causes stand before what they cause
            needs: set[str] = set()
            for group in step.after:
                ways = [found[cause] | {cause} for cause in group]
                needs |= frozenset.intersection(*ways)
            found[step.name] = frozenset(needs)
        return found


def check_workflow(workflow: Workflow) -> Workflow:
    """Give the workflow back if it can be followed.

    Raises
    ------
    SettingsError
        Names the step, what was expected, what came, and what to do.
    """
    seen: set[str] = set()
    for step in workflow.steps:
        where = f"step {step.name} of workflow {workflow.name}"
        if not step.name or step.name in seen:
            raise _wrong("a name of its own", repr(step.name), where, "name each step once")
        for group in step.after:
            if not group:
                raise _wrong("steps in each group of `after`", "none", where, "leave the empty group out")
            for cause in group:
                if cause not in seen:
                    raise _wrong("causes that stand before it", repr(cause), where, "put steps in their usual order")
        _known(step.signs, BOTH, "signs", where)
        _known(step.reads, IDENTITIES, "reads", where)
        if not 0 < step.minutes < 1e6:
            raise _wrong("minutes above 0", str(step.minutes), where, "give the time that two signatures may be apart")
        seen.add(step.name)
    where = f"workflow {workflow.name}"
    for word, steps in workflow.words.items():
        _known(steps, tuple(seen), f"words of {word}", where)
        if not 1 <= len(steps) <= 2 or word in seen:
            raise _wrong("one or two steps for a word that is no step", f"{word}: {steps}", where, "map it to steps")
    _known(workflow.turn, tuple(seen), "turn", where)
    for limit in workflow.limits:
        _known((limit.start, limit.end, *limit.unless), tuple(seen), "limits", where)
        if not limit.most_hours > 0:
            raise _wrong("hours above 0", str(limit.most_hours), where, "say how long it may take")
    if not workflow.steps or workflow.oos_approvals < 1:
        raise _wrong("steps, and at least one approval", str(workflow.oos_approvals), where, "complete it")
    return workflow


def read_workflow(body: dict[str, Any]) -> Workflow:
    """Read a workflow from JSON.

    Raises
    ------
    SettingsError
        If it is none, or cannot be followed.
    """
    try:
        workflow = msgspec.convert(body, type=Workflow)
    except msgspec.ValidationError as error:
        raise _wrong("a workflow", str(error), "workflow", "see docs/supply_identity.md") from None
    return check_workflow(workflow)


class Settings(Struct, frozen=True, kw_only=True):
    """What judges a journey. Times [us].

    `lateness`: how much later than it happened a fact may become known; until then what is missing is provisional.
    `settle`: how long facts that are known later still, as a box of scans is uploaded, wait for each other.
    `skew`: how far clocks of scanners may be apart.
    """

    lateness: int = 12 * HOUR  # assumed: a courier's night without a network
    settle: int = 15 * MINUTE  # assumed: an upload of one device
    skew: int = MINUTE  # assumed: scanners that take their time from a network
    workflows: dict[str, Workflow] = {}


def _known(names: tuple[str, ...], allowed: tuple[str, ...], field: str, where: str) -> None:
    for name in names:
        if name not in allowed:
            raise _wrong(f"{field} among {', '.join(sorted(allowed))}", repr(name), where, "correct the name")


def _wrong(expected: str, received: str, where: str, advice: str) -> SettingsError:
    return SettingsError(f"expected {expected}, received {received}, in {where}; {advice}")


_BAG = ("bag", "order")
_BEDSIDE = ("bag", "order", "wristband")
_DAYS_A_MONTH = 30.4375
# Wide of any journey that is sound; a product's own workflow has its validated figures.
AUTOLOGOUS = check_workflow(
    Workflow(
        name="autologous",
        steps=(
            Step(name="order", makes=True, again=True),
            Step(name="eligibility", after=(("order",),), makes=True, again=True),
            Step(name="apheresis", after=(("eligibility",),), reads=_BEDSIDE, makes=True, redo=True),
            Step(name="fresh", after=(("apheresis",),), redo=True),
            Step(name="cryo", after=(("apheresis",),), redo=True),
            Step(name="leg_in", after=(("fresh", "cryo"),), signs=BOTH, reads=_BAG, redo=True),
            Step(name="receipt", after=(("leg_in",),), signs=BOTH, reads=_BAG, redo=True, unpacks=True),
            Step(name="make", after=(("receipt",),), reads=_BAG, transforms=True, redo=True),
            Step(name="qc", after=(("make",),), redo=True),
            Step(name="release", after=(("qc",),), redo=True, clears=True),
            Step(name="cryo_store", after=(("make",),), again=True),
            Step(name="leg_out", after=(("cryo_store",),), signs=BOTH, reads=_BAG, released=True),
            Step(name="site_receipt", after=(("leg_out",),), signs=BOTH, reads=_BAG, unpacks=True),
            Step(name="lymphodepletion", after=(("apheresis",),), again=True),
            Step(name="thaw", after=(("site_receipt",), ("lymphodepletion",)), released=True),
            Step(name="infusion", after=(("thaw",),), reads=_BEDSIDE, released=True, clears=True),
        ),
        words={"shipping": ("leg_in", "leg_out"), "receiving": ("receipt", "site_receipt")},
        turn=("make", "qc", "release"),
        limits=(
            # assumed, and wide: validated holds at 2 to 8 C are days
            Limit(start="fresh", end="make", most_hours=120, unless=("cryo",)),
            Limit(start="cryo", end="make", most_hours=30 * _DAYS_A_MONTH * 24),  # label of cryopreserved cells
            Limit(start="make", end="infusion", most_hours=9 * _DAYS_A_MONTH * 24),  # label of the product
        ),
    )
)
