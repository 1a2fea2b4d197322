"""How an enrollment twin is configured: what it says when, and at which risk it warns. Checked once, then frozen."""

from __future__ import annotations

import hashlib
import importlib.util
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from schemas.errors import MissingExtraError, SettingsError

VERSION = 1  # of the model's equations: raise it when the same events would give other numbers


class Risk(Struct, frozen=True, forbid_unknown_fields=True):
    """When a target is at risk: the probability of missing it that raises, and the lower one that clears.

    From `critical_at` on it is critical, until it is lower by `hysteresis`.
    """

    raise_at: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    clear_at: Annotated[float, Meta(gt=0, lt=1)] = 0.4
    critical_at: Annotated[float, Meta(gt=0, lt=1)] = 0.9
    hysteresis: Annotated[float, Meta(ge=0, lt=1)] = 0.1


class Costs(Struct, frozen=True, forbid_unknown_fields=True):
    """What actions cost once, in the budget's currency, where none are configured one by one.

    `site` to open one, `boost` to support one, `cap` to raise one, `amendment` a protocol amendment. Assumed, but for
    the amendment: median direct cost in phase III (Getz et al. 2016, Ther. Innov. Regul. Sci. 50:436, USD).
    """

    site: Annotated[float, Meta(ge=0, le=1e9)] = 50_000.0
    boost: Annotated[float, Meta(ge=0, le=1e9)] = 15_000.0
    cap: Annotated[float, Meta(ge=0, le=1e9)] = 5_000.0
    amendment: Annotated[float, Meta(ge=0, le=1e9)] = 535_000.0


class Corrections(Struct, frozen=True, forbid_unknown_fields=True):
    """When the twin asks for a ranking of actions, and with which prices.

    Asked while a target is at risk or a country has fallen, at most every `every_days`. `day_price` is what a day is
    worth (phases II and III, about: Smith, DiMasi and Getz 2024, USD), `draws` of the future stand behind each ranking.
    `actions` are those of docs/enrollment_simulation.md; without any, the twin proposes some of its own.
    """

    every_days: Annotated[float, Meta(ge=1, le=365)] = 14.0
    day_price: Annotated[float, Meta(ge=0, le=1e9)] = 40_000.0
    draws: Annotated[int, Meta(ge=100, le=1_000_000)] = 4000
    actions: Annotated[tuple[dict[str, Any], ...], Meta(max_length=64)] = ()
    costs: Costs = Costs()
    budget: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    audit_days: Annotated[float, Meta(ge=1, le=3650)] = 90.0


class Scenarios(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a study with a budget is held against what might be otherwise, and how much is.

    Said anew `every_days` of the twin's clock, and when the plan's money changed. `longer_days` is a pure slip,
    `underperforms` what a country brings of what is expected of it, `more_subjects` the share by which the target
    grows. An amendment comes after `amendment_days`; the budget prices it, or else `corrections.costs`.
    """

    every_days: Annotated[float, Meta(ge=1, le=365)] = 7.0
    longer_days: Annotated[float, Meta(gt=0, le=3650)] = 91.0
    underperforms: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    more_subjects: Annotated[float, Meta(gt=0, le=10)] = 0.1
    amendment_days: Annotated[float, Meta(ge=0, le=3650)] = 30.0


class EnrollmentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration, with its defaults. Times are of the twin's own clock.

    While facts come, an estimate is said every `estimate_hours`; when it is told that time passed, `settle_minutes`
    after them. A forecast is said at the first fact after each `forecast_hours`, and with news when it is told that
    time passed, `refresh_minutes` after the last. `horizon_days` is how far a forecast looks ahead at most, `points`
    its days. Of alerts below critical at most `alerts_a_week` are raised in a week. Every `learning_days` online
    learners have their say on the advisory lane; null: never.
    """

    settle_minutes: Annotated[float, Meta(ge=0, le=1440)] = 2.0
    refresh_minutes: Annotated[float, Meta(ge=1, le=10080)] = 60.0
    estimate_hours: Annotated[float, Meta(ge=0.25, le=168)] = 6.0
    forecast_hours: Annotated[float, Meta(ge=1, le=744)] = 24.0
    horizon_days: Annotated[float, Meta(ge=30, le=3650)] = 730.0
    points: Annotated[int, Meta(ge=4, le=60)] = 24
    risk: Risk = Risk()
    corrections: Corrections = Corrections()
    scenarios: Scenarios = Scenarios()
    alerts_a_week: Annotated[int, Meta(ge=1, le=1000)] = 7
    learning_days: Annotated[float, Meta(ge=1, le=365)] | None = None


def read_config(document: dict[str, Any]) -> EnrollmentConfig:
    """Read a configuration.

    Raises
    ------
    SettingsError
        With what was expected, what came and where.
    """
    try:
        config = msgspec.convert(document, EnrollmentConfig)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected a configuration as docs/enrollment.md describes it, received {error}") from None
    if config.learning_days is not None and importlib.util.find_spec("river") is None:
        raise MissingExtraError("river", "online-ml")
    risk = config.risk
    if not risk.clear_at < risk.raise_at <= risk.critical_at:
        raise SettingsError(
            "expected risk.clear_at below raise_at and raise_at at most critical_at, received "
            f"{risk.clear_at:g}, {risk.raise_at:g} and {risk.critical_at:g}"
        )
    return config


def model_name(config: EnrollmentConfig) -> str:
    """Name the model with a hash of all that decides its numbers."""
    body = msgspec.json.encode(config, order="sorted")
    return f"enrollment@{VERSION}+{hashlib.sha256(body).hexdigest()[:12]}"
