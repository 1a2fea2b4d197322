"""The classic job shop by CP-SAT, and six public instances whose optima are published: a smoke test of the solver.

Source: FT06 from Fisher and Thompson, Probabilistic learning combinations of local job-shop scheduling rules, 1963;
LA01 to LA05 from Lawrence, Resource constrained project scheduling, 1984. Optima: 55, 666, 655, 597, 590, 593.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from twins.supply.planning.model import cp_sat

Job = tuple[tuple[int, int], ...]  # machine and duration, in order


@dataclass(frozen=True, slots=True)
class Instance:
    """Jobs whose operations each need a machine for a time, and the published least makespan."""

    name: str
    jobs: tuple[Job, ...]
    optimum: int


@dataclass(frozen=True, slots=True)
class Makespan:
    """What was found: the makespan, its bound (equal: proved), starts by job and operation, seconds."""

    length: int
    bound: int
    starts: tuple[tuple[int, ...], ...]
    wall_seconds: float

    @property
    def proved(self) -> bool:
        """Whether no shorter one exists."""
        return self.length == self.bound


def shortest(jobs: tuple[Job, ...], seed: int = 0, wall_seconds: float = 60.0) -> Makespan:
    """Find the least makespan, one worker.

    Raises
    ------
    MissingExtraError
        If OR-tools is not installed.
    """
    cp = cp_sat()
    model, horizon = cp.CpModel(), sum(time for job in jobs for _, time in job)
    machines: dict[int, list[object]] = {}
    starts = []
    end = model.new_int_var(0, horizon, "")
    for job in jobs:
        mine = [model.new_int_var(0, horizon, "") for _ in job]
        for k, (machine, time) in enumerate(job):
            machines.setdefault(machine, []).append(model.new_fixed_size_interval_var(mine[k], time, ""))
            following = mine[k + 1] if k + 1 < len(job) else end
            model.add(following >= mine[k] + time)
        starts.append(mine)
    for intervals in machines.values():
        model.add_no_overlap(intervals)
    model.minimize(end)
    solver = cp.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_time_in_seconds = wall_seconds
    if solver.solve(model) not in (cp.OPTIMAL, cp.FEASIBLE):
        return Makespan(horizon, 0, (), float(solver.wall_time))
    found = tuple(tuple(int(solver.value(one)) for one in mine) for mine in starts)
    return Makespan(int(solver.objective_value), round(solver.best_objective_bound), found, float(solver.wall_time))


def faults(jobs: tuple[Job, ...], found: Makespan) -> list[str]:
    """Say which rules a schedule breaks: order within a job, one job on a machine at a time, the makespan."""
    said, busy = [], dict[int, list[tuple[int, int]]]()
    for n, (job, starts) in enumerate(zip(jobs, found.starts, strict=True)):
        at = 0
        for (machine, time), start in zip(job, starts, strict=True):
            if start < at:
                said.append(f"job {n} starts an operation at {start}, before {at}")
            at = start + time
            busy.setdefault(machine, []).append((start, at))
        if at > found.length:
            said.append(f"job {n} ends at {at}, behind {found.length}")
    for machine, spans in busy.items():
        spans.sort()
        said += [f"machine {machine} is used twice at {b[0]}" for a, b in pairwise(spans) if b[0] < a[1]]
    return said


def _read(table: str) -> tuple[Job, ...]:
    rows = [[int(word) for word in line.split()] for line in table.strip().splitlines()]
    return tuple(tuple(zip(row[::2], row[1::2], strict=True)) for row in rows)


_FT06 = """
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""
_LA01 = """
1 21 0 53 4 95 3 55 2 34
0 21 3 52 4 16 2 26 1 71
3 39 4 98 1 42 2 31 0 12
1 77 0 55 4 79 2 66 3 77
0 83 3 34 2 64 1 19 4 37
1 54 2 43 4 79 0 92 3 62
3 69 4 77 1 87 2 87 0 93
2 38 0 60 1 41 3 24 4 83
3 17 1 49 4 25 0 44 2 98
4 77 3 79 2 43 1 75 0 96
"""
_LA02 = """
0 20 3 87 1 31 4 76 2 17
4 25 2 32 0 24 1 18 3 81
1 72 2 23 4 28 0 58 3 99
2 86 1 76 4 97 0 45 3 90
4 27 0 42 3 48 2 17 1 46
1 67 0 98 4 48 3 27 2 62
4 28 1 12 3 19 0 80 2 50
1 63 0 94 2 98 3 50 4 80
4 14 0 75 2 50 1 41 3 55
4 72 2 18 1 37 3 79 0 61
"""
_LA03 = """
1 23 2 45 0 82 4 84 3 38
2 21 1 29 0 18 4 41 3 50
2 38 3 54 4 16 0 52 1 52
4 37 0 54 2 74 1 62 3 57
4 57 0 81 1 61 3 68 2 30
4 81 0 79 1 89 2 89 3 11
3 33 2 20 0 91 4 20 1 66
4 24 1 84 0 32 2 55 3 8
4 56 0 7 3 54 2 64 1 39
4 40 1 83 0 19 2 8 3 7
"""
_LA04 = """
0 12 2 94 3 92 4 91 1 7
1 19 3 11 4 66 2 21 0 87
1 14 0 75 3 13 4 16 2 20
2 95 4 66 0 7 3 7 1 77
1 45 3 6 4 89 0 15 2 34
3 77 2 20 0 76 4 88 1 53
2 74 1 88 0 52 3 27 4 9
1 88 3 69 0 62 4 98 2 52
2 61 4 9 0 62 1 52 3 90
2 54 4 5 3 59 1 15 0 88
"""
_LA05 = """
1 72 0 87 4 95 2 66 3 60
4 5 3 35 0 48 2 39 1 54
1 46 3 20 2 21 0 97 4 55
0 59 3 19 4 46 1 34 2 37
4 23 2 73 3 25 1 24 0 28
3 28 0 45 4 5 1 78 2 83
0 53 3 71 1 37 4 29 2 12
4 12 2 87 3 33 1 55 0 38
2 49 3 83 1 40 0 48 4 7
2 65 3 17 0 90 4 27 1 23
"""
INSTANCES = tuple(
    Instance(name, _read(table), optimum)
    for name, table, optimum in (
        ("FT06", _FT06, 55),
        ("LA01", _LA01, 666),
        ("LA02", _LA02, 655),
        ("LA03", _LA03, 597),
        ("LA04", _LA04, 590),
        ("LA05", _LA05, 593),
    )
)
