"""What is known of one run's process parameters before it begins: a donor's own priors, told with its batch.

`batch_started.parameters` may hold, for each parameter that the configuration calls unsure,

    process.NAME        its median in this run, in the model's unit; without it the configuration's
    process.NAME.sd     its relative standard deviation before any data, above 0, at most 2; likewise

Nothing else of a process model can be told so: what differs between runs, and is not named unsure, is the design's to
change. The priors are the batch's, so whatever goes through its facts again begins from them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidFieldError, SettingsError
from twins.bioreactor.models.registry import check_parameter
from twins.bioreactor.rows import Batch

if TYPE_CHECKING:
    from twins.bioreactor.process import Process

Floats = NDArray[np.float64]
Parameters = tuple[tuple[str, float], ...]

PREFIX, SPREAD = "process.", ".sd"
LARGEST_SD = 2.0  # as a configuration's `unsure`


def is_prior(name: str) -> bool:
    """Say whether a batch's parameter is of the process model.

    Examples
    --------
    >>> is_prior("process.rg.sd"), is_prior("growth_rate")
    (True, False)
    """
    return name.startswith(PREFIX)


def check_priors(process: Process | None, parameters: Mapping[str, float], where: str) -> None:
    """Hold a batch's priors against the process model.

    Raises
    ------
    InvalidFieldError
        If there is no process model, the parameter is not one of its unsure ones, or the value cannot be.
    """
    for name, value in parameters.items():
        if not is_prior(name):
            continue
        if process is None:
            raise _refused("a process model in the configuration, for a prior", f"{name} and none", where)
        parameter = name.removeprefix(PREFIX).removesuffix(SPREAD)
        unsure = [one.parameter for one in process.filter.design.unsure]
        if parameter not in unsure:
            known = ", ".join(PREFIX + one for one in unsure) or "none is"
            raise _refused(f"the prior of a parameter that is unsure in the configuration ({known})", name, where)
        if name.endswith(SPREAD):
            if not 0.0 < value <= LARGEST_SD:
                raise _refused(f"{name} above 0 and at most {LARGEST_SD:g}, relative", f"{value:g}", where)
        else:
            try:
                check_parameter(process.model, parameter, value)
            except SettingsError as error:
                raise _refused(f"a value that {process.name} allows", str(error), where) from None
            if not value > 0.0:
                raise _refused(f"{name} above 0", f"{value:g}", where)


def begin(process: Process, m: Floats, j: int, parameters: Parameters) -> None:
    """Put a batch's priors into the belief that its run begins with, in place; m of shape (width, n)."""
    told = {name: value for name, value in parameters if is_prior(name)}
    if not told:
        return
    part, one = np.ascontiguousarray(m[:, j : j + 1]), np.array([0])
    joint = process.read(part, one, np.ones(1))  # a column holds no volume
    for (row, place), unsure in zip(process.filter.layout.unsure, process.filter.design.unsure, strict=True):
        name, usual = PREFIX + unsure.parameter, process.model.parameters[place].value
        joint.mean[row] = np.log(told.get(name, usual) / usual)
        joint.covariance[row, row] = np.square(told.get(name + SPREAD, unsure.sd))
    process.write(part, one, joint)
    m[:, j] = part[:, 0]


def prior_sds(process: Process, batches: Sequence[Batch]) -> Floats:
    """Give each unsure parameter's relative standard deviation before any data, shape (parameters, n)."""
    unsure = process.filter.design.unsure
    found: Floats = np.repeat(np.array([[one.sd] for one in unsure]).reshape(len(unsure), 1), len(batches), axis=1)
    for j, batch in enumerate(batches):
        told = dict(batch.parameters) if batch.parameters else {}
        for row, one in enumerate(unsure):
            found[row, j] = told.get(PREFIX + one.parameter + SPREAD, one.sd)
    return found


def _refused(expected: str, received: str, where: str) -> InvalidFieldError:
    return InvalidFieldError(
        expected=expected, received=received, where=f"parameters of {where}",
        advice="the batch did not start; correct it and send it again",
    )  # fmt: skip
