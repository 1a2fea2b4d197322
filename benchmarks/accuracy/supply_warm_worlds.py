"""Boxes under way, made from a seed: what happens to the liquid, what signals say, how long the way is thought to be.

The truth is stepped minute by minute and knows nothing of the twin's filter. Facts of a world: limit, warm-up constant,
logger noise and lag, tip loss, fill-signal error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twins.supply.temperature import FILL, TEMPERATURE, TILT, Shipper

Floats = NDArray[np.float64]
Row = tuple[float, int, float]  # hours since departure, kind, value

MINUTE = 1.0 / 60.0
LEGS, LEG_HOURS, LEG_SHAPE = 4, 24.0, 8.0  # of a way: gamma legs, mean and shape
COLD, AMBIENT = -190.0, 20.0
LATEST = 1500.0  # after which a box that is still cold is cold for good [h]


@dataclass(frozen=True, slots=True)
class World:
    """One population of boxes and its signals."""

    name: str
    fill_error: float = 0.03  # standard deviation, share of full
    relative: bool = False  # the error is a share of what is read
    every_hours: float = 0.5  # of the fill signal
    noise_kelvin: float = 0.5
    lag_hours: float = 0.25
    temperature_every: float = 0.5
    limit: float = -150.0
    warming_hours: float = 24.0
    hold_hours: float = 240.0
    spread: float = 0.15  # of static rates between boxes
    tipped: float = 0.35  # share of boxes
    twice: float = 0.0  # of those, tipped again
    leaking: float = 0.15
    loss_of_full: bool = True  # a tip costs a share of the full hold, else of what is left
    tilt: str = "kept"  # or "lost"
    bad_fills: float = 0.0  # share of fills that are wrong
    packet_loss: float = 0.0  # share of signals that never come


@dataclass(frozen=True, slots=True)
class Way:
    """A box's way: truth and signals."""

    arrival: float
    limit: float  # when the payload passes the limit, on the way or after [h]
    dry: float  # when the liquid has gone [h]
    cause: float  # the last tip or leak before the liquid went, or when the liquid has gone [h]
    fill_said: float
    legs: Floats
    rows: list[Row]


WORLDS = (
    World("fill 1 %, 10 min", fill_error=0.01, every_hours=1 / 6),
    World("fill 1 %, 2 h", fill_error=0.01, every_hours=2.0),
    World("fill 3 %, 30 min"),
    World("fill 5 %, 10 min", fill_error=0.05, every_hours=1 / 6),
    World("fill 5 %, 30 min", fill_error=0.05),
    World("fill 5 %, 2 h", fill_error=0.05, every_hours=2.0),
    World("fill 5 % of reading, 2 h", fill_error=0.05, relative=True, every_hours=2.0),
    World("tilt sensor lost, 3 %", tilt="lost"),
    World("tilt sensor lost, 5 %, 2 h", tilt="lost", fill_error=0.05, every_hours=2.0),
    World("leaks only, 3 %, 1 h", tipped=0.0, leaking=0.5, every_hours=1.0),
    World("tipped twice, share of what is left, 3 %", tipped=0.6, twice=0.5, loss_of_full=False),
    World("limit -130, warm-up 36 h, 3 %, 1 h", limit=-130.0, warming_hours=36.0, every_hours=1.0),
    World("noisy logger 2 K, lag 1 h, 3 %, 1 h", noise_kelvin=2.0, lag_hours=1.0, every_hours=1.0),
    World("2 % of fills wrong, 20 % lost, 3 %", bad_fills=0.02, packet_loss=0.2),
    World("boxes of 10 days, spread 20 %, 4 %, 1 h", spread=0.2, fill_error=0.04, every_hours=1.0),
)


def shipper(world: World) -> Shipper:
    """State the facts of a world."""
    return Shipper(
        hold_hours=world.hold_hours, limit_celsius=world.limit, warming_hours=world.warming_hours,
        cold_celsius=COLD, ambient_celsius=AMBIENT, spread=world.spread, tip_loss=0.6, tip_hours=6.0,
        fill_error=0.002 if world.relative else world.fill_error,
        relative_error=world.fill_error if world.relative else 0.0,
    )  # fmt: skip


def way(world: World, rng: np.random.Generator) -> Way:
    """Make a box's way."""
    legs = rng.gamma(LEG_SHAPE, LEG_HOURS / LEG_SHAPE, LEGS)
    arrival = float(legs.sum())
    times = np.arange(0.0, LATEST, MINUTE)
    loss = np.full(len(times), rng.lognormal(0.0, world.spread) / world.hold_hours)
    filled = rng.uniform(0.75, 1.0)
    tips: list[tuple[float, float]] = []
    for chance in (world.tipped, world.twice if world.tipped else 0.0):
        if rng.random() >= chance:
            break
        tips.append((float(rng.uniform(0.0, 0.85 * arrival)), float(rng.uniform(1.0, 6.0))))
    causes = [begin for begin, _ in tips]
    if rng.random() < world.leaking:
        leak = float(rng.uniform(0.0, 0.85 * arrival))
        grown = 1.0 + (rng.uniform(2.0, 8.0) - 1.0) * np.clip((times - leak) / 6.0, 0.0, 1.0)
        loss = loss * np.where(times > leak, grown, 1.0)
        causes.append(leak)
    fill = filled - np.concatenate([[0.0], np.cumsum(loss[:-1] * MINUTE)])
    for begin, hours in sorted(tips):
        share = rng.uniform(0.2, 0.6)
        first = int(begin / MINUTE)
        amount = share * (1.0 if world.loss_of_full else max(0.0, float(fill[first])))
        fill = fill - amount * np.clip((times - begin) / hours, 0.0, 1.0)
    gone = int(np.argmax(fill <= 0.0)) if (fill <= 0.0).any() else len(times) - 1
    dry = float(times[gone])
    constant = world.warming_hours * rng.lognormal(0.0, 0.05)
    limit = dry + constant * float(np.log((AMBIENT - COLD) / (AMBIENT - world.limit)))
    before = [cause for cause in causes if cause < dry]
    rows = _signals(world, rng, np.maximum(fill, 0.0), tips, dry, constant, arrival)
    said = float(filled + rng.normal(0.0, world.fill_error))
    return Way(arrival, limit, dry, max(before, default=dry), said, legs, rows)


def without_fill(box: Way) -> Way:
    """Leave out the fill signal."""
    return replace(box, rows=[row for row in box.rows if row[1] != FILL])


def _signals(
    world: World, rng: np.random.Generator, fill: Floats, tips: list[tuple[float, float]], dry: float,
    constant: float, arrival: float,
) -> list[Row]:  # fmt: skip
    at = np.arange(rng.uniform(0.0, world.every_hours), arrival, world.every_hours)
    true = fill[(at / MINUTE).astype(int)]
    read = true + rng.normal(0.0, 1.0, len(at)) * world.fill_error * (true if world.relative else 1.0)
    read = np.where(rng.random(len(at)) < world.bad_fills, rng.random(len(at)), np.clip(read, 0.0, 1.2))
    rows: list[Row] = [(float(t), FILL, float(v)) for t, v in zip(at, read, strict=True)]
    probe = COLD
    for k in range(int(arrival / MINUTE)):
        since = max(0.0, k * MINUTE - dry)
        payload = AMBIENT - (AMBIENT - COLD) * float(np.exp(-since / constant)) if since else COLD
        probe += (payload - probe) * MINUTE / world.lag_hours
        if k % round(world.temperature_every / MINUTE) == 0:
            rows.append((k * MINUTE, TEMPERATURE, probe + float(rng.normal(0.0, world.noise_kelvin))))
    if world.tilt == "kept":
        marks = {float(k): any(b <= k < b + h for b, h in tips) for k in range(int(arrival))}
        for begin, hours in tips:
            marks[begin], marks[begin + hours] = True, False
        rows += [(t, TILT, float(on)) for t, on in marks.items() if t < arrival]
    kept = rng.random(len(rows)) >= world.packet_loss
    return sorted(row for row, keep in zip(rows, kept, strict=True) if keep)


class Ways:
    """What is thought of the way left: gamma legs, those that ended known, the current one's time so far known."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 77])
        self._leg = np.sort(rng.gamma(LEG_SHAPE, LEG_HOURS / LEG_SHAPE, 20_000))
        after = [np.zeros(20_000)]
        for _ in range(LEGS - 1):
            after.append(after[-1] + rng.gamma(LEG_SHAPE, LEG_HOURS / LEG_SHAPE, 20_000))
        self._after = after

    def left(self, box: Way, hours: float) -> Floats:
        """Give 64 evenly spread draws of the time left at so many hours since departure [h]."""
        ends = np.cumsum(box.legs)
        leg = int(np.searchsorted(ends, hours, "right"))
        gone = hours - (ends[leg - 1] if leg else 0.0)
        first = int(np.searchsorted(self._leg, gone, "right"))
        still = self._leg[min(first, len(self._leg) - 50) :] - gone
        picked = still[(np.arange(2048) * 0.6180339887498949 % 1.0 * len(still)).astype(int)]  # low-discrepancy
        total = np.sort(np.maximum(picked, 0.0) + self._after[LEGS - 1 - leg][:2048])
        return total[16::32]
