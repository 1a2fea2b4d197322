"""CHO fed-batch with a secondary inhibitor: the values of the public code, which names no paper."""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter, Source

_DURAN = Source(
    "Duran-Villalobos, University of Manchester, public code Tuning-Multivariable-Controller",
    "CHO, fed-batch",
)
_SHUT_OFF = (
    "assumed: maintenance stops with what it lives on, where the published form drives it below 0; above {} mmol/L "
    "uptake differs from the published form by under 0.1 %"
)

DURAN_CHO: tuple[Parameter, ...] = (
    _DURAN.says("umax", 0.048, "/h", "largest specific growth rate"),
    _DURAN.says("Kdmax", 0.01, "/h", "largest specific death rate", low=0.0),
    _DURAN.says("Ku", 0.01, "/h", "growth rate at which death is halved"),
    _DURAN.says("Kg", 1.0, "mmol/L", "half saturation of growth by glucose"),
    _DURAN.says("Kq", 0.22, "mmol/L", "half saturation of growth by glutamine"),
    _DURAN.says("Kl", 150.0, "mmol/L", "lactate that halves growth"),
    _DURAN.says("Ka", 40.0, "mmol/L", "ammonia that halves growth"),
    _DURAN.says("C_star", 100.0, "mmol/L", "inhibitor that stops growth"),
    _DURAN.says("Kdq", 0.001, "/h", "decomposition of glutamine to ammonia", low=0.0),
    _DURAN.says("mg", 1.4e-10, "mmol/h", "maintenance on glucose, per cell", low=0.0),
    _DURAN.says("mq", 7e-12, "mmol/h", "maintenance on glutamine, per cell", low=0.0),
    _DURAN.says("qi", 3.5e-10, "mmol/h", "inhibitor made, per cell", low=0.0),
    _DURAN.says("Ylg", 2.0, "mol/mol", "lactate from glucose", low=0.0, high=2.0),
    _DURAN.says("Yaq", 0.9, "mol/mol", "ammonia from glutamine taken up", low=0.0, high=1.0),
    _DURAN.says("Yxg", 1.7e8, "/mmol", "cells from glucose"),
    _DURAN.says("Yxq", 1.3e9, "/mmol", "cells from glutamine"),
    _DURAN.says("G_off", 0.02, "mmol/L", "glucose at which maintenance is halved", source=_SHUT_OFF.format(0.64)),
    _DURAN.says("Q_off", 0.01, "mmol/L", "glutamine at which maintenance is halved", source=_SHUT_OFF.format(0.32)),
)
