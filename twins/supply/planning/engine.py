"""The engine `supply.plan`: a plan as a job of the pool. docs/supply_planning.md says what may be asked.

A checkpoint is msgpack under a hash: the plan so far and where the search is. Nothing in it follows from the
specification.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from schemas.errors import SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec, hash_of
from twins.block import Memory
from twins.engine import Answer, Device, Needs, Overlap, Run, Standing
from twins.supply.planning.check import reasons
from twins.supply.planning.costs import Spot
from twins.supply.planning.explain import explain
from twins.supply.planning.model import cp_sat
from twins.supply.planning.problem import Assignment, Problem
from twins.supply.planning.reading import read_problem, refused
from twins.supply.planning.solve import STANDARD_WORK, Search, Solved, State, solved

KIND = "supply.plan"
MODELS = ("cp_sat", "greedy")
VERSION = 1  # raise it when the same question would give another plan
MOST_WORK = 600.0  # deterministic seconds: about half an hour
MAGIC = b"TWSP"
_HASH = 32  # bytes


class _Saved(Struct, frozen=True):
    specification: str
    versions: dict[str, str]
    plan: dict[str, list[tuple[int, str]]]
    bound: int
    step: int
    work: float
    size: int
    idle: int
    proved: bool
    cut: bool


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(_Saved)


class SupplyPlan:
    """A schedule of a supply network, from nothing or from the present plan. Constants only.

    Raises
    ------
    MissingExtraError
        If OR-tools is not installed: such a worker leaves these jobs to others. `plan_greedily` needs none.
    """

    kind: str = KIND
    needs: Needs = "cpu"
    overlap: Overlap = "supersede"

    def __init__(self) -> None:
        cp_sat()

    def versions(self) -> dict[str, str]:
        """See `twins.engine.Engine`."""
        return {"engine": f"{KIND}@{VERSION}", "ortools": metadata.version("ortools"), "numpy": np.__version__}

    def validate(self, spec: SimulationSpec) -> None:
        """See `twins.engine.Engine`."""
        read_specification(spec)

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Run:
        """See `twins.engine.Engine`. The past is not looked at: a request holds the present plan."""
        problem, work = read_specification(spec)
        return PlanRun(spec, problem, work, self.versions())


def read_specification(spec: SimulationSpec) -> tuple[Problem, float]:
    """Check a specification whole; give its problem and the solver's work [deterministic s].

    Raises
    ------
    SettingsError
        With what was expected, what came, and in which field.
    """
    if spec.kind != KIND:
        raise refused(f"kind {KIND}", repr(spec.kind), "kind")
    if spec.model not in MODELS:
        raise refused(f"model {' or '.join(MODELS)}", repr(spec.model)[:80], "model")
    unknown = sorted(set(spec.parameters) - {"work"})
    if unknown:
        raise refused("no parameters but work", unknown[:5], "parameters")
    work = spec.parameters.get("work", STANDARD_WORK)
    if not 0.0 < work <= MOST_WORK:
        raise refused(f"work above 0, at most {MOST_WORK:g}", work, "parameters.work")
    problem = read_problem(spec.inputs)
    hours = (problem.horizon - problem.now) * problem.grid_minutes / 60.0
    if not spec.horizon >= hours:
        raise refused(f"a horizon of at least the problem's {hours:g} hours", spec.horizon, "horizon")
    return problem, work


class PlanRun:
    """A job. For one thread."""

    def __init__(self, spec: SimulationSpec, problem: Problem, work: float, versions: dict[str, str]) -> None:
        self._spec, self._problem, self._versions = spec, problem, versions
        self._work = work
        self._search = Search(problem, spec.seed % 2**31, work)

    def run(self, seconds: float) -> Standing:
        """See `twins.engine.Run`."""
        search, end = self._search, time.monotonic() + seconds
        while not self._done():
            search.go_on()
            if time.monotonic() >= end:
                break
        if self._done():
            return Standing(1.0, 1.0, "done")
        note = f"{search.cost} points, at least {search.state.bound}, step {search.state.step}"
        return Standing(min(search.state.work / self._work, 0.99), 1.0, note)

    def checkpoint(self) -> bytes:
        """See `twins.engine.Run`."""
        s = self._search.state
        plan = {name: [(one.start, one.unit) for one in spots] for name, spots in s.plan.items()}
        body = _ENCODE.encode(
            _Saved(hash_of(self._spec), self._versions, plan, s.bound, s.step, s.work, s.size, s.idle, s.proved, s.cut)
        )
        return MAGIC + hashlib.sha256(body).digest() + body

    def restore(self, body: bytes) -> str:
        """See `twins.engine.Run`."""
        saved = _read(body)
        if (saved.specification, saved.versions) != (hash_of(self._spec), self._versions):
            raise SnapshotError("expected a checkpoint of this specification and these versions, received another")
        plan = {name: tuple(Spot(*one) for one in spots) for name, spots in saved.plan.items()}
        self._search.state = State(
            plan, saved.bound, saved.step, saved.work, saved.size, saved.idle, saved.proved, saved.cut
        )
        return "exact"

    def answer(self) -> Answer:
        """See `twins.engine.Run`."""
        if not self._done():
            raise RuntimeError("expected a search that has ended, received one under way; call run until done")
        return make_answer(self._problem, solved(self._search), self._versions)

    def _done(self) -> bool:
        return self._search.done or (self._spec.model == "greedy" and self._search.state.step > 0)


def make_answer(problem: Problem, found: Solved, versions: dict[str, str]) -> Answer:
    """Lay it out. The document holds the whole plan; the summary what fits on one message, the largest moves first."""
    change = explain(problem, found.plan).document()
    terms = {name: getattr(found.check.terms, name) for name in found.check.terms.__dataclass_fields__}
    summary: dict[str, Any] = {  # Any: JSON
        "network": problem.network,
        "status": "complete" if not found.check.unplaced else "incomplete",
        "feasible": found.check.feasible,
        "cost": found.cost,
        "greedy_cost": found.greedy_cost,
        "bound": found.bound,
        "gap": round(found.gap, 6),
        "proved": found.proved,
        "wall_limit_hit": found.wall_hit,
        "work": round(found.work, 9),
        "steps": found.steps,
        "terms": terms,
        "nervousness": change["nervousness"],
        "broken": change["broken"],
        "unplaced": reasons(problem, found.check.unplaced, found.search.greedy.blocked),
        "moves": change["moves"],
        "risks": change["risks"],
        "changed": changed(problem, found.plan),
    }
    document = {
        **summary,
        "kind": KIND,
        "plan": msgspec.to_builtins(found.plan),
        "check": found.check.document(),
        "versions": versions,
    }
    return Answer(_short(summary), document, "statistical" if found.wall_hit else "exact")


def changed(problem: Problem, plan: Sequence[Assignment]) -> list[dict[str, Any]]:  # Any: JSON
    """Give what of a plan is not as the present one has it: whoever keeps that one needs no more to follow it.

    A stage that has no place any more has `start` null.
    """
    was, now = ({(one.patient, one.stage): one for one in each} for each in (problem.plan, plan))
    new = [msgspec.to_builtins(one) for name, one in now.items() if was.get(name) != one]
    gone = [{"patient": name[0], "stage": name[1], "start": None, "unit": ""} for name in was if name not in now]
    return new + gone


def _short(summary: dict[str, Any]) -> dict[str, Any]:
    """Make it fit; what is changed stays whole, or is null: then the document has it."""
    said = {**summary, "left_out": 0}
    if len(msgspec.json.encode(said["changed"])) > MOST_SUMMARY_BYTES // 2:
        said["changed"] = None
    lists = ("risks", "moves", "unplaced", "broken")
    while len(msgspec.json.encode(said)) > MOST_SUMMARY_BYTES - 1024:
        longest = max(lists, key=lambda name: len(said[name]))
        keep = len(said[longest]) * 3 // 4
        said["left_out"] += len(said[longest]) - keep
        said[longest] = said[longest][:keep]
    return said


def _read(body: bytes) -> _Saved:
    head = len(MAGIC) + _HASH
    if body[: len(MAGIC)] != MAGIC or hashlib.sha256(body[head:]).digest() != body[len(MAGIC) : head]:
        raise SnapshotError(f"expected a whole checkpoint of a plan, received {len(body)} other bytes; take another")
    try:
        return _DECODE.decode(body[head:])
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"expected a checkpoint of this shape, received {error}; take another") from None


__all__ = ["KIND", "PlanRun", "SupplyPlan", "read_specification"]
