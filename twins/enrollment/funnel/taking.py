"""How long it takes from a subject's first milestone to the one that counts: what a site that opens is silent for."""

from __future__ import annotations

import numpy as np

from twins.enrollment.funnel.posterior import Funnel
from twins.enrollment.funnel.steps import PATH
from twins.enrollment.study import Floats, Study

VALUES = 5  # that stand for the delay
USUAL = 0.5  # assumed: a step that fewer went through than this share of the next is left out by most, and no wait


def lags(study: Study, found: Funnel) -> Floats:
    """Give the delay of those who reach the counting milestone as values of equal weight [d], (k,); 0 without steps.

    The delays of the steps are added as if independent.

    Parameters
    ----------
    study : Study
    found : Funnel
        Of the same study.
    """
    chance, last = np.ones(1), PATH.index(study.milestone)
    for step in found.steps:
        one = step.entrants
        after = getattr(study.subjects, one.ends)
        if PATH.index(one.begins) < last and len(one.of) >= USUAL * np.count_nonzero(~np.isnan(after)):
            chance = np.convolve(chance, step.delays.passes / max(step.delays.share, 1e-12))
    if len(chance) == 1:
        return np.zeros(1)
    by = np.concatenate([[0.0], np.cumsum(chance)])
    return np.asarray(np.interp((np.arange(VALUES) + 0.5) / VALUES, by / by[-1], np.arange(len(by))))
