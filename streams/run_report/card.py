"""The model cards of a report: equations with their source, validity, and every parameter with where it comes from.

Values of a configuration are shown only where the hash in the model's name is its own: those of the ledger, and of the
one at hand for runs from before the ledger kept them. Else the card says what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from streams.run_report.document import ModelCard, ModelUse, ParameterUse
from twins.bioreactor.config import BioreactorConfig, model_name
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.registry import MODELS
from twins.bioreactor.parameters.assumed_growth import GROWTH, INDEX

TITLE = "Growth filter: biomass, specific growth rate and sensor gain"
# As in docs/bioreactor.md; a test holds the two together.
EQUATIONS = (
    "dL  = mu dt + s_L dW        dmu = -theta (mu - m) dt + s_mu dW        dg = s_g dW",
    "signal = exp(L + g) + offset + noise          assay = exp(L) + noise",
)
SOURCE = (
    "the growth rate is an Ornstein-Uhlenbeck process, bridged exactly (Gillespie 1996, Phys. Rev. E 54:2084, eqs"
    " 2.14-2.18); the update is an extended Kalman filter in Joseph form (Bucy and Joseph 1968, ch. 16); the gate is"
    " chi-square .999 with one degree of freedom"
)
VALID = "growth that changes over hours, one dominant population, a signal that rises with biomass"
NOT_VALID = (
    "lag phases shorter than minutes, death with a signal that counts the dead, two strains, foam on an optical probe"
)
MISSING = (
    "The configuration at hand is {has}, the run was computed with {ran}: parameters that came from that configuration"
    " are not shown. Make the report again with it (--config)."
)

Data = dict[str, Any]  # Any: the data of an event or effect, which is JSON


def cards_of(
    uses: tuple[ModelUse, ...],
    config: BioreactorConfig,
    started: Data,
    started_at: str | None,
    process: Data | None,
    kept: Mapping[str, BioreactorConfig] = MappingProxyType({}),
) -> tuple[ModelCard, ...]:
    """Give the card of each model that made estimates.

    Parameters
    ----------
    uses : tuple of ModelUse
        What made them.
    config : BioreactorConfig
        The configuration at hand.
    started : dict
        The data of `batch_started`, empty without a batch; `started_at` is its record.
    process : dict or None
        `process` of the last estimate.
    kept : mapping
        Configurations by model, as the ledger keeps them.
    """
    has = model_name(config)
    of = {has: config, **kept}
    cards = [
        _growth(name, of.get(name), has, started.get("parameters") or {}, started_at)
        for name in dict.fromkeys(use.model for use in uses)
        if name.startswith("growth@")
    ]
    for name in dict.fromkeys(use.process for use in uses):
        if name is not None:
            mine = process if process is not None and process.get("model") == name else None
            ran = [of[use.model] for use in uses if use.process == name and use.model in of]
            cards.append(_process(name, ran[-1] if ran else None, has, uses, mine))
    return tuple(cards)


def _growth(
    name: str, config: BioreactorConfig | None, has: str, of_batch: dict[str, float], started_at: str | None
) -> ModelCard:
    parameters = []
    for one in GROWTH:
        if one.name in of_batch:
            value, origin, source = of_batch[one.name], f"batch_started, {started_at}", "said for this batch"
        elif config is None:
            continue
        elif one.name in config.parameters:
            value, origin, source = config.parameters[one.name], "configuration", "said in the configuration"
        else:
            value, origin, source = one.value, "default", one.source
        parameters.append(ParameterUse(one.name, float(value), one.unit, origin, source))
    unknown = sorted(set(of_batch) - set(INDEX))
    note = "" if config is not None else MISSING.format(has=has, ran=name)
    if unknown:
        note = f"{note} Said for this batch, and no parameter of this model: {', '.join(unknown)}.".strip()
    return ModelCard(name, TITLE, EQUATIONS, SOURCE, VALID, NOT_VALID, tuple(parameters), note)


def _process(
    name: str, config: BioreactorConfig | None, has: str, uses: tuple[ModelUse, ...], belief: Data | None
) -> ModelCard:
    plain, _, version = name.partition("@")
    model = MODELS.get(plain)
    believed = (belief or {}).get("parameters", {})
    if model is None or str(model.version) != version:
        note = f"{name} is not known to this program: only what the run itself said is shown."
        parameters = tuple(_parameter(each, said, None, "", "") for each, said in believed.items())
        return ModelCard(name, name, (), "", "", "", parameters, note)
    title, equations, source = _said_of(model)
    section = config.process if config is not None else None
    note = ""
    if section is None:
        ran = next(use.model for use in uses if use.process == name)
        note = MISSING.format(has=has, ran=ran)
    parameters_used = []
    for one in model.parameters:
        value: float | None = one.value
        origin, origin_source = "model's own", one.source
        if section is None:
            if one.name not in believed:
                continue
            value, origin = None, "not at hand"
        elif one.name in section.parameters:
            value, origin, origin_source = section.parameters[one.name], "configuration", "said in the configuration"
        if section is not None and one.name in section.unsure:
            origin += f"; unsure by {section.unsure[one.name]:.0%}"
        if section is not None and one.name in section.wander:
            origin += f"; wanders by {section.wander[one.name].sd:.0%} in {section.wander[one.name].hours:g} h"
        parameters_used.append(_parameter(one.name, believed.get(one.name), value, origin, origin_source, one.unit,
                                          one.meaning))  # fmt: skip
    conditions = model.parameters[0].conditions if model.parameters else ""
    return ModelCard(
        name, title, equations, source, conditions, "what its source does not cover; see docs/models.md",
        tuple(parameters_used), note,
    )  # fmt: skip


def _parameter(
    name: str, said: Data | None, value: float | None, origin: str, source: str, unit: str = "", meaning: str = ""
) -> ParameterUse:
    if said is None:
        assert value is not None
        return ParameterUse(name, float(value), unit, origin, source, meaning)
    return ParameterUse(
        name, float(said["value"] if value is None else value), said["unit"], origin, source, meaning,
        said["low"], said["high"], said["value"], said["seen"],
    )  # fmt: skip


def _said_of(model: ProcessModel) -> tuple[str, tuple[str, ...], str]:
    """Give title, equations and source of a model, as its module says them."""
    module = sys.modules.get(getattr(model.rates, "__module__", ""))
    text = (module.__doc__ if module is not None else None) or ""
    body, _, source = text.partition("\nSource\n------\n")
    title, _, rest = body.partition("\n")
    equations = tuple(line.strip() for line in rest.splitlines() if line.startswith("    "))
    return title.strip() or model.name, equations, " ".join(source.split())
