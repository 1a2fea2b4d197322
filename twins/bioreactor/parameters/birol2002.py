"""Penicillin fed-batch after Birol 2002 (PenSim): values on which several public codes agree.

Codes that do not agree, and are not followed: BoTorch and TuRBO exchange the two temperatures of the water loss (its
sign and size then fail); a CMOBO port uses R = 8.314 with energies in calories. Oxygen at saturation, 1.16 g/L, is a
hundred times that of water; it is kept because the other oxygen constants were fitted to it.
"""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter, Source

_BIROL = Source(
    "Birol, Undey and Cinar 2002, Comput. Chem. Eng. 26:1553 (PenSim), as in several public codes",
    "P. chrysogenum, 298 K, pH 5.0, aeration 8.6 L/h, agitation 30 W",
)
_SHUT_OFF = "assumed: maintenance stops with what it lives on, where the published form drives it below 0"

BIROL: tuple[Parameter, ...] = (
    _BIROL.says("mu_x", 0.092, "/h", "largest specific growth rate before temperature and pH"),
    _BIROL.says("Kx", 0.15, "g/g", "Contois constant of growth by glucose"),
    _BIROL.says("Kox", 2e-2, "g/g", "Contois constant of growth by oxygen", low=0.0),
    _BIROL.says("K1", 1e-10, "mol/L", "hydrogen ions below which growth falls"),
    _BIROL.says("K2", 7e-5, "mol/L", "hydrogen ions above which growth falls"),
    _BIROL.says("kg", 7e3, "1", "Arrhenius factor of growth"),
    _BIROL.says("Eg", 5100.0, "cal/mol", "activation energy of growth", low=1e3, high=2e4),
    _BIROL.says("kd", 1e33, "1", "Arrhenius factor of death", low=0.0, high=1e36),
    _BIROL.says("Ed", 50000.0, "cal/mol", "activation energy of death", low=2e4, high=1e5),
    _BIROL.says("mu_p", 0.005, "/h", "largest specific rate of penicillin production", low=0.0),
    _BIROL.says("Kp", 2e-4, "g/L", "half saturation of production by glucose"),
    _BIROL.says("KI", 0.1, "g/L", "glucose that inhibits production"),
    _BIROL.says("Kop", 5e-4, "as published", "Contois constant of production by oxygen", low=0.0),
    _BIROL.says("p", 3.0, "1", "exponent of oxygen in production", low=1.0, high=6.0),
    _BIROL.says("K", 0.04, "/h", "hydrolysis of penicillin", low=0.0),
    _BIROL.says("Yxs", 0.45, "g/g", "biomass from glucose", high=1.0),
    _BIROL.says("Yps", 0.90, "g/g", "penicillin from glucose", high=2.0),
    _BIROL.says("Yxo", 0.04, "g/g", "biomass from oxygen"),
    _BIROL.says("Ypo", 0.20, "g/g", "penicillin from oxygen"),
    _BIROL.says("mx", 0.014, "/h", "maintenance on glucose", low=0.0),
    _BIROL.says("mo", 0.467, "/h", "maintenance on oxygen", low=0.0),
    _BIROL.says("a1", 0.143, "mmol/g", "carbon dioxide from growth", low=0.0),
    _BIROL.says("a2", 4e-7, "mmol/g/h", "carbon dioxide from maintenance", low=0.0),
    _BIROL.says("a3", 1e-4, "mmol/L/h", "carbon dioxide from production", low=0.0),
    _BIROL.says("CL_star", 1.16, "g/L", "oxygen at saturation"),
    _BIROL.says("alpha", 70.0, "as published", "factor of oxygen transfer", low=0.0),
    _BIROL.says("beta", 0.4, "1", "exponent of power per volume in oxygen transfer", low=0.0, high=1.0),
    _BIROL.says("lam", 2.5e-4, "/h", "loss of water (lambda)", low=0.0),
    _BIROL.says("T0", 273.0, "K", "freezing of the medium", low=250.0, high=290.0),
    _BIROL.says("Tv", 373.0, "K", "boiling of the medium", low=350.0, high=400.0),
    _BIROL.says("S_off", 2e-4, "g/L", "glucose at which maintenance is halved", source=_SHUT_OFF),
    _BIROL.says("CL_off", 0.01, "g/L", "oxygen at which maintenance is halved", source=_SHUT_OFF),
)
GAS_CONSTANT = 1.987  # cal/mol/K, the unit of the activation energies
