"""T cells in a stirred Ambr 15 (450 rpm, 37 C, pH 7.3, oxygen 100 %): the values of the public code.

The source says that donors differ in `rg` and `bi`, but not by how much. The spreads below are assumed: donors of
autologous products differ by tens of percent in growth, less in metabolism.
"""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter, Source

_T_CELL = Source(
    "Duran-Villalobos, University of Manchester, public code webappdemo (no paper at hand)",
    "T cells, Ambr 15, 450 rpm, 37 C, pH 7.3, oxygen 100 %",
)

DURAN_T_CELL: tuple[Parameter, ...] = (
    _T_CELL.says("rg", 0.02, "/h", "specific growth rate", low=0.0, spread=0.20),
    _T_CELL.says("rd", 0.007, "/h", "specific death rate by the inhibitor", low=0.0, spread=0.20),
    _T_CELL.says("rdg", 0.083, "/h", "specific death rate by hunger", low=0.0),
    _T_CELL.says("rc", 0.05, "mg/h", "glucose taken up, per 1e6 cells", low=0.0, spread=0.10),
    _T_CELL.says("ri", 1.0, "/h", "inhibitor units made, per 1e6 cells/mL", low=0.0),
    _T_CELL.says("kp", 2.71, "mg/mL", "half saturation of growth by glucose"),
    _T_CELL.says("kgu", 0.2, "mg/mL", "half saturation of uptake by glucose"),
    _T_CELL.says("ai", 0.111, "1", "steepness of inhibition, per unit"),
    _T_CELL.says("bi", 95.26, "1", "inhibitor units that halve growth", spread=0.15),
    _T_CELL.says("ad", 150.0, "1", "inhibitor units that halve the death rate"),
    _T_CELL.says("ag", 30.0, "mL/mg", "steepness of hunger"),
    _T_CELL.says("bg", 0.05, "mg/mL", "glucose at which half of the cells hunger"),
    _T_CELL.says("gamma", -5.899e-9, "mL/h", "change of pH, per cell", low=-1e-6, high=0.0),
    _T_CELL.says("lag", 5.0, "1", "division of growth in the lag", low=1.0),
)
