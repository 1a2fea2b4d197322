"""Many replications of a network: the event loop compiled by numba where it is installed, as it stands elsewhere.

A replication is a function of the network, the seed and its number: neither threads nor pieces change one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import MissingExtraError
from twins.supply.network import kernel
from twins.supply.network.model import MOST_STARTS, Compiled, compile_network
from twins.supply.network.spec import Closed, Deterministic, Network, PatientClass, Resource, Route, Step, refused

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NOTHING = np.zeros((0, 0, 0))
STANDING = 0xFFFE  # in the place of a step: what remains of the step a patient is in at the start
_COMPILED = (  # leaves first
    "philox", "words", "uniforms", "normal_quantile", "gamma_draw", "chance", "quantile", "next_arrival", "arrive",
    "close", "mark", "simulate", "predraw",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trace:
    """All that happened in one replication: rows of patient, step of its route, visit; asked, started, ended [d]."""

    who: Ints
    times: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """Some replications. Shapes (replications, patients), (replications, resources) or (.., resources, classes).

    Patients beyond `patients` of a replication are nan. Active periods are a list by replication: resource, and begin
    and end [d]; empty where none were asked for.
    """

    patients: Ints
    arrived: Floats
    patient_class: Ints
    ready: Floats  # when the last step was asked for
    begun: Floats  # when it began: the infusion
    finish: Floats
    status: Ints
    busy_days: Floats
    queue_days: Floats
    wait_days: Floats
    waited: Ints
    end: Floats
    periods: list[tuple[Ints, Floats]]
    traces: list[Trace]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The chance of one replication, drawn before it runs: of each patient when it comes, its class, its key; durations
    [d] and branch uniforms, shapes (visits, patients, steps); what remains of steps at the start [d]."""

    replication: int
    patients: int
    arrived: Floats
    patient_class: Ints
    key: Ints
    days: Floats
    coins: Floats
    left: Floats


def has_numba() -> bool:
    """Tell whether the compiled loop can be had."""
    return importlib.util.find_spec("numba") is not None


@cache
def functions(compiled: bool) -> dict[str, Callable[..., Any]]:  # Any: what each of them takes
    """Give the functions of the event loop by name, compiled or as they stand.

    Compiled code is kept beside the source or in the user's folder of numba, where one of them can be written.

    Raises
    ------
    MissingExtraError
        If numba is not installed.
    """
    if not compiled:
        return {name: getattr(kernel, name) for name in _COMPILED}
    if not has_numba():
        raise MissingExtraError("numba", "fast")
    import numba

    names = dict(vars(kernel))
    for name in _COMPILED:
        plain = getattr(kernel, name)
        own = FunctionType(plain.__code__, names, name, plain.__defaults__)
        own.__module__ = kernel.__name__
        names[name] = _compiled(numba, own, kept=name in ("simulate", "predraw"))
    return {name: names[name] for name in _COMPILED}


def _compiled(numba: Any, function: Any, kept: bool) -> Any:  # Any: numba has no types
    if kept:
        try:
            return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
        except RuntimeError:  # no folder can be written
            pass
    return numba.njit(nogil=True, error_model="numpy")(function)


@cache
def compile_loop() -> None:
    """Compile now what would be at the first replication: some seconds, once a process, where nothing is kept."""
    if has_numba():
        patient = PatientClass("c", "r", arrivals=Closed(1))
        route = Route("r", (Step("s", Deterministic(1.0)),))
        network = Network("smallest", (Resource("x", 1),), (route,), (patient,))
        run_batch(compile_network(network, 2.0), 0, [0])


def key_of(seed: int) -> tuple[int, int]:
    """Give the key of chance of a seed: two words of 32 bits; larger seeds are folded."""
    words = [(seed >> shift) & 0xFFFFFFFF for shift in range(0, max(seed.bit_length(), 1), 32)]
    first, second = words[0], words[1] if len(words) > 1 else 0
    for place in range(2, len(words), 2):
        rest = words[place + 1] if place + 1 < len(words) else 0
        first, second, _, _ = kernel.philox(first, second, words[place], rest, place, 0)
    return first, second


def run_batch(
    network: Compiled,
    seed: int,
    replications: Sequence[int],
    *,
    threads: int = 1,
    compiled: bool | None = None,
    periods: int = 0,
    records: int = 0,
) -> Batch:
    """Simulate the replications of these numbers.

    Parameters
    ----------
    compiled : bool or None
        Whether by numba; None: where it is installed. The answers are equal.
    periods, records : int
        Room for active periods and for records of one replication, to begin with; 0: none are kept.

    Raises
    ------
    SettingsError
        If a replication does not come to an end within the steps there is room for.
    """
    loop = functions(has_numba() if compiled is None else compiled)["simulate"]
    out = _room(network, len(replications))
    if threads <= 1 or len(replications) < 2:
        for row, replication in enumerate(replications):
            _one(loop, network, seed, replication, out, row, periods, records)
        return out
    with ThreadPoolExecutor(threads) as pool:
        done = [
            pool.submit(_one, loop, network, seed, replication, out, row, periods, records)
            for row, replication in enumerate(replications)
        ]
        for one in done:
            one.result()
    return out


def predraw(network: Compiled, seed: int, replication: int, *, visits: int = 4, compiled: bool | None = None) -> Drawn:
    """Draw all chance of a replication, of so many visits to each step; what comes later is drawn when it is met."""
    m, (k0, k1) = network.model, key_of(seed)
    shape = (visits, network.most, int(m.steps.max()))
    time, of, key = np.zeros(network.most), np.zeros(network.most, np.int64), np.zeros(network.most, np.int64)
    days, coins = np.zeros(shape), np.zeros(shape)
    draw = functions(has_numba() if compiled is None else compiled)["predraw"]
    n = draw(m, replication, k0, k1, time, of, key, days, coins)
    return Drawn(replication, n, time, of, key, days, coins, standing_left(network, seed, replication))


def run_drawn(network: Compiled, seed: int, drawn: Drawn, *, compiled: bool | None = None, records: int = 0) -> Batch:
    """Simulate one replication on chance drawn before; answers equal those of `run_batch`."""
    loop = functions(has_numba() if compiled is None else compiled)["simulate"]
    out = _room(network, 1)
    out.arrived[0], out.patient_class[0] = drawn.arrived, drawn.patient_class
    _one(loop, network, seed, drawn.replication, out, 0, 0, records, drawn)
    return out


def _room(network: Compiled, rows: int) -> Batch:
    resources, classes = len(network.model.units), len(network.model.first)
    many, few = (rows, network.most), (rows, resources)
    return Batch(
        np.zeros(rows, np.int64), np.full(many, np.nan), np.zeros(many, np.int64), np.full(many, np.nan),
        np.full(many, np.nan), np.full(many, np.nan), np.zeros(many, np.int64), np.zeros(few), np.zeros(few),
        np.zeros((*few, classes)), np.zeros((*few, classes), np.int64), np.zeros(rows),
        [(np.zeros(0, np.int64), np.zeros((0, 2)))] * rows,
        [Trace(np.zeros((0, 3), np.int64), np.zeros((0, 3)))] * rows,
    )  # fmt: skip


def _one(
    loop: Callable[..., Any], network: Compiled, seed: int, replication: int, out: Batch, row: int, periods: int,
    records: int, drawn: Drawn | None = None,
) -> None:  # fmt: skip
    k0, k1 = key_of(seed)
    left = standing_left(network, seed, replication) if drawn is None else drawn.left
    key = np.zeros(network.most, np.int64) if drawn is None else drawn.key
    before = (-1, _NOTHING, _NOTHING) if drawn is None else (drawn.patients, drawn.days, drawn.coins)
    while True:
        period_of, period = np.zeros(periods, np.int64), np.zeros((periods, 2))
        who, times = np.zeros((records, 3), np.int64), np.zeros((records, 3))
        n, recorded, active, end, flag = loop(
            network.model, replication, k0, k1, network.horizon, network.network.warm_up, MOST_STARTS, left,
            out.arrived[row], out.patient_class[row], key, out.ready[row], out.begun[row], out.finish[row],
            out.status[row], out.busy_days[row], out.queue_days[row], out.wait_days[row], out.waited[row],
            period_of, period, who, times, *before,
        )  # fmt: skip
        if flag:
            received = f"more, in replication {replication} before day {end:g}"
            raise refused(f"at most {MOST_STARTS} steps in a replication", received, "inputs.network.routes")
        if (records and recorded > records) or (periods and active > periods):
            records, periods = max(records, recorded), max(periods, active)
            continue
        break
    out.patients[row], out.end[row] = n, end
    for place, one in enumerate(network.named):
        out.arrived[row, place] = one.arrived
    out.arrived[row, n:] = np.nan
    if periods:
        out.periods[row] = (period_of[:active], period[:active])
    if records:
        out.traces[row] = Trace(who[:recorded], times[:recorded])


def standing_left(network: Compiled, seed: int, replication: int) -> Floats:
    """Give what remains of the steps that patients are in at the start, of one replication [d]."""
    k0, k1 = key_of(seed)
    drawn = [kernel.uniforms(replication, place, STANDING, 0, 0, k0, k1)[0] for place in range(len(network.standing))]
    return network.left(np.array(drawn, dtype=np.float64))
