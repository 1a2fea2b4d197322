"""The engine keeps the contract of all engines."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from schemas.jobs import SimulationSpec
from streams.jobs.engines import engines, load_engine
from tests.unit.twins.enrollment.course.worlds import specification
from twins import engine_checks
from twins.engine import Device
from twins.enrollment.course import EnrollmentCourse

EXAMPLE = Path(__file__).resolve().parents[5] / "examples" / "simulate" / "enrollment_design.json"


def test_the_example_is_answered() -> None:
    spec = msgspec.structs.replace(msgspec.json.decode(EXAMPLE.read_bytes(), type=SimulationSpec), draws=400)
    engine = EnrollmentCourse()
    engine.validate(spec)
    summary = engine_checks._to_the_end(engine.prepare(spec, (), Device())).summary
    assert summary["excluded"] == []
    assert len(summary["options"]) == 18
    assert 0.2 < summary["p_on_time"] < 0.6
    assert summary["chosen"] != "do nothing"


def test_it_keeps_the_contract() -> None:
    grows = specification(draws=600, seed=4, set_size=3, budget=60_000.0, standing=[{"action": "do_nothing"}])
    wrong = [
        msgspec.structs.replace(specification(), horizon=24.0),
        msgspec.structs.replace(specification(), parameters={"x": 1.0}),
    ]
    engine_checks.check_all(EnrollmentCourse(), [specification(draws=600), grows], refused=wrong, piece_seconds=0.003)


def test_a_greedy_search_keeps_the_contract_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twins.enrollment.course.choosing.MOST_SETS", 1)
    spec, device = specification(draws=600, set_size=3), Device()
    engine = EnrollmentCourse()
    answer = engine_checks._to_the_end(engine.prepare(spec, (), device))
    assert "grown from the best" in answer.summary["search"]
    engine_checks.check_checkpoints(engine, spec, device, (), 0.003)
    engine_checks.check_pieces(engine, spec, device, (), 0.003)


def test_threads_change_nothing() -> None:
    one, two = (
        engine_checks._to_the_end(EnrollmentCourse().prepare(specification(draws=1100), (), Device(threads=threads)))
        for threads in (1, 3)
    )
    assert one.document == two.document


def test_the_pool_knows_it() -> None:
    entry = engines()["enrollment"]
    engine = load_engine(entry)
    assert (engine.kind, engine.needs, engine.overlap) == (entry.kind, entry.needs, entry.overlap)
