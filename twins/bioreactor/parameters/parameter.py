"""What a parameter is: a value with its unit, the range it may be set to, and where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

RANGE = 100.0  # assumed: where a source gives no range, a hundredfold either way is still the same quantity


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its default, its unit, the range it may be set to, and where the default comes from.

    `meaning` and `conditions` (medium, strain, temperature) are for people. `spread` is the documented relative
    standard deviation between batches or donors, 0 where none is known.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    source: str
    meaning: str = ""
    conditions: str = ""
    spread: float = 0.0

    @property
    def range(self) -> str:
        """Say what it may be set to, in words."""
        return f"{self.name} between {self.low:g} and {self.high:g} {self.unit}"

    def allows(self, value: float) -> bool:
        """Tell whether it may have this value."""
        return math.isfinite(value) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Source:
    """Where the parameters of one file come from, and under which conditions they hold."""

    text: str
    conditions: str

    def says(
        self,
        name: str,
        value: float,
        unit: str,
        meaning: str,
        *,
        low: float | None = None,
        high: float | None = None,
        spread: float = 0.0,
        source: str = "",
    ) -> Parameter:
        """Make a parameter of this source.

        Parameters
        ----------
        low, high : float, optional
            Range it may be set to; without them a hundredfold either side of the value.
        source : str
            Where this one value comes from, if elsewhere: `assumed: ...` with the reason.

        Examples
        --------
        >>> xing = Source("Xing 2010", "CHO")
        >>> p = xing.says("K_S", 0.084, "mmol/L", "half saturation by glucose")
        >>> round(p.low, 6), round(p.high, 6)
        (0.00084, 8.4)
        """
        ends = sorted((value / RANGE, value * RANGE))
        return Parameter(
            name,
            value,
            unit,
            ends[0] if low is None else low,
            ends[1] if high is None else high,
            source or self.text,
            meaning,
            self.conditions,
            spread,
        )
