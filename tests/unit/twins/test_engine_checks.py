"""The contract checks of engines: a good engine passes all, each planted defect fails the check that is made for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from schemas.errors import SnapshotError
from schemas.jobs import SimulationSpec
from tests.support.counting_engine import CountingEngine, CountingRun, specification
from twins import engine_checks
from twins.block import Memory
from twins.engine import Answer, Device, Standing

PIECE = 0.0  # one step each, however fast the machine is
SPECS = [specification(60), specification(50, seed=8)]
CPU = Device()


class Planted(CountingEngine):
    """A counting engine whose runs are made by a given class."""

    def __init__(self, make: type[CountingRun]) -> None:
        self._make = make

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> CountingRun:
        self.validate(spec)
        return self._make(spec, b"planted", 0)


class Unseeded(CountingRun):
    def __init__(self, spec: SimulationSpec, name: bytes, past: int) -> None:
        super().__init__(spec, name, past)
        self.mix ^= random.SystemRandom().getrandbits(40)


class MindsPieces(CountingRun):
    def run(self, seconds: float) -> Standing:
        self.mix += 1
        return super().run(seconds)


class ForgetsState(CountingRun):
    def restore(self, body: bytes) -> str:
        how = super().restore(body)
        self.mix = self._begin
        return how


class MindsCheckpoints(CountingRun):
    def checkpoint(self) -> bytes:
        body = super().checkpoint()
        self.mix += 1
        return body


class TakesAnything(CountingRun):
    def restore(self, body: bytes) -> str:
        try:
            return super().restore(body)
        except SnapshotError:
            return "exact"


class LeavesTrace(CountingRun):
    def restore(self, body: bytes) -> str:
        self.mix += len(body)
        return super().restore(body)


class GoesBack(CountingRun):
    def run(self, seconds: float) -> Standing:
        standing = super().run(seconds)
        return Standing(standing.total - standing.done, standing.total) if standing.done < standing.total else standing


class NeverEnds(CountingRun):
    def run(self, seconds: float) -> Standing:
        super().run(seconds)
        return Standing(1.0, 2.0)


class SaysNan(CountingRun):
    def answer(self) -> Answer:
        return Answer({"x": float("nan")}, {})


class SaysTooMuch(CountingRun):
    def answer(self) -> Answer:
        return Answer({"x": "y" * 70_000}, {})


class SaysAnObject(CountingRun):
    def answer(self) -> Answer:
        return Answer({"x": object()}, {})


class TakesAll(CountingEngine):
    def validate(self, spec: SimulationSpec) -> None:
        return


class RaisesAnything(CountingEngine):
    def validate(self, spec: SimulationSpec) -> None:
        if spec.inputs["steps"] > 0:
            super().validate(spec)
        else:
            raise ValueError("expected more")


class NamesNothing(CountingEngine):
    def versions(self) -> dict[str, str]:
        return {}


def run_check(check: Callable[..., None], engine: CountingEngine) -> None:
    more: dict[str, Any] = {}
    if check is engine_checks.check_torn:
        check(engine, SPECS[0], SPECS[1], CPU, seconds=PIECE)
        return
    if check in (engine_checks.check_standing, engine_checks.check_pieces, engine_checks.check_checkpoints):
        more["seconds"] = PIECE
    check(engine, SPECS[0], CPU, **more)


def test_a_good_engine_passes() -> None:
    refused = [specification(0), msgspec.structs.replace(SPECS[0], inputs={})]
    past = (Memory("BR-1", "input", 0, 1, b"abc"),)
    engine_checks.check_all(CountingEngine(), SPECS, CPU, refused=refused, pasts={1: past}, piece_seconds=PIECE)


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (Unseeded, engine_checks.check_same_bytes),
        (MindsPieces, engine_checks.check_pieces),
        (ForgetsState, engine_checks.check_checkpoints),
        (MindsCheckpoints, engine_checks.check_checkpoints),
        (TakesAnything, engine_checks.check_torn),
        (LeavesTrace, engine_checks.check_torn),
        (GoesBack, engine_checks.check_standing),
        (SaysNan, engine_checks.check_answer),
        (SaysTooMuch, engine_checks.check_answer),
        (SaysAnObject, engine_checks.check_answer),
    ],
    ids=lambda one: one.__name__,
)
def test_a_planted_defect_is_found(make: type[CountingRun], check: Callable[..., None]) -> None:
    run_check(check, CountingEngine())
    with pytest.raises(AssertionError):
        run_check(check, Planted(make))
    with pytest.raises(AssertionError):
        engine_checks.check_all(Planted(make), SPECS, piece_seconds=PIECE)


def test_a_run_without_an_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_checks, "MOST_PIECES", 50)
    with pytest.raises(AssertionError, match="no end"):
        engine_checks.check_standing(Planted(NeverEnds), SPECS[0], CPU)


@pytest.mark.parametrize("engine", [TakesAll(), NamesNothing()], ids=lambda one: type(one).__name__)
def test_an_engine_that_refuses_or_names_nothing_is_found(engine: CountingEngine) -> None:
    with pytest.raises(AssertionError):
        engine_checks.check_all(engine, SPECS, refused=[specification(0)], piece_seconds=PIECE)


def test_a_refusal_by_another_error_comes_through() -> None:
    with pytest.raises(ValueError, match="expected more"):
        engine_checks.check_refuses(RaisesAnything(), SPECS[0], [specification(0)])
