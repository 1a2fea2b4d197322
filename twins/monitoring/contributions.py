"""Which tag a T2 or an SPE comes from.

SPE: the squared residual of each tag. T2: the standard (partial) decomposition, the part of T2 that a tag's own
deviation brings in; it may be negative where a tag pulls the other way. Both sum to the statistic.

Source
------
Miller, Swanson and Heckler 1998, Appl. Math. Comput. Sci. 8:775; Kourti and MacGregor 1996, J. Quality Technology
28:409; the names of the decompositions are those of Alcala and Qin 2011, J. Process Control 21:322.

Notes
-----
A large contribution says where to look first, not what the cause is: a residual of one faulty tag is smeared over all
tags that correlate with it (Westerhuis, Gurden and Smilde 2000, Chemom. Intell. Lab. Syst. 51:95).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twins.monitoring.pca import Floats


def spe_contributions(residual: Floats) -> Floats:
    """Give each tag's part of SPE: its residual squared. Shapes (n, p)."""
    return residual * residual


def t2_contributions(z: Floats, operator: Floats, weighted: Floats) -> Floats:
    """Give each tag's part of T2.

    Parameters
    ----------
    z : array, shape (n, p)
        Autoscaled observations, 0 where missing.
    operator : array, shape (a, p)
        What made the scores of them, t = W z.
    weighted : array, shape (n, a)
        Scores over their variances, t / lambda.

    Returns
    -------
    array, shape (n, p)
        z_j sum_r W_rj t_r / lambda_r. Written without a product across n: a row is the same with any neighbours.
    """
    parts = np.zeros_like(z)
    for component in range(len(operator)):
        parts += weighted[:, component, None] * operator[component]
    return z * parts


def t2_contributions_so_far(trimmed: Floats, weights: Floats) -> Floats:
    """Give each tag's part of the T2 of an unfinished run.

    Parameters
    ----------
    trimmed : array, shape (n, j, a)
        Trimmed scores so far, kept apart by tag; the estimate is t = B sum_j of them.
    weights : array, shape (n, a)
        B' (t / lambda).

    Returns
    -------
    array, shape (n, j)
    """
    parts = np.zeros(trimmed.shape[:2])
    for component in range(trimmed.shape[2]):
        parts += weights[:, component, None] * trimmed[:, :, component]
    return parts


def largest(parts: Floats, tags: Sequence[str], top: int) -> dict[str, float]:
    """Name the tags with the largest parts of one observation, largest first; ties in the order of the tags.

    Examples
    --------
    >>> largest(np.array([0.5, 9.0, -1.0]), ["ph", "temperature", "airflow"], 2)
    {'temperature': 9.0, 'ph': 0.5}
    """
    order = np.argsort(-parts, kind="stable")[:top]
    return {tags[place]: float(parts[place]) for place in order}
