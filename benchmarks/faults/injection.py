"""Faults put into the simulated vessel: into what a channel says, into what an actuator does, into the cells."""

from __future__ import annotations

import numpy as np

from benchmarks.faults.vessel import ACTUATORS, CAP, CHANNELS, Floats, Ints

SENSOR_KINDS = ("spike", "stuck", "drift", "drop-out", "step", "gain loss", "swap")
PROCESS_KINDS = (
    "feed lost", "base stuck on", "base stuck off", "agitation lost", "agitation lost, unseen", "air lost",
    "oxygen lost", "carbon dioxide lost", "heater lost", "contamination", "metabolic shift", "benign shift",
)  # fmt: skip
KINDS = ("healthy", *SENSOR_KINDS, *PROCESS_KINDS)
CODE = {kind: place for place, kind in enumerate(KINDS)}
# What is lost: the row among actuators, and whether its channel sees it (a pump's drive does not see a closed line).
LOST = {"feed lost": 5, "base stuck off": 1, "agitation lost": 6, "agitation lost, unseen": 6, "air lost": 4,
        "oxygen lost": 3, "carbon dioxide lost": 2, "heater lost": 0}  # fmt: skip
BASE_RUNAWAY = 60.0  # mL/h
ZERO = {"ph": 7.0, "ph_second": 7.0}  # a glass electrode loses slope about pH 7; other gains are about 0


class Injection:
    """One fault a run, at most; arrays of shape (n,).

    Parameters
    ----------
    kind : array of int64
        Of `CODE`.
    channel, other : array of int64
        Row of the reading, and of the one it is exchanged with.
    onset, length : array of int64
        Minutes; a spike lasts `length`, everything else stays.
    size : array
        Spike and step: in the unit of the reading. Drift: unit a minute. Gain loss: what it takes off the reading at
        onset. Capacitance: all as a share of the reading at onset. Contamination: 1/h. Shifts: hours to change in.
    amount : array
        Shifts: the factor of lactate; oxygen uptake changes by `second`.
    """

    def __init__(self, n: int) -> None:
        self.kind, self.channel, self.other = (np.zeros(n, np.int64) for _ in range(3))
        self.onset, self.length = np.full(n, 1 << 40, np.int64), np.full(n, 1 << 40, np.int64)
        self.size, self.amount, self.second = np.zeros(n), np.ones(n), np.ones(n)
        self.contaminant_rate = np.zeros(n)
        self.scale, self.left = np.ones(n), np.ones(n)
        self._zero = np.array([ZERO.get(name, 0.0) for name in CHANNELS])
        self._held = np.full((len(CHANNELS), n), np.nan)
        self._runs = np.arange(n)

    def _on(self, minute: int, kind: str) -> Ints:
        return np.nonzero((self.kind == CODE[kind]) & (minute >= self.onset) & (minute < self.onset + self.length))[0]

    def actuators(self, minute: int, demands: Floats) -> Floats:
        """Give what the actuators really do, from what they were told; both (7, n)."""
        real = demands.copy()
        for kind, row in LOST.items():
            real[row, self._on(minute, kind)] = 0.0
        real[1, self._on(minute, "base stuck on")] = BASE_RUNAWAY
        return real

    def metabolism(self, minute: int) -> tuple[Floats, Floats, Floats]:
        """Give the factors of oxygen uptake and lactate, and the contaminant that enters this minute."""
        oxygen, lactate = np.ones(len(self.kind)), np.ones(len(self.kind))
        seed = np.zeros(len(self.kind))
        for kind in ("metabolic shift", "benign shift"):
            on = self._on(minute, kind)
            share = np.clip((minute - self.onset[on]) / (60.0 * self.size[on]), 0.0, 1.0)
            lactate[on] = 1.0 + share * (self.amount[on] - 1.0)
            oxygen[on] = 1.0 + share * (self.second[on] - 1.0)
        on = self._on(minute, "contamination")
        begins = on[self.onset[on] == minute]
        seed[begins] = 1e-3
        self.contaminant_rate[begins] = self.size[begins]
        return oxygen, lactate, seed

    def readings(self, minute: int, clean: Floats, noise: Floats) -> Floats:
        """Give what the probes say, (16, n)."""
        said = clean + noise
        begins = np.nonzero(self.onset == minute)[0]
        own = clean[self.channel[begins], begins]
        self.scale[begins] = np.where(self.channel[begins] == CAP, own, 1.0)
        zero = self._zero[self.channel]
        self.left[begins] = 1.0 - self.size[begins] * self.scale[begins] / np.maximum(np.abs(own - zero[begins]), 1e-9)
        for kind in ("spike", "step"):
            on = self._on(minute, kind)
            said[self.channel[on], on] += self.size[on] * self.scale[on]
        on = self._on(minute, "drift")
        said[self.channel[on], on] += self.size[on] * self.scale[on] * (minute - self.onset[on])
        on = self._on(minute, "gain loss")
        share = np.clip(self.left[on], 0.0, 2.0)
        said[self.channel[on], on] = zero[on] + share * (said[self.channel[on], on] - zero[on])
        on = self._on(minute, "swap")
        first, second = said[self.channel[on], on].copy(), said[self.other[on], on].copy()
        said[self.channel[on], on], said[self.other[on], on] = second, first
        for kind, row in LOST.items():
            if kind == "agitation lost, unseen":  # the shaft stands still, the motor turns: the tacho reads on
                on = self._on(minute, kind)
                said[ACTUATORS[row], on] = self._told[row, on] + noise[ACTUATORS[row], on] if len(on) else 0.0
        return said

    def told(self, demands: Floats) -> None:
        """Remember the demands of this minute, for readings that follow them."""
        self._told = demands

    def freeze(self, minute: int, said: Floats) -> Floats:
        """Hold what is stuck, and leave out what has dropped out."""
        on = self._on(minute, "stuck")
        first = on[self.onset[on] == minute]
        self._held[:, first] = said[:, first]
        said[self.channel[on], on] = self._held[self.channel[on], on]
        on = self._on(minute, "drop-out")
        said[self.channel[on], on] = np.nan
        return said
