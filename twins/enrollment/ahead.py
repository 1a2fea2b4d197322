"""Joint draws of what enrollment may do from now on: what the rates hand to simulation, money and event times.

The same draws stand behind every scenario that is compared (common random numbers): an action changes what is open,
capped or boosted, never the draw.
"""

from __future__ import annotations

from dataclasses import dataclass

from twins.enrollment.study import Floats


@dataclass(frozen=True, slots=True)
class Ahead:
    """Draws of rates and openings, as of a study's `as_of`.

    `site_rate` (d, s): subjects a day that a site brings while open, at `factor` 1. `factor` (d, c, m): mean over each
    future step of what multiplies the rates of a country (drift, season, holidays), 1 where nothing changes.
    `steps` (m + 1,): edges of those steps [d], from `as_of` on. `opens` (d, s): when a site that is not open opens [d],
    `as_of` where it is open now, inf where it never does. `new_rate` (d, c, x): rates of sites that an action may add,
    x to a country. `new_delay` (d, c, x): how long such a site takes to open once it is decided [d].
    """

    steps: Floats
    site_rate: Floats
    factor: Floats
    opens: Floats
    new_rate: Floats
    new_delay: Floats
