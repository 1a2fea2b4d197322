"""Which step, and after what: steps that are missing, come before their cause, or come when their time is over."""

from __future__ import annotations

from schemas.instants import HOUR, format_instant
from twins.supply.identity import facts as f
from twins.supply.identity.belonging import units_seen
from twins.supply.identity.judging import Judge
from twins.supply.identity.sifting import Act, Sifted, in_time
from twins.supply.identity.workflow import Step, Workflow


def judge_order(judge: Judge, sifted: Sifted, workflow: Workflow) -> None:
    """Find what is wrong with the order of steps."""
    for word, act in sifted.odd:
        name = f"{word}:{act.fact.source}:{act.fact.id}"
        judge.add("wrong_step", name, act.at, [act.fact], f"a step of workflow {workflow.name}", word)
    for step in workflow.steps:
        acts = sifted.acts.get(step.name)
        if acts is None:
            continue
        for group in step.after:
            if (step.name, group) not in sifted.caused:
                _judge_cause(judge, sifted, workflow, step, group, acts)
        if not step.again:
            _judge_over(judge, sifted, workflow, step, acts)


def _judge_cause(
    judge: Judge, sifted: Sifted, workflow: Workflow, step: Step, group: tuple[str, ...], acts: list[Act]
) -> None:  # fmt: skip
    first = acts[0]
    by = first.at + judge.skew
    causes = [act for name in group for act in sifted.acts.get(name, ())]
    known = [act.known for act in causes if act.at <= by]
    found = min(known) if known else None
    if found is not None and found <= first.at:
        sifted.caused.add((step.name, group))  # facts that come after these change neither
        return
    seen = first.known if len(acts) == 1 else min(act.known for act in acts)
    again = max(sifted.reopened.get(name, 0) for name in group)
    deadline = judge.lacks(first.at, seen, found, again)
    if deadline is None:
        return
    wanted = " or ".join(group)
    if causes and found is None:
        cause = min(causes, key=in_time)
        may_recur = all(workflow.by_name[name].redo or workflow.by_name[name].again for name in group)
        judge.add(
            "before_cause", f"{step.name}:{first.fact.source}:{first.fact.id}", first.at,
            [first.fact, cause.fact], f"{wanted} before {step.name}",
            f"{step.name} at {format_instant(first.at)}, {wanted} at {format_instant(cause.at)}",
            deadline if may_recur else None,
        )  # fmt: skip
        return
    judge.add(
        "missing_step", wanted, first.at, [first.fact], f"{wanted} before {step.name}",
        f"{step.name} without it" if found is None else f"{wanted} known too late", deadline,
    )  # fmt: skip


def _judge_over(judge: Judge, sifted: Sifted, workflow: Workflow, step: Step, acts: list[Act]) -> None:
    """Find acts of a step that had been before, after a step that needs it: its time is over."""
    last, first = acts[-1].at - judge.skew, acts[0].at
    for name in workflow.later[step.name]:
        others = sifted.acts.get(name)
        if others is None or others[0].at >= last or first > others[0].at + judge.skew:
            continue
        for act in acts:
            _judge_act_over(judge, sifted, step, act, name, others)


def _judge_act_over(judge: Judge, sifted: Sifted, step: Step, act: Act, name: str, others: list[Act]) -> None:
    units = _line(sifted, act)
    before = [one for one in others if one.at < act.at - judge.skew and _meet(units, set(units_seen(one.fact)))]
    if not before:
        return
    deadline = None
    if step.redo:
        by = act.at + judge.skew
        rejected = [one[1] for one in sifted.lot if one[2] == "rejected" and before[0].at <= one[0] <= by]
        again = sifted.reopened.get("release", 0)
        deadline = judge.lacks(act.at, act.known, min(rejected, default=None), again)
        if deadline is None:
            return
    judge.add(
        "wrong_step", f"{step.name}:{act.fact.source}:{act.fact.id}", act.at, [act.fact, before[-1].fact],
        f"no {step.name} after {name}", f"{step.name} at {format_instant(act.at)}", deadline,
    )  # fmt: skip


def _line(sifted: Sifted, act: Act) -> set[str]:
    """Give the units of an act, with all that they were made of and all that was made of them."""
    made = [(set(one.fact.inputs), set(one.fact.outputs)) for _, one in sifted.seen
            if isinstance(one.fact, f.Scan) and one.fact.inputs]  # fmt: skip
    back, on = set(units_seen(act.fact)), set(units_seen(act.fact))
    for _ in made:  # as many generations as there are transformations at most
        back |= {unit for inputs, outputs in made if outputs & back for unit in inputs}
        on |= {unit for inputs, outputs in made if inputs & on for unit in outputs}
    return back | on


def _meet(units: set[str], others: set[str]) -> bool:
    return not units or not others or bool(units & others)


def judge_limits(judge: Judge, sifted: Sifted, workflow: Workflow) -> None:
    """Find material and products that were, or are, kept longer than they last."""
    for limit in workflow.limits:
        starts = sifted.acts.get(limit.start)
        if starts is None or any(name in sifted.acts for name in limit.unless):
            continue
        end = next((act for act in sifted.acts.get(limit.end, ()) if act.at >= starts[0].at), None)
        start = starts[-1] if end is None else [act for act in starts if act.at <= end.at][-1]
        over = start.at + round(limit.most_hours * HOUR)
        wanted = f"{limit.end} within {limit.most_hours:g} h of {limit.start}"
        name = f"{limit.start}:{limit.end}:{start.fact.source}:{start.fact.id}"
        if end is not None and end.at > over:
            received = f"{(end.at - start.at) / HOUR:.1f} h"
            judge.add("material_expired", name, over, [start.fact, end.fact], wanted, received)
        elif end is None and not _used_up(sifted, workflow, limit.end, start.at):
            if judge.clock > over:
                judge.add(
                    "material_expired", name, over, [start.fact], wanted, f"no {limit.end} yet",
                    judge.lacks(over, start.known, None, sifted.reopened.get(limit.end, 0)),
                )  # fmt: skip
            else:
                judge.wait(over)


def _used_up(sifted: Sifted, workflow: Workflow, end: str, since: int) -> bool:
    """Tell whether what was to be used is no more: the lot was rejected, or steps were taken that need its use."""
    return any(one[2] == "rejected" and one[0] >= since for one in sifted.lot) or any(
        act.at >= since for name in workflow.later[end] for act in sifted.acts.get(name, ())
    )
