"""Yeast with a respiratory bottleneck after Sonnleitner and Kappeli 1986.

Two capacities are those of a public model; the rest are figures that go round under the paper's name and were not
checked against it, hence `assumed`. Oxygen, ethanol and carbon dioxide per glucose are no parameters: they follow from
carbon and electron balances over the elements.
"""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter, Source

_BPL = Source("public model BPL_YEAST_AIR_Fedbatch (Axelsson): {}", "S. cerevisiae, glucose, fed-batch, 30 C")
_QUOTED = "assumed: as commonly quoted from Sonnleitner and Kappeli 1986, Biotechnol. Bioeng. 28:927; paper not at hand"

SONNLEITNER: tuple[Parameter, ...] = (
    _BPL.says("qs_max", 3.60, "g/g/h", "largest glucose uptake", source=_BPL.text.format("qGmax 20 mmol/g/h")),
    _BPL.says("qo_max", 0.221, "g/g/h", "largest oxygen uptake", source=_BPL.text.format("qO2max 6.9 mmol/g/h")),
    _BPL.says("Ks", 0.1, "g/L", "half saturation of uptake by glucose", source=_QUOTED),
    _BPL.says("Ke", 0.1, "g/L", "half saturation of uptake by ethanol", source=_QUOTED),
    _BPL.says("Ki", 0.1, "g/L", "glucose that halves ethanol uptake", source=_QUOTED),
    _BPL.says("qe_max", 0.236, "g/g/h", "largest ethanol uptake", low=0.0, source="assumed: growth of 0.17 /h on it"),
    _BPL.says("Yxs_ox", 0.49, "g/g", "biomass from oxidised glucose", high=0.7, source=_QUOTED),
    _BPL.says("Yxs_red", 0.05, "g/g", "biomass from fermented glucose", low=0.0, high=0.3, source=_QUOTED),
    _BPL.says("Yxe", 0.72, "g/g", "biomass from ethanol", high=1.0, source=_QUOTED),
)
