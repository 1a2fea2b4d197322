"""The readable reference: the same network as SimPy processes, a patient each. Slow: the truth of the batch.

Durations and branches are drawn before (`batch.predraw`) and handed in, so both engines meet the same chance.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import numpy as np

from schemas.errors import MissingExtraError
from twins.supply.network import kernel
from twins.supply.network.batch import Drawn, Trace, key_of
from twins.supply.network.kernel import FINISHED, IN_PROCESS, LEFT
from twins.supply.network.model import Compiled

SERVE = 2  # SimPy's order at one instant: 0 urgent, 1 normal, then this

Env = Any  # simpy.Environment; has no types where SimPy is not installed


@dataclass(slots=True)
class Pool:
    """A resource: free units, and who waits, by priority, then time of asking, then number."""

    free: int
    line: list[tuple[int, float, int, Any]] = field(default_factory=list)  # Any: the event that says it is served
    busy: int = 0
    since: float = 0.0
    busy_days: float = 0.0
    queue_days: float = 0.0

    def settle(self, now: float) -> None:
        """Carry the sums over time to now."""
        self.busy_days += self.busy * (now - self.since)
        self.queue_days += len(self.line) * (now - self.since)
        self.since = now


@dataclass(slots=True)
class Outcome:
    """What one replication came to. Sums over time are from day 0."""

    trace: Trace
    finish: list[float]
    status: list[int]
    busy_days: list[float]
    queue_days: list[float]
    end: float


def run_reference(network: Compiled, seed: int, drawn: Drawn) -> Outcome:
    """Simulate one replication by SimPy.

    Raises
    ------
    MissingExtraError
        If SimPy is not installed.
    """
    try:
        import simpy
    except ModuleNotFoundError:
        raise MissingExtraError("simpy", "supply") from None
    world = _World(simpy.Environment(), network, seed, drawn)
    world.begin(simpy.Event)
    world.env.run(until=network.horizon)
    return world.outcome()


class _World:
    """One replication under way."""

    def __init__(self, env: Env, network: Compiled, seed: int, drawn: Drawn) -> None:
        m, n = network.model, drawn.patients
        self.env, self.network, self.replication, self.key = env, network, drawn.replication, key_of(seed)
        self.arrived, self.of, self.keys = (
            drawn.arrived[:n].tolist(),
            drawn.patient_class[:n].tolist(),
            drawn.key.tolist(),
        )
        self.days, self.coins, self.left = drawn.days[:, :n].tolist(), drawn.coins[:, :n].tolist(), drawn.left.tolist()
        self.pools = [Pool(int(units)) for units in m.units]
        self.serving = False
        self.first, self.steps = m.first.tolist(), m.steps.tolist()
        self.level, self.closed, self.over = m.level.tolist(), m.closed.tolist(), m.held_over.tolist()
        self.asks = [row[:count].tolist() for row, count in zip(m.asks, m.n_asks, strict=True)]
        upto, to, most = m.outcome_upto.tolist(), m.outcome_to.tolist(), m.outcome_most.tolist()
        rows = list(zip(upto, to, most, m.outcome_then.tolist(), range(len(upto)), strict=True))
        self.outcomes = [rows[low:high] for low, high in zip(m.outcome[:-1], m.outcome[1:], strict=True)]
        self.who: list[tuple[int, int, int]] = []
        self.times: list[list[float]] = []
        self.finish = [math.nan] * len(self.arrived)
        self.status = [IN_PROCESS] * len(self.arrived)
        self.last = 0.0

    def begin(self, event: Any) -> None:
        """Schedule changes of units and every patient."""
        m, env = self.network.model, self.env
        self.event = event
        for day, resource, units in zip(
            m.change_time.tolist(), m.change_resource.tolist(), m.change_units.tolist(), strict=True
        ):
            env.timeout(day).callbacks.append(lambda _, r=resource, n=units: self._change(r, n))
        for patient in range(len(self.arrived)):
            env.process(self._patient(patient))

    def outcome(self) -> Outcome:
        """Sum up."""
        over = all(status != IN_PROCESS for status in self.status)
        end = self.last if over else self.network.horizon
        for pool in self.pools:
            pool.settle(end)
        who = np.array(self.who, dtype=np.int64).reshape(-1, 3)
        return Outcome(
            Trace(who, np.array(self.times).reshape(-1, 3)), self.finish, self.status,
            [pool.busy_days for pool in self.pools], [pool.queue_days for pool in self.pools], end,
        )  # fmt: skip

    def _patient(self, p: int) -> Generator[Any, Any, None]:
        """Go a patient's way: ask, be served, last, and go on as chance has it."""
        env = self.env
        c = self.of[p]
        first, count = self.first[c], self.steps[c]
        visits, used = [0] * count, dict[int, int]()
        held: list[int] = []
        yield env.timeout(self.arrived[p])
        s, asking, served = first, env.now, -1.0
        if p < len(self.network.standing):
            s, asking, served, held = self._standing(p)
        while True:
            local = s - first
            visit = visits[local]
            visits[local] = visit + 1
            times = [asking, math.nan, math.nan]
            self.who.append((p, local, visit))
            self.times.append(times)
            for r in self.asks[s]:
                if r not in held:
                    yield self._ask(r, self.level[c], asking, p)
                    held.append(r)
                    asking = env.now
            duration, coin = self._chance(p, s, local, visit)
            if served >= 0.0:
                duration = self.left[p]
            times[1] = env.now if served < 0.0 else -served
            served = -1.0
            yield env.timeout(duration)
            times[2] = self.last = env.now
            to = self._next(s, coin, used, s + 1 if local + 1 < count else -2)
            keep = self.over[s] & self.over[to] if to >= 0 else 0
            for r in [r for r in held if not keep >> r & 1]:
                self._release(r)
                held.remove(r)
            if to == -2 and self.closed[c]:
                self.finish[p] = env.now
                to = first
            if to < 0:
                self.finish[p] = env.now
                self.status[p] = FINISHED if to == -2 else LEFT
                return
            s, asking = to, env.now

    def _standing(self, p: int) -> tuple[int, float, float, list[int]]:
        """Put a patient where it stands on day 0: step, time of asking, how long it is served (-1: it waits), held."""
        m = self.network.model
        s, waited, elapsed = int(m.named_step[p]), float(m.named_waiting[p]), float(m.named_elapsed[p])
        if waited < 0.0:
            held = list(self.asks[s])
        else:
            before = self.over[s - 1] if s > self.first[self.of[p]] else 0
            held = [r for r in self.asks[s] if before & self.over[s] & 1 << r]
        for r in held:
            self._take(r)
        return (s, -elapsed, elapsed, held) if waited < 0.0 else (s, -waited, -1.0, held)

    def _chance(self, p: int, s: int, local: int, visit: int) -> tuple[float, float]:
        if visit < len(self.days):
            return self.days[visit][p][local], self.coins[visit][p][local]
        return kernel.chance_at(self.network.model, s, local, self.replication, self.keys[p], visit, *self.key)

    def _next(self, s: int, coin: float, used: dict[int, int], to: int) -> int:
        """Give the step that follows: -1 leaves, -2 has finished."""
        for upto, target, most, goes_on, name in self.outcomes[s]:
            if coin < upto:
                if most < 0:
                    return int(target)
                if used.get(name, 0) < most:
                    used[name] = used.get(name, 0) + 1
                    return int(target)
                return to if goes_on else -1
        return to

    def _ask(self, r: int, level: int, asking: float, p: int) -> Any:
        pool = self.pools[r]
        pool.settle(self.env.now)
        event = self.event(self.env)
        heappush(pool.line, (level, asking, p, event))
        self._wake(pool)
        return event

    def _take(self, r: int) -> None:
        pool = self.pools[r]
        pool.settle(self.env.now)
        pool.busy += 1
        pool.free -= 1

    def _release(self, r: int) -> None:
        pool = self.pools[r]
        pool.settle(self.env.now)
        pool.busy -= 1
        pool.free += 1
        self._wake(pool)

    def _change(self, r: int, units: int) -> None:
        pool = self.pools[r]
        pool.free += units
        self._wake(pool)

    def _wake(self, pool: Pool) -> None:
        """See that somebody is served, once all else that happens at this instant has happened."""
        if pool.free > 0 and pool.line and not self.serving:
            self.serving = True
            event = self.event(self.env)
            event._ok, event._value = True, None
            event.callbacks.append(self._serve)
            self.env.schedule(event, priority=SERVE)

    def _serve(self, _: Any) -> None:
        """Serve one: the first resource with a free unit and somebody waiting serves its first."""
        self.serving = False
        pools = self.pools
        for r, pool in enumerate(pools):
            if pool.free > 0 and pool.line:
                self._take(r)
                heappop(pool.line)[3].succeed()
                break
        for pool in pools:
            self._wake(pool)
