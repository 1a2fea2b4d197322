"""How the supply twins are configured: products' limits, boxes, rooms, when what is said. Checked once, then frozen."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import SettingsError

VERSION = 1  # of the models' equations: raise it when the same events would give other numbers

Celsius = Annotated[float, Meta(ge=-273.15, le=200)]
Hours = Annotated[float, Meta(gt=0, le=10_000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ProductLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """A range that a product must stay in. See `twins.supply.temperature.Limit`; `total_hours` null: no bound."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    above: Celsius | None = None
    below: Celsius | None = None
    single_hours: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    total_hours: Annotated[float, Meta(ge=0, le=10_000)] | None = None


class ThermalDose(Struct, frozen=True, forbid_unknown_fields=True):
    """How a product ages with temperature: activation energy [kJ/mol], and where an hour is an hour [degC]. The
    product's own stability study says both; there is no default."""

    activation_kj_per_mol: Annotated[float, Meta(ge=0, le=500)]
    reference_celsius: Celsius


class BoxModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model of dry shipper. Defaults: facts that the model's maker states are to be put in their place.

    `tip_loss` and `spread`: FisherBioServices/CCD, Cryoport 2018; the rest assumed. `storage` is what its product asks
    for: mean kinetic temperature is told of `room` and `cold`. `dose`: null where nobody studied it.
    """

    warming_hours: Hours = 24.0
    cold_celsius: Celsius = -190.0
    ambient_celsius: Celsius = 20.0
    spread: Share = 0.15
    tip_loss: Share = 0.6
    tip_hours: Hours = 6.0
    fill_error: Share = 0.03
    logger_noise_kelvin: Annotated[float, Meta(gt=0, le=20)] = 0.5
    logger_lag_hours: Annotated[float, Meta(ge=0, le=100)] = 0.25
    limits: Annotated[tuple[ProductLimit, ...], Meta(max_length=16)] = ()
    storage: Literal["room", "cold", "frozen", "cryogenic"] = "cryogenic"
    dose: ThermalDose | None = None


class WarmRuleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """When a box is warned of (`twins.supply.temperature.WarmRule`); below that, from `watch_on` on, it is watched."""

    warm_on: Share = 0.9
    warm_off: Share = 0.5
    warm_hours: Annotated[float, Meta(ge=0, le=1000)] = 8.0
    near_hours: Hours = 13.0
    watch_on: Share = 0.5


class Boxes(Struct, frozen=True, forbid_unknown_fields=True):
    """Dry shippers: models by name, what holds of a model that is not named, and when the twin speaks."""

    models: dict[str, BoxModel] = {}
    other: BoxModel = BoxModel()
    rule: WarmRuleSection = WarmRuleSection()
    estimate_minutes: Annotated[float, Meta(ge=1, le=10_080)] = 30.0


class Patients(Struct, frozen=True, forbid_unknown_fields=True):
    """Journeys: `lateness_hours` is how late a scan may come before its absence is a stop; a forecast is said at each
    scan, and every `silent_hours` without one. A slot is at risk from `risk_on` on, until it is under `risk_off`.
    `workflows` are those of docs/supply_identity.md, by name; `collection` is the step at which vein-to-vein time
    begins."""

    lateness_hours: Annotated[float, Meta(ge=0, le=720)] = 24.0
    silent_hours: Annotated[float, Meta(ge=0.25, le=720)] = 12.0
    workflows: Annotated[dict[str, dict[str, Any]], Meta(max_length=64)] = {}
    collection: str = "apheresis"
    risk_on: Share = 0.2
    risk_off: Share = 0.1


class Rooms(Struct, frozen=True, forbid_unknown_fields=True):
    """Cleanrooms: how often what they believe is said, and what two rooms are allowed to differ by."""

    estimate_minutes: Annotated[float, Meta(ge=1, le=10_080)] = 15.0
    least_pascal: Annotated[float, Meta(ge=0, le=100)] = 10.0  # EU GMP Annex 1 (2022), 4.14
    door_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60.0


class Networks(Struct, frozen=True, forbid_unknown_fields=True):
    """The network: when its future is asked of the pool and with how many draws, and when patients are told of legs."""

    every_hours: Annotated[float, Meta(ge=0.25, le=744)] = 6.0
    tell_hours: Annotated[float, Meta(ge=0.25, le=744)] = 24.0
    draws: Annotated[int, Meta(ge=10, le=100_000)] = 500
    horizon_days: Annotated[float, Meta(ge=1, le=365)] = 60.0


class SupplyConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration, with its defaults."""

    boxes: Boxes = Boxes()
    patients: Patients = Patients()
    rooms: Rooms = Rooms()
    network: Networks = Networks()


def read_config(document: dict[str, Any]) -> SupplyConfig:
    """Read a configuration.

    Raises
    ------
    SettingsError
        With what was expected, what came and where.
    """
    try:
        config = msgspec.convert(document, SupplyConfig)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected a configuration as docs/supply.md describes it, received {error}") from None
    for name, low, high in (
        ("patients.risk_off", config.patients.risk_off, config.patients.risk_on),
        ("boxes.rule.warm_off", config.boxes.rule.warm_off, config.boxes.rule.warm_on),
    ):
        if not low < high:
            raise SettingsError(f"expected {name} below its `on`, received {low:g} and {high:g}")
    return config


def model_name(config: SupplyConfig) -> str:
    """Name the model with a hash of all that decides its numbers."""
    body = msgspec.json.encode(config, order="sorted")
    return f"supply@{VERSION}+{hashlib.sha256(body).hexdigest()[:12]}"
