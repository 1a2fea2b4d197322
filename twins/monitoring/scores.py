"""How far observations stand from the normal process: one shape for both modes."""

from __future__ import annotations

from dataclasses import dataclass

from twins.monitoring.pca import Bools, Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """T2, SPE, their limits and their parts by tag, of n units or rows.

    `t2`, `spe`, `t2_limit`, `spe_limit` have shape (n,), the contributions (n, tags). NaN in `t2` and `spe` says that
    there is nothing to score: no known value, or a unit that has not reached the model's first point.
    """

    t2: Floats
    spe: Floats
    t2_limit: Floats
    spe_limit: Floats
    t2_contributions: Floats
    spe_contributions: Floats

    @property
    def t2_beyond(self) -> Bools:
        """Tell where T2 is beyond its limit; what was not scored is not."""
        return self.t2 > self.t2_limit

    @property
    def spe_beyond(self) -> Bools:
        """Tell where SPE is beyond its limit."""
        return self.spe > self.spe_limit
