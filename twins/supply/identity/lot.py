"""May the lot go: released before it ships, in a shipper that still holds, with every label accounted for."""

from __future__ import annotations

from itertools import groupby

from schemas.instants import format_instant
from twins.supply.identity import facts as f
from twins.supply.identity.judging import Judge
from twins.supply.identity.sifting import Act, Sifted, in_time
from twins.supply.identity.workflow import Workflow


def judge_release(judge: Judge, sifted: Sifted, workflow: Workflow) -> None:
    """Find steps that need a released lot and had none."""
    acts = [act for step in workflow.steps if step.released for act in sifted.acts.get(step.name, ())]
    if not acts:
        return
    first = min(acts, key=in_time)
    status, since = lot_status(sifted, workflow, first.at + judge.skew)
    if since is not None and since <= first.at:
        return
    deadline = judge.lacks(first.at, min(act.known for act in acts), since, sifted.reopened.get(workflow.release, 0))
    if deadline is None:
        return
    after = [one for one in sifted.lot if one[2] == "released" and one[0] > first.at + judge.skew]
    received = "a release known too late" if since is not None else f"a lot that was {status}"
    if since is None and after:
        received += f", released at {format_instant(after[0][0])}"
        if status == "not released":
            deadline = None  # the release is known, and came after
    before = [one for one in sifted.lot if one[0] <= first.at]
    facts: list[f.Fact] = [first.fact, *(one[4] for one in (*before, *after))]
    judge.add("unreleased", _step_of(first.fact), first.at, facts, "a released lot before it goes", received, deadline)


def lot_status(sifted: Sifted, workflow: Workflow, by: int) -> tuple[str, int | None]:
    """Give the lot's status at a time, and since when it was known that it may go; None while it may not."""
    status, may_go = "not released", None
    approved: dict[str, int] = {}
    for at, known, word, names, _ in sifted.lot:
        if at > by:
            break
        if word == "released":
            may_go = known if may_go is None else min(known, may_go)
            status = "released"
        elif word == "oos_approved":
            for name in names:
                if name:
                    approved[name] = min(known, approved.get(name, known))
            if len(approved) >= workflow.oos_approvals and status != "released":
                status = "approved out of specification"
                may_go = sorted(approved.values())[workflow.oos_approvals - 1]
        else:
            status, may_go = word, None
            if word == "rejected":
                approved.clear()
    return status, may_go


def _step_of(fact: f.Fact) -> str:
    return fact.step if isinstance(fact, (f.Scan, f.Handover)) else fact.id


def judge_holds(judge: Judge, sifted: Sifted, workflow: Workflow) -> list[str]:
    """Find shippers that were not unpacked, or charged again, before their hold was over. Give what cannot be judged.

    A step that needs the unpacking shows that the cells were out by then; when they came out it does not.
    """
    untold: list[str] = []
    for place, packed in enumerate(sifted.packed):
        fact = packed.fact
        assert isinstance(fact, f.ShipperPacked)
        over = fact.hold_until
        again = [act for act in sifted.packed[place + 1 :] if act.fact.shipper == fact.shipper]  # type: ignore[union-attr]
        ends = sorted([*_unpackings(sifted, workflow, packed.at, fact.shipper), *again], key=in_time)
        out = _out_by(sifted, workflow, packed.at)
        known = [act.known for act in (*ends, *out) if act.at <= over]
        if not known and judge.clock <= over:
            judge.wait(over)
            continue
        deadline = judge.lacks(over, packed.known, min(known) if known else None, _reopened(sifted, workflow))
        if deadline is None:
            continue
        if out and (not ends or ends[0].at > out[0].at):
            untold.append(f"hold of shipper {fact.shipper}: nobody scanned when it was unpacked")
            continue
        received = f"unpacked at {format_instant(ends[0].at)}" if ends else "not unpacked"
        judge.add(
            "hold_expired", f"{fact.shipper}:{fact.source}:{fact.id}", over, [fact, *(act.fact for act in ends[:1])],
            f"shipper {fact.shipper} unpacked by {format_instant(over)}",
            received + (", known too late" if known else ""), deadline,
        )  # fmt: skip
    return untold


def _unpackings(sifted: Sifted, workflow: Workflow, since: int, shipper: str) -> list[Act]:
    steps = {step.name for step in workflow.steps if step.unpacks}
    return [
        act
        for name, act in sifted.seen
        if act.at >= since and (name in steps or (_action(act.fact) == "DELETE" and act.fact.parent == shipper))  # type: ignore[union-attr]
    ]


def _action(fact: f.Fact) -> str:
    return fact.action if isinstance(fact, f.Scan) else ""


def _out_by(sifted: Sifted, workflow: Workflow, packed_at: int) -> list[Act]:
    """Give acts that need the unpacking of the leg that this packing began."""
    for step in workflow.steps:
        if not step.unpacks:
            continue
        after = [act for name in workflow.later[step.name] for act in sifted.acts.get(name, ())]
        if not any(act.at < packed_at for act in after):
            return sorted(after, key=in_time)
    return []


def _reopened(sifted: Sifted, workflow: Workflow) -> int:
    return max((sifted.reopened.get(step.name, 0) for step in workflow.steps if step.unpacks), default=0)


def judge_labels(judge: Judge, sifted: Sifted, workflow: Workflow) -> str | None:
    """Find labels that are not accounted for where their line was cleared. Give why it cannot be judged, or None."""
    expected = _expected(sifted)
    if not sifted.labels and not expected:
        return None
    clears = [step for step in workflow.steps if step.clears]
    cleared = [(act, step is clears[-1]) for step in clears for act in sifted.acts.get(step.name, ())[-1:]]
    cleared += [(act, False) for word, act in sifted.seen if word in workflow.clearance]
    if not cleared:
        return "labels: no line was cleared yet"
    for act, everywhere in sorted(cleared, key=lambda one: in_time(one[0])):
        _judge_clearance(judge, sifted, act, everywhere)
        if everywhere:
            _judge_expected(judge, sifted, act, expected)
    return None


def _judge_clearance(judge: Judge, sifted: Sifted, cleared: Act, everywhere: bool) -> None:
    place = getattr(cleared.fact, "place", "")
    here = [one for one in sifted.labels if one.at <= cleared.at + judge.skew]
    for (kind, where), acts in groupby(sorted(here, key=_group), key=_group):
        if everywhere or not place or not where or where == place:
            _judge_balance(judge, sifted, cleared, kind, where, list(acts))


def _judge_balance(judge: Judge, sifted: Sifted, cleared: Act, kind: str, where: str, acts: list[Act]) -> None:
    deadline = judge.lacks(cleared.at, cleared.known, None, sifted.reopened.get("Labels", 0))
    assert deadline is not None
    open_now = sum(_balance(act.fact) for act in acts)
    open_then = sum(_balance(act.fact) for act in acts if act.known <= deadline)
    if open_now or (open_then and judge.clock > deadline):
        at = f" at {where}" if where else ""
        judge.add(
            "labels_unbalanced", f"{kind}:{where}", cleared.at, [cleared.fact, *(act.fact for act in acts)],
            f"0 labels {kind} open{at}",
            f"{open_now or open_then} open{'' if open_now else ' until it was too late'}", deadline,
        )  # fmt: skip


def _judge_expected(judge: Judge, sifted: Sifted, cleared: Act, expected: dict[str, int]) -> None:
    for kind, number in sorted(expected.items()):
        acts = [one for one in sifted.labels if one.at <= cleared.at + judge.skew and _kind(one) == kind]
        deadline = judge.lacks(cleared.at, cleared.known, None, sifted.reopened.get("Labels", 0))
        assert deadline is not None
        now = _wrong_count(acts, number)
        then = _wrong_count([act for act in acts if act.known <= deadline], number)
        if now or (then and judge.clock > deadline):
            judge.add(
                "labels_unbalanced", f"{kind}:expected", cleared.at, [cleared.fact, *(act.fact for act in acts)],
                f"{number} labels {kind} as ordered", now or f"{then}, until it was too late", deadline,
            )  # fmt: skip


def _wrong_count(acts: list[Act], number: int) -> str:
    """Say how labels differ from what was ordered; empty where they do not, as far as can be told."""
    told: list[f.Labels] = [act.fact for act in acts if isinstance(act.fact, f.Labels)]
    received = sum(one.received for one in told)
    if not any(one.passed_on for one in told):
        return f"{received} received" if received != number else ""
    ended = sum(one.used + one.destroyed for one in told)  # a place that hands on what it received counts it twice
    return f"{ended} used or destroyed" if ended > number else ""


def _expected(sifted: Sifted) -> dict[str, int]:
    newest = sifted.orders[-1].fact if sifted.orders else None
    return newest.labels if isinstance(newest, f.Ordered) else {}


def _balance(fact: f.Fact) -> int:
    assert isinstance(fact, f.Labels)
    return fact.received - fact.used - fact.passed_on - fact.destroyed


def _kind(act: Act) -> str:
    return act.fact.type  # type: ignore[union-attr]


def _group(act: Act) -> tuple[str, str]:
    assert isinstance(act.fact, f.Labels)
    return act.fact.type, act.fact.place
