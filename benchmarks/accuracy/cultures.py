"""The truth of the estimation campaigns: cultures in physical units, their sensors and assays. It knows no filter.

The published equations are written out anew, with the published hard cuts at 0, and stepped by a Runge-Kutta of our own
one minute at a time. Growth is multiplied by 1 + an Ornstein-Uhlenbeck process of 5 % and 12 h.

Source
------
Equations and values: docs/models.md, `cho_xing` and `t_cell`. Sensors and noises: the campaign of docs/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Values = dict[str, Floats]

MINUTES = 60  # an hour
GROWTH_SD, GROWTH_HOURS = 0.05, 12.0

XING = {
    "mu_m": 0.029, "K_S": 0.084, "K_G": 0.047, "KI_L": 43.0, "KI_A": 6.51, "mu_dm": 0.016, "KD_L": 45.8, "KD_A": 6.51,
    "m_S": 6.92e-11, "a1": 3.2e-12, "a2": 2.1, "d_G": 7.2e-3, "r_A": 6.3e-12, "Y_XS": 1.69e8, "Y_XG": 9.74e8,
    "Y_LS": 1.23, "Y_AG": 0.67,
}  # fmt: skip
DURAN = {
    "rg": 0.02, "rd": 0.007, "rdg": 0.083, "rc": 0.05, "ri": 1.0, "kp": 2.71, "kgu": 0.2, "ai": 0.111, "bi": 95.26,
    "ad": 150.0, "ag": 30.0, "bg": 0.05, "lag": 5.0, "Co": 20.0,
}  # fmt: skip


@dataclass(frozen=True)
class Sensor:
    """A measurement of one state: relative and absolute white noise; for a probe also a gain per run and a colour."""

    name: str
    state: int
    relative: float
    absolute: float = 0.0
    gain: float = 0.0
    colour: float = 0.0
    colour_hours: float = 1.0


@dataclass(frozen=True)
class Culture:
    """What is cultivated, and how it is measured.

    `varied` are the parameters that differ between runs, `start` the nominal initial values, `feed` what is
    fed per initial volume [1/h].
    """

    name: str
    states: tuple[str, ...]
    rates: Callable[[Floats, Floats, Values, Floats], Floats]
    nominal: dict[str, float]
    varied: tuple[str, ...]
    two_sided: bool  # each varied parameter 20 % above or below; else log-normal, CV 20 %
    start: tuple[float, ...]
    may_be_negative: tuple[bool, ...]
    hours: int
    capacitance: Sensor
    assays: tuple[Sensor, ...]
    limiting: tuple[tuple[int, float], ...]  # states and the level below which they limit
    feed: float = 0.0


@dataclass
class Runs:
    """Runs of one culture: everything by hour and minute.

    `truth` has shape (states, minutes + 1, n), `capacitance` (minutes + 1, n) and so has `growth`, by which growth is
    multiplied; `assays` maps (sensor, hour) to (n,).
    """

    culture: Culture
    parameters: Values
    truth: Floats
    capacitance: Floats
    growth: Floats
    assays: dict[tuple[str, int], Floats] = field(default_factory=dict)
    volume: Floats = field(default_factory=lambda: np.ones(1))  # by minute, relative to the start


def xing(x: Floats, growth: Floats, k: Values, dilution: Floats) -> Floats:
    """Give the rates of the CHO culture, batch: X, XD [/L], S, G, L, A [mmol/L]."""
    X, _, S, G, L, A = x
    mu = k["mu_m"] * growth * S / (S + k["K_S"]) * G / (G + k["K_G"])
    mu = mu * k["KI_L"] / (L + k["KI_L"]) * k["KI_A"] / (A + k["KI_A"])
    death = k["mu_dm"] * L / (L + k["KD_L"]) * A / (A + k["KD_A"])
    glucose = np.where(S > 0.0, X * (k["m_S"] + mu / k["Y_XS"]), 0.0)
    glutamine = X * mu / k["Y_XG"]
    decay = k["d_G"] * G
    maintenance = X * k["a1"] * G / (k["a2"] + G)
    removed = np.where(A > 0.0, k["r_A"] * X, 0.0)
    return np.stack(
        [
            X * (mu - death),
            X * death,
            -glucose,
            np.where(G > 0.0, -glutamine - maintenance - decay, 0.0),
            k["Y_LS"] * glucose,
            k["Y_AG"] * glutamine + decay - removed,
        ]
    )


def duran(x: Floats, growth: Floats, k: Values, dilution: Floats) -> Floats:
    """Give the rates of the T cells: X, Xd [/mL], G [mg/mL], I [1]."""
    X, dead, G, I = x  # noqa: E741  (the source's symbol)
    early = I < 0.0
    rg = np.where(early, k["rg"] / k["lag"], k["rg"]) * growth
    rd = np.where(early, 0.0, k["rd"])
    with np.errstate(over="ignore"):
        Mi = 1.0 - 1.0 / (1.0 + np.exp(-k["ai"] * (I - k["bi"])))
        Mig = 1.0 - 1.0 / (1.0 + np.exp(-k["ag"] * (G - k["bg"])))
    died = rd * X * I / (k["ad"] + I) + k["rdg"] * X * Mig
    return np.stack(
        [
            rg * X * G / (k["kp"] + G) * Mi - died - dilution * X,
            died - dilution * dead,
            -k["rc"] * G / (k["kgu"] + G) * X / 1e6 + dilution * (k["Co"] - G),
            k["ri"] * X / 1e6,
        ]
    )


CHO = Culture(
    name="cho",
    states=("viable_cells", "dead_cells", "glucose", "glutamine", "lactate", "ammonia"),
    rates=xing,
    nominal=XING,
    varied=("mu_m", "Y_XS", "Y_XG"),
    two_sided=True,
    start=(2e8, 4e6, 25.0, 4.0, 0.5, 0.2),
    may_be_negative=(False,) * 6,
    hours=144,
    capacitance=Sensor("capacitance", 0, 0.015, 0.0, 0.05, 0.015, 3.0),
    assays=(Sensor("glucose", 2, 0.04, 0.2), Sensor("lactate", 4, 0.04, 0.2)),
    limiting=((2, 0.3), (3, 0.3)),
)
T_CELLS = Culture(
    name="t_cells",
    states=("viable_cells", "dead_cells", "glucose", "inhibitor"),
    rates=duran,
    nominal=DURAN,
    varied=("rg", "bi", "rc", "rd"),
    two_sided=False,
    start=(3e5, 1.5e4, 4.0, -10.0),
    may_be_negative=(False, False, False, True),
    hours=168,
    capacitance=Sensor("capacitance", 0, 0.015, 0.0, 0.05, 0.015, 3.0),
    assays=(Sensor("glucose", 2, 0.05, 0.05),),
    limiting=((2, 0.2),),
    feed=0.003,
)
HUNGRY = replace(T_CELLS, name="t_cells_unfed", feed=0.0)
CULTURES = {culture.name: culture for culture in (CHO, T_CELLS, HUNGRY)}


def draw_parameters(culture: Culture, n: int, rng: np.random.Generator, spread: float = 1.0) -> Values:
    """Draw what differs between runs: 20 % times `spread`, up or down, or log-normal about the nominal value."""
    drawn = {name: np.full(n, value) for name, value in culture.nominal.items()}
    sd = spread * np.sqrt(np.log(1.04))
    for name in culture.varied:
        if culture.two_sided:
            drawn[name] = drawn[name] * (1.0 + 0.2 * spread * rng.choice([-1.0, 1.0], n))
        else:
            drawn[name] = drawn[name] * np.exp(sd * rng.standard_normal(n) - 0.5 * sd * sd)
    return drawn


def cultivate(culture: Culture, parameters: Values, start: Floats, growth: Floats) -> tuple[Floats, Floats]:
    """Follow runs minute by minute.

    Parameters
    ----------
    start : array, shape (states, n)
        Initial values.
    growth : array, shape (minutes + 1, n)
        What growth is multiplied by in each minute.

    Returns
    -------
    array, shape (states, minutes + 1, n); array, shape (minutes + 1,)
        The states, and the volume relative to the start.
    """
    minutes = len(growth) - 1
    floor = np.where(culture.may_be_negative, -np.inf, 0.0)[:, None]
    x = start.astype(float)
    truth = np.empty((len(x), minutes + 1, x.shape[1]))
    truth[:, 0] = x
    volume = np.ones(minutes + 1)
    h = 1.0 / MINUTES
    for minute in range(minutes):
        dilution = np.full(x.shape[1], culture.feed / (volume[minute] + 0.5 * culture.feed * h))
        step = _Step(culture, parameters, growth[minute], dilution, floor)
        k1 = step(x)
        k2 = step(x + 0.5 * h * k1)
        k3 = step(x + 0.5 * h * k2)
        k4 = step(x + h * k3)
        x = np.maximum(x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), floor)
        truth[:, minute + 1] = x
        volume[minute + 1] = volume[minute] + culture.feed * h
    return truth, volume


@dataclass(frozen=True)
class _Step:
    culture: Culture
    parameters: Values
    growth: Floats
    dilution: Floats
    floor: Floats

    def __call__(self, x: Floats) -> Floats:
        return self.culture.rates(np.maximum(x, self.floor), self.growth, self.parameters, self.dilution)


def wander(minutes: int, n: int, sd: float, hours: float, rng: np.random.Generator) -> Floats:
    """Draw Ornstein-Uhlenbeck processes by the minute, shape (minutes + 1, n), stationary from the first on."""
    keep = np.exp(-1.0 / (hours * MINUTES))
    fresh = sd * np.sqrt(1.0 - keep * keep)
    walk = np.empty((minutes + 1, n))
    walk[0] = sd * rng.standard_normal(n)
    for minute in range(minutes):
        walk[minute + 1] = keep * walk[minute] + fresh * rng.standard_normal(n)
    return walk


def make_runs(
    culture: Culture,
    n: int,
    seed: int,
    initial_sd: float = 0.02,
    noise: float = 1.0,
    spread: float = 1.0,
    dip: float = 1.0,
    falls: Floats | None = None,
) -> Runs:
    """Make runs with all that is measured of them.

    Parameters
    ----------
    initial_sd : float
        Standard deviation of the initial values, relative.
    noise : float
        What every sensor's noise is multiplied by.
    spread : float
        What the spread between runs is multiplied by.
    dip : float
        What growth is multiplied by from day 3 to day 5.
    falls : array, shape (minutes + 1, n), optional
        What growth is multiplied by beside, by minute and run.
    """
    rng = np.random.default_rng(seed)
    minutes = culture.hours * MINUTES
    parameters = draw_parameters(culture, n, rng, spread)
    start = np.array(culture.start)[:, None] * (1.0 + initial_sd * rng.standard_normal((len(culture.start), n)))
    growth = 1.0 + wander(minutes, n, GROWTH_SD, GROWTH_HOURS, rng)
    growth[72 * MINUTES : 120 * MINUTES] *= dip
    if falls is not None:
        growth *= falls
    truth, volume = cultivate(culture, parameters, start, growth)
    probe = culture.capacitance
    gain = 1.0 + noise * probe.gain * rng.standard_normal(n)
    colour = 1.0 + wander(minutes, n, noise * probe.colour, probe.colour_hours, rng)
    white = 1.0 + noise * probe.relative * rng.standard_normal((minutes + 1, n))
    runs = Runs(culture, parameters, truth, truth[probe.state] * gain * colour * white, growth, volume=volume)
    for hour in range(12, culture.hours, 12):
        for assay in culture.assays:
            value = truth[assay.state, hour * MINUTES]
            relative = 1.0 + noise * assay.relative * rng.standard_normal(n)
            runs.assays[assay.name, hour] = value * relative + noise * assay.absolute * rng.standard_normal(n)
    return runs


def open_loop(culture: Culture) -> Floats:
    """Follow the nominal culture with nobody looking: shape (states, minutes + 1)."""
    nominal = {name: np.full(1, value) for name, value in culture.nominal.items()}
    growth = np.ones((culture.hours * MINUTES + 1, 1))
    truth, _ = cultivate(culture, nominal, np.array(culture.start)[:, None], growth)
    return truth[:, :, 0]
