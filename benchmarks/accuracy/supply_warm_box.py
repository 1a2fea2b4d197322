"""How early boxes that will be warm are warned of, and how often boxes that arrive with time in hand are.

Detection: of boxes that pass the limit on their way, at least 12 h after the tip or leak that caused it (or after they
ran dry, where nothing else did), the share whose warning stands 6 h before the limit. False: of boxes that arrive with
more than 24 h left, the share that was ever warned of. Looks are hourly. Without a fill signal: the ROC, no bar.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.accuracy.supply_warm_worlds import COLD, WORLDS, Way, Ways, World, shipper, way, without_fill
from benchmarks.intervals import wilson
from benchmarks.report import Bar, Report, add_out, given
from schemas.instants import HOUR
from twins.supply.temperature import Hold, Logger, Payload, WarmRule, WarmWarning, judge, new_box

EARLY, LATEST_CAUSE, IN_HAND = 6.0, 12.0, 24.0  # hours, of the bar
DETECTED, FALSE = 0.95, 0.01
THRESHOLDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # of the rise in temperature [K]


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="supply_warm_box", description=__doc__)
    parser.add_argument("--boxes", type=int, default=300, help="of each world and seed")
    parser.add_argument("--seeds", type=int, default=2, help="how many, each another population")
    parser.add_argument("--seed", type=int, default=101, help="the first of them")
    parser.add_argument("--worlds", default="", help="only those whose name has this in it")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    add_out(parser)
    options = parser.parse_args(arguments)
    report = Report("supply_warm_box", str(__doc__).splitlines()[0], given(options))
    worlds = [world for world in WORLDS if options.worlds in world.name]
    cells = [(world, seed) for world in worlds for seed in range(options.seed, options.seed + options.seeds)]
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        rows = list(pool.map(partial(score, boxes=options.boxes), cells))
    for world in worlds:
        mine = [row for row, (other, _) in zip(rows, cells, strict=True) if other is world]
        report.add("worlds", **_row(world.name, mine))
    everything = _row("all", rows)
    report.add("worlds", **everything)
    for threshold in THRESHOLDS:
        report.add("no fill signal", **_roc(threshold, rows))
    report.bars += [
        Bar("detected, all worlds", DETECTED, everything["detected"], "of boxes"),
        Bar("false, all worlds", FALSE, everything["false"], "of boxes", True),
        Bar("detected, worst world", DETECTED, min(row["detected"] for row in report.tables["worlds"]), "of boxes"),
        Bar("false, worst world", FALSE, max(row["false"] for row in report.tables["worlds"]), "of boxes", True),
    ]
    report.notes += ["Intervals are Wilson's, 95 %. `hours` is the median time from the warning to the limit."]
    report.write(options.out)
    return 0


def score(cell: tuple[World, int], boxes: int) -> dict[str, Any]:
    """Send the boxes of one world and seed."""
    world, seed = cell
    rng = np.random.default_rng([seed, *world.name.encode()])
    thought = Ways(seed)
    found: list[float] = []  # hours from the standing warning to the limit; -1 where none stood
    alarmed: list[bool] = []
    plain: dict[float, list[list[bool]]] = {threshold: [[], []] for threshold in THRESHOLDS}
    for _ in range(boxes):
        box = way(world, rng)
        due = box.limit < box.arrival and box.limit - box.cause >= LATEST_CAUSE
        fine = box.limit - box.arrival > IN_HAND
        if not (due or fine):
            continue
        looks = watch(world, box, thought)
        if due:
            stood = [w for t, w in looks if t <= box.limit - EARLY]
            standing = bool(stood) and stood[-1].standing
            found.append(box.limit - stood[-1].since / HOUR if standing else -1.0)
        else:
            alarmed.append(any(w.since >= 0 for _, w in looks))
        for threshold in THRESHOLDS:
            when = _risen(without_fill(box), threshold)
            plain[threshold][0 if due else 1].append(when <= box.limit - EARLY if due else when < np.inf)
    return {"found": found, "alarmed": alarmed, "plain": plain}


def watch(world: World, box: Way, thought: Ways, rule: WarmRule | None = None) -> list[tuple[float, WarmWarning]]:
    """Fold a box's signals and look at it each hour."""
    facts, rule = shipper(world), rule or WarmRule()
    payload = Payload(Logger(world.noise_kelvin, world.lag_hours))
    law = Hold(facts, new_box(facts), payload, box.fill_said, max(world.fill_error, 0.01))
    state, warning, looks, place = law.start(), WarmWarning(), [], 0
    for hour in np.arange(0.0, box.arrival, 1.0).tolist():
        while place < len(box.rows) and box.rows[place][0] <= hour:
            t, kind, value = box.rows[place]
            state = law.step(state, round(t * HOUR), kind, value)
            place += 1
        now = round(hour * HOUR)
        warning = judge(rule, warning, law.left(state, now), thought.left(box, hour), now)
        looks.append((hour, warning))
    return looks


def _risen(box: Way, threshold: float) -> float:
    """Give when the logger first read so far above cold, twice in a row."""
    before = False
    for t, kind, value in box.rows:
        if kind == 0:
            above = value - COLD > threshold
            if above and before:
                return t
            before = above
    return float("inf")


def _row(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = [hours for row in rows for hours in row["found"]]
    alarmed = [one for row in rows for one in row["alarmed"]]
    hits, wrong = sum(hours >= 0 for hours in found), sum(alarmed)
    low, high = wilson(hits, len(found))
    least, most = wilson(wrong, len(alarmed))
    return {
        "world": name, "warm": len(found), "detected": hits / max(1, len(found)), "low": low, "high": high,
        "hours": float(np.median([hours for hours in found if hours >= 0])) if hits else 0.0,
        "in_hand": len(alarmed), "false": wrong / max(1, len(alarmed)), "false_low": max(0.0, least),
        "false_high": most,
    }  # fmt: skip


def _roc(threshold: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    hit = [one for row in rows for one in row["plain"][threshold][0]]
    wrong = [one for row in rows for one in row["plain"][threshold][1]]
    return {
        "rise_kelvin": threshold, "warm": len(hit), "detected": sum(hit) / max(1, len(hit)),
        "in_hand": len(wrong), "false": sum(wrong) / max(1, len(wrong)),
    }  # fmt: skip


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
