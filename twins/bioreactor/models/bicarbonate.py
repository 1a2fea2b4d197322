"""pH of a medium that carbon dioxide and bicarbonate buffer.

Source
------
Henderson-Hasselbalch with pK' = 6.1 and 0.0301 mmol/L of carbon dioxide per mmHg, plasma at 37 C (textbook values;
in a medium of other ionic strength pK' moves by some 0.1).
"""

from __future__ import annotations

from twins.bioreactor.models.model import Array, Namespace

PK = 6.1
SOLUBILITY = 0.0301  # mmol/L/mmHg at 37 C
LEAST = 1e-6  # mmol/L; assumed: with no bicarbonate left the formula ends, pH is then far below any culture


def bicarbonate_ph(xp: Namespace, bicarbonate: Array, carbon_dioxide: Array) -> Array:
    """Give the pH from bicarbonate [mmol/L] and the partial pressure of carbon dioxide [mmHg].

    Examples
    --------
    >>> import numpy as np
    >>> round(float(bicarbonate_ph(np, 24.0, 40.0)), 3)
    7.4
    """
    return PK + xp.log10(xp.maximum(bicarbonate, LEAST) / (SOLUBILITY * carbon_dioxide))


def after_acid(xp: Namespace, bicarbonate: Array, acid: Array) -> Array:
    """Give the bicarbonate that is left when a strong acid, such as lactic acid, has come [mmol/L].

    Examples
    --------
    >>> import numpy as np
    >>> round(float(bicarbonate_ph(np, after_acid(np, 24.0, 10.0), 40.0)), 3)
    7.166
    """
    return xp.maximum(bicarbonate - acid, 0.0)
