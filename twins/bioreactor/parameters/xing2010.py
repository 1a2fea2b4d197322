"""CHO fed-batch after Xing 2010, simplified: the values of the public code, and one that was assumed.

The code's saturation of oxygen, 1.07 mmol/L, is left out: air saturation of water at 37 C is about 0.2 mmol/L. A set
that circulates as "Xing 2009" (mu_max 0.045, K_glc 0.5, K_gln 0.05, Ki_lac 40, Ki_amm 5) contradicts this one and is
not used. Page and table of the paper were not at hand.
"""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter, Source

_XING = Source(
    "Xing, Bishop, Leister and Li 2010, Biotechnol. Prog. 26:208, simplified; as in the public code of_compartments",
    "CHO, fed-batch",
)
_SHUT_OFF = (
    "assumed: a cell cannot take up what is not there; small against K_S, so that above {} mmol/L uptake differs "
    "from the published form by under 0.1 %"
)

XING: tuple[Parameter, ...] = (
    _XING.says("mu_m", 0.029, "/h", "largest specific growth rate"),
    _XING.says("K_S", 0.084, "mmol/L", "half saturation of growth by glucose"),
    _XING.says("K_G", 0.047, "mmol/L", "half saturation of growth by glutamine"),
    _XING.says("KI_L", 43.0, "mmol/L", "lactate that halves growth"),
    _XING.says("KI_A", 6.51, "mmol/L", "ammonia that halves growth"),
    _XING.says("mu_dm", 0.016, "/h", "largest specific death rate", low=0.0),
    _XING.says("KD_L", 45.8, "mmol/L", "half saturation of death by lactate"),
    _XING.says("KD_A", 6.51, "mmol/L", "half saturation of death by ammonia"),
    _XING.says("m_S", 6.92e-11, "mmol/h", "maintenance on glucose, per cell", low=0.0),
    _XING.says("a1", 3.2e-12, "mmol/h", "largest maintenance on glutamine, per cell", low=0.0),
    _XING.says("a2", 2.1, "mmol/L", "half saturation of maintenance by glutamine"),
    _XING.says("d_G", 7.2e-3, "/h", "decomposition of glutamine to ammonia", low=0.0),
    _XING.says("r_A", 6.3e-12, "mmol/h", "removal of ammonia, per cell", low=0.0),
    _XING.says("Y_XS", 1.69e8, "/mmol", "cells from glucose"),
    _XING.says("Y_XG", 9.74e8, "/mmol", "cells from glutamine"),
    _XING.says("Y_LS", 1.23, "mol/mol", "lactate from glucose", low=0.0, high=2.0),
    _XING.says("Y_AG", 0.67, "mol/mol", "ammonia from glutamine taken up", low=0.0, high=2.0),
    _XING.says("q_O2", 3.2e-10, "mmol/h", "oxygen uptake, per cell", low=0.0),
    _XING.says("S_off", 0.02, "mmol/L", "glucose at which maintenance is halved", source=_SHUT_OFF.format(0.64)),
    _XING.says("A_off", 0.02, "mmol/L", "ammonia at which its removal is halved", source=_SHUT_OFF.format(0.64)),
)
