"""E. coli with acetate cycling after Anane 2017: the values of a public transcription of that paper.

The transcription notes a second fit beside each value, off by up to 14 % (Kis), mostly under 3 %. The paper's own table
was not at hand. Oxygen is taken to be plentiful, so that its half saturation is left out.
"""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter, Source

_ANANE = Source(
    "Anane, Lopez, Neubauer and Cruz Bournazou 2017, Biochem. Eng. J. 125:23, as in a public transcription",
    "E. coli, glucose mineral medium, fed-batch, oxygen plentiful",
)
_ACETATE_CARBON = "2 x 12.011 / 60.052, from the formula of acetic acid"

ANANE: tuple[Parameter, ...] = (
    _ANANE.says("qSmax", 0.6356, "g/g/h", "largest glucose uptake"),
    _ANANE.says("Ks", 0.0370, "g/L", "half saturation of uptake by glucose"),
    _ANANE.says("Kia", 1.2399, "g/L", "acetate that halves glucose uptake"),
    _ANANE.says("pAmax", 0.2268, "g/g/h", "largest glucose flux into overflow", low=0.0),
    _ANANE.says("Kap", 0.5052, "g/g/h", "glucose uptake at half of the largest overflow"),
    _ANANE.says("qAmax", 0.1148, "g/g/h", "largest acetate uptake", low=0.0),
    _ANANE.says("Ksa", 0.0134, "g/L", "half saturation of uptake by acetate"),
    _ANANE.says("Kis", 2.1231, "g/g/h", "glucose uptake that halves acetate uptake"),
    _ANANE.says("qm", 0.0129, "g/g/h", "maintenance on glucose", low=0.0),
    _ANANE.says("Yem", 0.5333, "g/g", "biomass from oxidised glucose, without maintenance", high=1.0),
    _ANANE.says("Yxsof", 0.2268, "g/g", "biomass from overflow glucose", low=0.0, high=1.0),
    _ANANE.says("Yas", 0.9097, "g/g", "acetate from overflow glucose", low=0.0, high=1.0),
    _ANANE.says("Yxa", 0.5718, "g/g", "biomass from acetate", low=0.0, high=1.0),
    _ANANE.says("Yos", 1.5620, "g/g", "oxygen for glucose that is burnt", low=0.0, high=5.0),
    _ANANE.says("Yoa", 0.5440, "g/g", "oxygen for acetate taken up", low=0.0, high=5.0),
    _ANANE.says("Cs", 0.391, "g/g", "carbon in glucose as the source has it (the formula gives 0.400)", high=1.0),
    _ANANE.says("Cx", 0.488, "g/g", "carbon in biomass", high=1.0),
    _ANANE.says("Ca", 0.400, "g/g", "carbon in acetate", high=1.0, source=_ACETATE_CARBON),
)
