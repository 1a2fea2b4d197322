"""What a simulated study is: a specification, read from JSON, that says all but the seed's own choices.

Months are mean months (365.25 / 12 d) from `starts`. Every default is assumed: it makes a study of usual size, and none
of it is a claim about a real one. `delay_days` is what a site is late against its plan, not its whole start-up (which
in oncology takes 206 d on average, SD 64 d, with the tail of a gamma: Tufts 2013, quoted by EnForeSys).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from schemas.enrollment import Count, CountryName, Currency, Positive, Share
from schemas.errors import UsageError
from schemas.fields import Name, TimeText

MONTH = 365.25 / 12  # mean month [d]
LARGEST_SPEC = 4 << 20  # bytes
Months = Annotated[float, Meta(ge=0, le=600)]
Days = Annotated[float, Meta(ge=0, le=10_000)]
Family = Literal["constant", "random_walk", "decay", "season", "halving"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Change(_Part, frozen=True, kw_only=True):
    """From a month on the rates are multiplied by `factor`."""

    at_month: Months
    factor: Positive


class Drift(_Part, frozen=True, kw_only=True):
    """How the rates of a whole study move, the truth that a forecast does not know.

    `size` is: the yearly SD of the log rate (random_walk); the share lost a year (decay); the relative amplitude
    (season, a cosine of a year, highest at the start); unused by constant; the factor, at `at_month` (halving).
    """

    family: Family = "constant"
    size: float = 0.0
    at_month: Months = 0.0


class SimulatedCountry(_Part, frozen=True, kw_only=True):
    """A country: how many sites, how many subjects a month each brings on average once open, when they are to open."""

    country: CountryName
    sites: Annotated[int, Meta(ge=0, le=5000)]
    per_month: Positive = 0.7
    open_from: Months = 0.0
    open_to: Months = 4.0
    delay_days: Days = 30.0
    delay_sd_days: Annotated[float, Meta(gt=0, le=10_000)] = 25.0
    never_open: Share = 0.03
    cap: Count | None = None
    changes: tuple[Change, ...] = ()


class Failure(_Part, frozen=True, kw_only=True):
    """A reason of screen failure, and the share of those screened that it takes."""

    reason: Name
    share: Share


class Funnel(_Part, frozen=True, kw_only=True):
    """From candidate to randomised. Delays are means [d]."""

    consent: Share = 0.6
    screened: Share = 0.97
    failures: Annotated[tuple[Failure, ...], Meta(max_length=16)] = (
        Failure(reason="hba1c", share=0.12),
        Failure(reason="renal function", share=0.08),
        Failure(reason="other", share=0.10),
    )
    consent_days: Days = 4.0
    screen_days: Days = 2.0
    result_days: Days = 12.0
    randomise_days: Days = 2.0
    screening_days: Annotated[float, Meta(gt=0, le=1000)] = 28.0


class FollowUp(_Part, frozen=True, kw_only=True):
    """After the counting milestone: hazards a year, the Weibull shape of event times, and visits by name and day."""

    events_per_year: float = 0.0
    event_shape: Positive = 1.0
    dropout_per_year: float = 0.1
    months: Months = 12.0
    visits: Annotated[tuple[tuple[Name, Days], ...], Meta(max_length=64)] = (("week 4", 28.0), ("week 12", 84.0))


class Booking(_Part, frozen=True, kw_only=True):
    """What is booked against a budget line: so much for each subject counted, site opened, site and month, or month."""

    line: Name
    per: Literal["subject", "visit", "site", "site_month", "month"]
    amount: float
    currency: Currency = "EUR"


class Noise(_Part, frozen=True, kw_only=True):
    """What is wrong with the telling, as shares of subjects' facts. `lag_days` is the mean of a gamma of shape 1.5."""

    lag_days: Days = 4.0
    duplicates: Share = 0.0
    corrections: Share = 0.0
    withdrawn: Share = 0.0
    unknown_sites: Share = 0.0
    future: Share = 0.0
    out_of_order: Share = 0.0


class Action(_Part, frozen=True, kw_only=True):
    """What somebody does about it, decided at a month and in effect `lead_days` later.

    `open_sites` adds so many sites to a country; `boost` multiplies a country's rates; `relax` multiplies the share
    that a reason of screen failure takes; `close` closes a country's sites.
    """

    at_month: Months
    kind: Literal["open_sites", "boost", "relax", "close"]
    country: CountryName = ""
    sites: Annotated[int, Meta(ge=0, le=500)] = 0
    per_month: Positive = 0.7
    reason: Name = "other"
    factor: Annotated[float, Meta(ge=0, le=100)] = 1.0
    lead_days: Days = 60.0


class SimulatedStudy(_Part, frozen=True, kw_only=True):
    """One study. `site_shape` is the gamma shape of rates between sites; `months` is how long it is simulated."""

    study: Name
    title: str = ""
    starts: TimeText = "2026-01-01T00:00:00Z"
    months: Annotated[float, Meta(gt=0, le=600)] = 18.0
    subjects: Annotated[int, Meta(ge=1, le=1_000_000)] = 300
    by_month: Annotated[float, Meta(gt=0, le=600)] = 15.0
    counts: Literal["enrolled", "randomised"] = "randomised"
    events: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    events_by_month: Annotated[float, Meta(gt=0, le=600)] | None = None
    countries: Annotated[tuple[SimulatedCountry, ...], Meta(min_length=1, max_length=200)]
    site_shape: Positive = 1.5
    drift: Drift = Drift()
    funnel: Funnel = Funnel()
    follow_up: FollowUp = FollowUp()
    bookings: Annotated[tuple[Booking, ...], Meta(max_length=64)] = ()
    budget: dict[str, Any] = {}  # Any: passed on into study_planned as it stands
    strata: Annotated[tuple[tuple[Name, Share], ...], Meta(max_length=16)] = ()
    noise: Noise = Noise()
    actions: Annotated[tuple[Action, ...], Meta(max_length=64)] = ()


class Simulation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some studies under one seed. Each study draws from its own stream: adding one changes no other."""

    seed: int = 7
    studies: Annotated[tuple[SimulatedStudy, ...], Meta(min_length=1, max_length=10_000)]


def read_simulation(payload: bytes, where: str) -> Simulation:
    """Read a specification.

    Raises
    ------
    UsageError
        Saying what is wrong with it and where.
    """
    if len(payload) > LARGEST_SPEC:
        raise UsageError(f"expected a specification of at most {LARGEST_SPEC} bytes, received more, for {where}")
    try:
        return msgspec.json.decode(payload, type=Simulation)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"expected a simulation of studies, received {error}, for {where}; correct it") from None


def load_simulation(path: Path) -> Simulation:
    """Read a specification from a file. Raises UsageError if it cannot be read."""
    try:
        return read_simulation(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"expected a readable file, received {error.strerror}, for {path}") from None


COUNTRIES = ("US", "DE", "ES", "PL", "FR", "IT", "JP", "GB", "BR", "KR", "AU", "CA")


def drawn_simulation(studies: int, seed: int, starts: str = "2026-01-01T00:00:00Z") -> Simulation:
    """Draw studies of several sizes and drifts (assumed: 12 to 80 sites, 3 to 8 countries, 0.3 to 1.5 a month)."""
    families: tuple[Family, ...] = ("constant", "random_walk", "decay", "season", "halving")
    sizes = {"constant": 0.0, "random_walk": 0.35, "decay": 0.25, "season": 0.25, "halving": 0.5}
    made = []
    for number in range(studies):
        rng = np.random.Generator(np.random.Philox(key=[seed % 2**64, 1_000_000 + number]))
        count = int(rng.integers(3, 9))
        per_month = float(np.round(rng.uniform(0.3, 1.5), 2))
        shares = rng.dirichlet(np.full(count, 3.0))
        sites = np.maximum(1, np.round(shares * rng.integers(12, 81))).astype(int)
        months = float(rng.integers(14, 25))
        family = families[number % len(families)]
        expected = float(sites.sum()) * per_month * (months - 6.0)
        countries = tuple(
            SimulatedCountry(country=COUNTRIES[i], sites=int(sites[i]), per_month=per_month) for i in range(count)
        )
        made.append(
            SimulatedStudy(
                study=f"ST-{number + 1:03d}",
                starts=starts,
                months=months,
                subjects=max(20, round(0.8 * expected)),
                by_month=months - 3.0,
                countries=countries,
                drift=Drift(family=family, size=sizes[family], at_month=months / 2),
                noise=Noise(duplicates=0.01, corrections=0.02, withdrawn=0.005, out_of_order=0.02),
            )
        )
    return Simulation(seed=seed, studies=tuple(made))
