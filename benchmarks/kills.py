"""kill -9 at random points and at every named step, and COMMITs whose reply is lost: records lost and doubled.

A small fleet with duplicates, late and unreadable records is fed without pause while one worker after the other is
killed. At the end an offline verifier refolds the whole log in other frames and compares history, effects, outputs
and state. By the rule of three, 0 failures of 100 kills say: fewer than 3 in 100, with 95 % certainty.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import monotonic

from benchmarks.report import Bar, Report, add_out, given
from benchmarks.servers import Stage, stage
from tests.faults.plan import CLAIM_STEPS, COPY_STEP, ENGINE_STEPS, PUBLISH_STEPS, Plan
from tests.faults.proxy import CommitLoser
from tests.faults.rig import Rig
from tests.faults.verifier import Findings
from tests.faults.workers import Forge, until

TRANSPORTS = ("embedded", "kafka")
_CUT_SECONDS = 600.0
_NOT_YET = "before the first step"


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="at random moments, for each transport")
    parser.add_argument("--cuts", type=int, default=100, help="COMMITs whose reply is lost, for each transport")
    parser.add_argument("--hits", type=int, default=3, help="how often each named step is hit")
    parser.add_argument("--transports", default=",".join(TRANSPORTS))
    parser.add_argument("--rate", type=float, default=200.0, help="records a second")
    parser.add_argument("--longest", type=float, default=2.0, help="longest life of a worker [s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, help="folder for the servers' data")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report(
        "kills", "Records and effects lost or doubled by kill -9, as an offline verifier counts.", given(options)
    )
    for transport in options.transports.split(","):
        for name, run in (("random", _random), ("every step", _steps), ("reply lost", _replies)):
            with stage(transport, options.scratch) as where:
                (where.folder / "forge").mkdir()
                with Forge(where.folder / "forge") as forge:
                    run(report, f"{transport}, {name}", where, forge, options)
    report.notes.append("A life is one worker process. Lost and doubled count records, effects, outputs and states.")
    report.write(options.out)
    return 0 if all(bar.met for bar in report.bars) else 1


def _rig(where: Stage, forge: Forge, seed: int, worker_uri: str | None = None) -> Rig:
    folder = where.folder / "rig"
    folder.mkdir()
    return Rig(forge, where.uri, where.broker, folder, seed, worker_uri=worker_uri)


def _random(report: Report, name: str, where: Stage, forge: Forge, options: argparse.Namespace) -> None:
    rig = _rig(where, forge, options.seed)
    rig.feed(options.rate, backlog=500)
    lasted = rig.live_killed(options.kills, options.longest)
    reached = Counter(life.step or _NOT_YET for life in rig.lives)
    _settle(report, name, rig, options.kills, median_life_s=median(lasted))
    for step, number in reached.most_common():
        report.add("last step before a random kill", run=name, step=step, kills=number)


def _steps(report: Report, name: str, where: Stage, forge: Forge, options: argparse.Namespace) -> None:
    rig = _rig(where, forge, options.seed + 1)
    rig.feed(options.rate, backlog=500)
    steps = [*CLAIM_STEPS, *ENGINE_STEPS, COPY_STEP, *(PUBLISH_STEPS if where.broker else ())]
    plans = [Plan(step, hit if step not in CLAIM_STEPS else 1) for hit in range(1, options.hits + 1) for step in steps]
    killed = sum(life.code == -9 and life.step == life.plan.at for life in rig.live(plans))
    report.bars.append(Bar(f"{name}: steps hit", len(plans), killed, "of all"))
    _settle(report, name, rig, killed)


def _replies(report: Report, name: str, where: Stage, forge: Forge, options: argparse.Namespace) -> None:
    with CommitLoser(where.uri, options.seed, share=0.4) as proxy:
        rig = _rig(where, forge, options.seed + 2, proxy.uri)
        rig.feed(options.rate, backlog=500)
        life = rig.launch()
        until(lambda: proxy.cut_after >= options.cuts or not life.alive, _CUT_SECONDS, f"{options.cuts} cuts")
        proxy.share = 0.0
        life.kill()
        life.wait(10)
        _settle(report, name, rig, proxy.cut_after + proxy.cut_before)


def _settle(report: Report, name: str, rig: Rig, faults: int, **more: float) -> None:
    """Let a last worker finish, verify, and write the row."""
    began = monotonic()
    rig.finish(more=200)
    finished = monotonic() - began
    found: Findings = rig.verify()
    report.add(
        "runs",
        run=name,
        faults=faults,
        records=found.records,
        effects=found.effects,
        outputs=found.outputs,
        problems=len(found.problems),
        finish_s=finished,
        **more,
    )
    report.bars.append(Bar(f"{name}: lost or doubled", 0, len(found.problems), f"of {faults} faults", most=True))
    report.notes += [f"{name}: {problem[:500]}" for problem in found.problems]
