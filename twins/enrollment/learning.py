"""What online learners make of a study, beside the model and never in its place: an advisory forecast now and then."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.instants import format_instant
from twins.enrollment.believing import Beliefs
from twins.enrollment.funnel.advisory import Advice, Predictor, advise
from twins.enrollment.register import Register
from twins.enrollment.saying import date
from twins.scalar import Said

WINDOW_DAYS = 28  # that sites are told for

Data = dict[str, Any]  # Any: JSON


def learned(believed: Beliefs, register: Register) -> Said:
    """Say what is learned of screen failures and of sites, with how good it was on what it had not seen.

    Raises
    ------
    MissingExtraError
        If river is not installed.
    """
    study = believed.reading.study
    found = advise(study)
    data = {
        "as_of": format_instant(register.clock),
        "learned": {
            "failures": _who(believed, found.of_failures) | _failures(found),
            "sites": _who(believed, found.of_sites)
            | {
                "days": WINDOW_DAYS,
                "names": [study.sites.names[place] for place in found.sites.tolist()],
                "brings": found.brings.tolist(),
            },
        },
    }
    return Said("forecast", data, "advisory", register.clock)


def _failures(found: Advice) -> Data:
    return {"in_screening": len(found.fails), "expected": float(np.sum(found.fails))}


def _who(believed: Beliefs, one: Predictor) -> Data:
    plan = believed.reading.plan
    return {
        "model": one.model,
        "library": one.library,
        "first": date(plan, one.first) if np.isfinite(one.first) else None,
        "last": date(plan, one.last) if np.isfinite(one.last) else None,
        "examples": one.examples,
        "gain": one.gain,
        "drifting": one.drifting,
        "drifts": one.drifts,
        "useful": one.useful,
    }
