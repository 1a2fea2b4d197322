"""The engine of bioreactor ensembles. docs/ensembles.md says what may be asked, and what holds bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata

import numpy as np
import scipy

from schemas.jobs import SimulationSpec
from twins.bioreactor.ensemble.job import EnsembleRun
from twins.bioreactor.ensemble.launch import Launch
from twins.bioreactor.ensemble.question import Question, read_question
from twins.bioreactor.ensemble.stepping import Backend, Stepper, jax_there, make_stepper
from twins.bioreactor.models.model import ProcessModel
from twins.bioreactor.models.registry import MODELS
from twins.bioreactor.simulate import KIND
from twins.block import Memory
from twins.engine import Device, Needs, Overlap, Run

VERSION = 1  # raise it when the same question would give other numbers
CPU = Device()


class BioreactorEnsemble:
    """Posterior draws x scenarios of a vessel.

    Parameters
    ----------
    models : mapping, optional
        The models there are, by name; ours where nothing is said.
    backend : str
        `auto` takes JAX where it is installed and the model is not stiff, numpy otherwise.
    """

    kind: str = KIND
    needs: Needs = "prefers_gpu"
    overlap: Overlap = "supersede"

    def __init__(self, models: Mapping[str, ProcessModel] | None = None, backend: Backend = "auto") -> None:
        self._models = dict(MODELS if models is None else models)
        self._backend: Backend = backend
        self._steppers: dict[tuple[str, int, Device], Stepper] = {}

    def versions(self) -> dict[str, str]:
        """See `twins.engine.Engine`. `arithmetic` names what this machine's elementary functions give, bit for bit."""
        found = {"engine": f"bioreactor@{VERSION}", "numpy": np.__version__, "scipy": scipy.__version__}
        found["arithmetic"] = _arithmetic()
        if self._backend != "numpy" and jax_there():
            found |= {name: metadata.version(name) for name in ("jax", "jaxlib")}
        return found

    def validate(self, spec: SimulationSpec) -> None:
        """See `twins.engine.Engine`."""
        read_question(spec, self._models)

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> Run:
        """See `twins.engine.Engine`. The past is not looked at: a request holds what is believed."""
        question = read_question(spec, self._models)
        stepper = self._stepper(question, device)
        return EnsembleRun(question, stepper, Launch(stepper, device.threads), self.versions())

    def together(self, spec: SimulationSpec) -> str:
        """See `twins.engine.Merges`: one model, one horizon, and steps broken at the same hours."""
        question = read_question(spec, self._models)
        breaks = [question.hours, [[one.end for one in course.stretches] for course in question.courses]]
        shape = hashlib.sha256(repr(breaks).encode()).hexdigest()[:16]
        return f"{question.model.name}@{question.model.version} {spec.horizon!r} {shape}"

    def prepare_together(self, specs: Sequence[SimulationSpec], device: Device) -> Mapping[int, Run]:
        """See `twins.engine.Merges`."""
        questions = [read_question(spec, self._models) for spec in specs]
        launches: dict[int, Launch] = {}
        runs: dict[int, Run] = {}
        for place, question in enumerate(questions):
            stepper = self._stepper(question, device)
            launch = launches.setdefault(id(stepper), Launch(stepper, device.threads))
            runs[place] = EnsembleRun(question, stepper, launch, self.versions())
        return runs

    def _stepper(self, question: Question, device: Device) -> Stepper:
        """Make what steps a model, or take what was made before: a program is compiled once a process."""
        key = (question.model.name, question.model.version, device)
        if key not in self._steppers:
            self._steppers[key] = make_stepper(question.model, device, self._backend)
        return self._steppers[key]


@cache
def _arithmetic() -> str:
    """Hash what numpy's elementary functions give for a few hundred numbers: it differs between types of CPU."""
    y = np.linspace(-30.0, 30.0, 512)
    some = np.abs(y) + 1e-3
    found = [np.exp(y), np.log(some), np.log10(some), np.expm1(y), np.logaddexp(y, 0.0), np.tanh(y), some**0.7]
    return hashlib.sha256(b"".join(one.tobytes() for one in found)).hexdigest()[:12]
