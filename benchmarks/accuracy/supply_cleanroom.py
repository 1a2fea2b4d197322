"""How often a cleanroom's 90 % intervals hold the true concentration, in simulated rooms of several kinds."""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from twins.supply.cleanroom import room
from twins.supply.cleanroom.limits import Size

KINDS = {  # what a person's shedding does about its mean: spread between people, spread in time, hours it keeps
    "as stated": (0.0, 0.0, 1.0),
    "people differ": (0.5, 0.0, 1.0),
    "activity": (0.3, 0.4, 0.5),
    "restless": (0.3, 0.6, 0.1),
    "30 % less, always": (0.0, -0.3, 1.0),
}
LOW, HIGH = 0.87, 0.93


def simulate(rng: np.random.Generator, kind: str, size: Size, days: float = 1.0) -> tuple[int, int, int, int]:
    """Give scored looks, how many intervals held the truth, and the same after 30 min without counts."""
    person_spread, wander, keep = KINDS[kind]
    volume, changes = rng.uniform(30, 150), rng.uniform(15, 60)
    sample_m3, between = float(rng.choice([0.001, 0.0283, 0.1])), float(rng.choice([1.0, 3.0, 10.0])) / 60
    air = room.air_of(size, volume, changes, rng.uniform(0.7, 1.0), rest_per_m3=20.0 if size == "half_um" else 0.2)
    belief = room.start(air, 0.0)
    # What an empty room sheds is never known well either, except where all is as stated.
    rest = air.rest_per_hour * (1.0 if kind == "as stated" else float(rng.lognormal(0.0, 0.5)))
    c, x, hours = rest / air.air_m3_per_hour, 0.0, 0.0
    factors: list[float] = []
    constant = 1.0 + wander if wander < 0 else 1.0
    wander = max(wander, 0.0)
    looks = held = silent = silent_held = 0
    silent_until, shed = 0.0, 1.0
    fine = 1 / 240  # h: the truth's own steps
    while hours < days * 24:
        step = float(rng.exponential(between))
        if rng.random() < 0.25 * between:
            silent_until = hours + 0.5
        for _ in range(int(step // fine) + 1):
            d = step / (int(step // fine) + 1)
            r = np.exp(-d / keep)
            x = r * x + np.sqrt(1 - r * r) * rng.normal()
            shed = constant * np.exp(wander * x - wander**2 / 2)
            source = sum(factors) * air.person_per_hour * shed + rest
            steady = source / air.air_m3_per_hour
            c = steady + (c - steady) * np.exp(-air.rate_per_hour * d)
        hours += step
        if rng.random() < step / 0.5:
            if factors and rng.random() < 0.5:
                factors.pop(int(rng.integers(len(factors))))
            elif len(factors) < 4:
                factors.append(float(np.exp(person_spread * rng.normal() - person_spread**2 / 2)))
        belief = room.predict(belief, air, hours)
        if hours >= silent_until:
            belief = room.count(belief, int(rng.poisson(c * sample_m3)), sample_m3)
        if hours > 1 and rng.random() < 0.3:
            low, high = room.interval(belief)
            looks, held = looks + 1, held + (low <= c <= high)
            if hours < silent_until:
                silent, silent_held = silent + 1, silent_held + (low <= c <= high)
        belief = room.people(belief, len(factors))
    return looks, held, silent, silent_held


def main(arguments: list[str]) -> int:
    """Print the coverage of each kind of room and size, pooled; 1 if it lies outside 87 to 93 %."""
    parser = argparse.ArgumentParser(prog="supply_cleanroom")
    parser.add_argument("--rooms", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    total, began = np.zeros(4), time.process_time()
    for size in ("half_um", "five_um"):
        for kind in KINDS:
            rng = np.random.Generator(
                np.random.Philox(key=[options.seed, 10 * (size == "half_um") + list(KINDS).index(kind)])
            )
            sums = np.sum([simulate(rng, kind, size, 0.5) for _ in range(options.rooms)], axis=0)
            total += sums
            looks, held, silent, silent_held = sums
            print(
                f"{size:8} {kind:18} {held / looks:6.1%} of {looks:.0f}; "
                f"while counts are missing {silent_held / max(silent, 1):6.1%} of {silent:.0f}",
                flush=True,
            )
    covered = total[1] / total[0]
    spent = time.process_time() - began
    print(f"pooled {covered:.1%} of {total[0]:.0f} (bar 87 to 93 %); seed {options.seed}, {spent:.0f} s")
    return int(not LOW <= covered <= HIGH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
