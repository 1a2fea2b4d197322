"""Which faults are put in: kind, channel, size and onset of each run, drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.faults.injection import CODE, Injection
from benchmarks.faults.vessel import (
    AIR,
    BASE,
    CAP,
    CO2,
    DO,
    ERRORS,
    FEED,
    GCO2,
    GO2,
    HEAT,
    MEASURED,
    O2,
    PH,
    PH2,
    RPM,
    TJ,
    Floats,
    Ints,
    T,
    W,
)  # fmt: skip

CULTURE = 16
WARM_HOURS, ONSET_HOURS, WATCH_HOURS = 20, 12, 26  # faults begin within twelve hours of the 20th; watched for 26 h
SWAPS = ((T, TJ), (PH, PH2), (GO2, GCO2), (AIR, CO2), (AIR, O2), (DO, GO2), (BASE, FEED), (RPM, AIR))
WITH_GAIN = (T, TJ, PH, DO, W, GO2, GCO2, CAP, CO2, AIR, RPM)
NEVER = 1 << 30
# Where two witnesses disagree and no third can tell: the set of the two is the right answer.
PAIRS = {
    ("drift", T),
    ("drift", TJ),
    ("drift", PH),
    ("drift", PH2),
    ("feed lost", FEED),
    ("agitation lost, unseen", RPM),
}
NAMED = {"feed lost": FEED, "base stuck on": BASE, "base stuck off": BASE, "agitation lost": RPM,
         "agitation lost, unseen": RPM, "air lost": AIR, "oxygen lost": O2, "carbon dioxide lost": CO2,
         "heater lost": HEAT, "contamination": CULTURE, "metabolic shift": CULTURE}  # fmt: skip


@dataclass(slots=True)
class Scenario:
    """A kind and size with its deadline in minutes after onset (`NEVER`: only the limit counts)."""

    kind: str
    size: float = 0.0
    deadline: int = NEVER
    before_limit: bool = True
    dense: bool = False  # many cells: oxygen is in use

    @property
    def name(self) -> str:
        """How it stands in the table."""
        return f"{self.kind} {self.size:g} sd" if self.size else self.kind


def scenarios() -> list[Scenario]:
    """Give all of them."""
    found = [Scenario("spike"), Scenario("stuck", deadline=10), Scenario("drift"), Scenario("drop-out", deadline=10)]
    for kind in ("step", "gain loss"):
        found += [Scenario(kind, size, 30) for size in (2.0, 3.0, 4.0, 5.0, 8.0)]
    found += [Scenario("swap", 0.0, 30)]
    found += [Scenario("feed lost"), Scenario("base stuck on", deadline=30), Scenario("base stuck off")]
    for kind in ("agitation lost", "agitation lost, unseen", "air lost", "carbon dioxide lost", "heater lost"):
        found.append(Scenario(kind, deadline=30))
    found.append(Scenario("oxygen lost", deadline=30, dense=True))
    found += [Scenario("contamination"), Scenario("metabolic shift")]
    return found


def inject(
    rng: np.random.Generator, scenario: Scenario, injection: Injection, where: Ints, sd: Floats, noise: Floats
) -> None:
    """Put a scenario into the runs `where`.

    `sd` (16,) is the healthy residual of each channel in the median run, `noise` (16, runs) how noisy each run is
    against that: a size is in sd of that channel of that run.
    """
    n = len(where)
    rows = np.array(WITH_GAIN if scenario.kind == "gain loss" else MEASURED)
    channel = rows[rng.permutation(n) % len(rows)]  # every channel as often as any other
    sign = rng.choice([-1.0, 1.0], n)
    injection.kind[where] = CODE[scenario.kind]
    injection.onset[where] = 60 * WARM_HOURS + rng.integers(0, 60 * ONSET_HOURS, n)
    injection.channel[where] = channel
    size = np.zeros(n)
    own = sd[channel] * noise[channel, np.arange(n)]
    if scenario.kind in ("step", "gain loss"):
        size = scenario.size * own * (sign if scenario.kind == "step" else 1.0)
    elif scenario.kind == "spike":
        size = rng.uniform(5.0, 30.0, n) * own * sign
        injection.length[where] = rng.integers(1, 4, n)
    elif scenario.kind == "drift":
        hours = np.exp(rng.uniform(np.log(2.0), np.log(24.0), n))
        size = sign * np.array([ERRORS[int(c)] for c in channel]) / (60.0 * hours)
    elif scenario.kind == "swap":
        pairs = np.array(SWAPS)[rng.permutation(n) % len(SWAPS)]
        injection.channel[where], injection.other[where] = pairs[:, 0], pairs[:, 1]
    elif scenario.kind == "contamination":
        size = np.log(2.0) / rng.uniform(0.7, 2.0, n)  # assumed: bacteria double in 0.7 to 2 h
    elif scenario.kind == "metabolic shift":
        size = rng.uniform(1.0, 4.0, n)
        injection.amount[where], injection.second[where] = rng.uniform(2.0, 3.0, n), rng.uniform(1.3, 1.6, n)
    injection.size[where] = size


def benign(rng: np.random.Generator, injection: Injection, minutes: int) -> None:
    """Give every run a benign shift: lactate by -50 to +30 %, oxygen uptake by -8 to +8 %, over 6 to 12 h."""
    n = len(injection.kind)
    injection.kind[:] = CODE["benign shift"]
    injection.onset[:] = rng.integers(720, max(minutes - 720, 721), n)
    injection.size[:] = rng.uniform(6.0, 12.0, n)
    injection.amount[:], injection.second[:] = rng.uniform(0.5, 1.3, n), rng.uniform(0.92, 1.08, n)
