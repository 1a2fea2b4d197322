"""The contract checks that every engine inherits: call them with your engine and jobs; a failure raises AssertionError.

    from twins import engine_checks
    engine_checks.check_all(MyEngine(), [spec, other], refused=[broken])

Give at least two small specifications that last some pieces of work each: a second or less to the end. Where an answer
is `statistical`, its bits are not compared.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec

from schemas.errors import SettingsError, SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES, Reproducibility, SimulationSpec
from twins.block import Memory
from twins.engine import Answer, Device, Engine, Needs, Overlap, Run, Standing

PIECE_SECONDS = 0.02
MOST_PIECES = 100_000
MOST_PIECE_SECONDS = 2.0  # a wish is to be heard by then
_RESTORED_AT = 4  # as many pieces are tried
_FLIPPED = 12  # as many bits

Pasts = Mapping[int, Sequence[Memory]]  # by place in the list of specifications


def check_all(
    engine: Engine,
    specs: Sequence[SimulationSpec],
    device: Device | None = None,
    *,
    refused: Sequence[SimulationSpec] = (),
    pasts: Pasts | None = None,
    piece_seconds: float = PIECE_SECONDS,
) -> None:
    """Make every check.

    Parameters
    ----------
    specs : sequence of SimulationSpec
        At least two that differ.
    refused : sequence of SimulationSpec
        Such as `validate` is to refuse; an unknown model and an unknown input are tried in any case.
    pasts : mapping or None
        What the ledger keeps of a twin, for those specifications that need it.
    piece_seconds : float
        Length of a piece [s]; a job should last several.
    """
    assert len(specs) >= 2, "give at least two specifications"
    assert specs[0] != specs[1], "give specifications that differ"
    device, pasts = device or Device(), pasts or {}
    check_names(engine)
    check_refuses(engine, specs[0], refused)
    for place, spec in enumerate(specs):
        past = pasts.get(place, ())
        check_standing(engine, spec, device, past, piece_seconds)
        check_answer(engine, spec, device, past)
        check_same_bytes(engine, spec, device, past)
        check_pieces(engine, spec, device, past, piece_seconds)
        check_checkpoints(engine, spec, device, past, piece_seconds)
        other = (place + 1) % len(specs)
        check_torn(engine, spec, specs[other], device, past, pasts.get(other, ()), piece_seconds)


def check_names(engine: Engine) -> None:
    """The engine says what it is, and which versions decide its numbers."""
    assert 0 < len(engine.kind) <= 64, f"kind {engine.kind!r}"
    assert engine.needs in get_args(Needs), f"needs {engine.needs!r}"
    assert engine.overlap in get_args(Overlap), f"overlap {engine.overlap!r}"
    versions = engine.versions()
    assert versions, "no versions are named"
    for name, version in versions.items():
        assert isinstance(name, str), f"version {name!r} is not named by a text"
        assert isinstance(version, str), f"version of {name} is no text: {version!r}"
        assert version, f"version of {name} is empty"
    assert engine.versions() == versions, "versions differ from one call to the next"


def check_refuses(engine: Engine, good: SimulationSpec, refused: Sequence[SimulationSpec] = ()) -> None:
    """`validate` takes what is good and refuses the rest with SettingsError, changing nothing."""
    engine.validate(good)
    hostile = [
        msgspec.structs.replace(good, model="no model has this name"),
        msgspec.structs.replace(good, inputs={**good.inputs, "nobody_knows_this_input": 1}),
    ]
    for spec in (*refused, *hostile):
        refusal = _refusal(engine, spec)
        assert refusal, f"validate took {msgspec.json.encode(spec)[:300]!r}"
        assert "expected" in refusal, f"the refusal does not say what was expected: {refusal}"
    engine.validate(good)


def check_standing(
    engine: Engine, spec: SimulationSpec, device: Device, past: Sequence[Memory] = (), seconds: float = PIECE_SECONDS
) -> None:
    """Work done grows towards the total and ends there; a piece ends soon enough for a wish to be heard."""
    before = 0.0
    began = time.monotonic()
    for standing in _pieces(engine.prepare(spec, past, device), lambda: seconds):
        took, began = time.monotonic() - began, time.monotonic()
        assert math.isfinite(standing.total), f"total {standing.total}"
        assert standing.total > 0, f"total {standing.total}"
        assert before <= standing.done <= standing.total, f"done {standing.done} of {standing.total} after {before}"
        assert all(map(math.isfinite, standing.rates.values())), f"rates {standing.rates}"
        assert took <= max(MOST_PIECE_SECONDS, 4 * seconds), f"a piece of {seconds} s took {took:.2f} s"
        before = standing.done


def check_answer(engine: Engine, spec: SimulationSpec, device: Device, past: Sequence[Memory] = ()) -> None:
    """The answer is JSON with finite numbers, its summary within bounds; asking twice gives it twice."""
    run = engine.prepare(spec, past, device)
    answer = _to_the_end(run)
    assert answer.reproducibility in get_args(Reproducibility), f"reproducibility {answer.reproducibility!r}"
    assert answer.bucket >= 0, f"bucket {answer.bucket}"
    size = len(_json(answer.summary))
    assert size <= MOST_SUMMARY_BYTES, f"a summary of {size} bytes"
    assert _written(run.answer()) == _written(answer), "the answer differs when asked for again"


def check_same_bytes(engine: Engine, spec: SimulationSpec, device: Device, past: Sequence[Memory] = ()) -> None:
    """The same specification gives the same bytes, also after another has run."""
    one = _to_the_end(engine.prepare(spec, past, device))
    engine.prepare(spec, past, device).run(PIECE_SECONDS)
    two = _to_the_end(engine.prepare(spec, past, device))
    _same(one, two, "the same specification gave another answer")


def check_pieces(
    engine: Engine, spec: SimulationSpec, device: Device, past: Sequence[Memory] = (), seconds: float = PIECE_SECONDS
) -> None:
    """Where pieces end does not change a bit."""
    whole = _to_the_end(engine.prepare(spec, past, device))
    rng = random.Random(20260301)  # noqa: S311  lengths of pieces, no secret
    for length in (lambda: 0.0, lambda: seconds, lambda: rng.uniform(0.0, 2 * seconds)):
        cut = _to_the_end(engine.prepare(spec, past, device), length)
        _same(whole, cut, "where pieces end changed the answer")


def check_checkpoints(
    engine: Engine, spec: SimulationSpec, device: Device, past: Sequence[Memory] = (), seconds: float = PIECE_SECONDS
) -> None:
    """Going on from a checkpoint gives the same bits, whichever it is; taking one changes nothing."""
    straight = _to_the_end(engine.prepare(spec, past, device))
    run = engine.prepare(spec, past, device)
    bodies = [run.checkpoint()]
    for _ in _pieces(run, lambda: seconds):
        bodies.append(run.checkpoint())
    _same(straight, run.answer(), "taking checkpoints changed the answer")
    for place in sorted({round(n * (len(bodies) - 1) / _RESTORED_AT) for n in range(_RESTORED_AT + 1)}):
        again = engine.prepare(spec, past, device)
        how = again.restore(bodies[place])
        assert how in ("exact", "portable"), f"restore says {how!r}"
        answer = _to_the_end(again)
        if how == "exact":
            _same(straight, answer, f"going on after piece {place} of {len(bodies) - 1} changed the answer")


def check_torn(
    engine: Engine,
    spec: SimulationSpec,
    other: SimulationSpec,
    device: Device,
    past: Sequence[Memory] = (),
    other_past: Sequence[Memory] = (),
    seconds: float = PIECE_SECONDS,
) -> None:
    """A torn, flipped or foreign checkpoint raises SnapshotError, and the run then works from its start."""
    straight = _to_the_end(engine.prepare(spec, past, device))
    source = engine.prepare(spec, past, device)
    source.run(seconds)
    foreign = engine.prepare(other, other_past, device)
    foreign.run(seconds)
    run = engine.prepare(spec, past, device)
    for what, body in _spoiled(source.checkpoint(), foreign.checkpoint()):
        try:
            run.restore(body)
        except SnapshotError:
            continue
        raise AssertionError(f"restore took a checkpoint that is {what}")
    _same(straight, _to_the_end(run), "a checkpoint that was refused left a trace")


def _refusal(engine: Engine, spec: SimulationSpec) -> str:
    try:
        engine.validate(spec)
    except SettingsError as error:
        return str(error) or "nothing"
    return ""


def _spoiled(body: bytes, foreign: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "cut in half", body[: len(body) // 2]
    yield "cut by its last byte", body[:-1]
    yield "one byte too long", body + b"\0"
    yield "of another job", foreign
    rng = random.Random(20260302)  # noqa: S311  places of bits, no secret
    yield "random", rng.randbytes(len(body))
    for bit in sorted({0, 8 * len(body) - 1, *(rng.randrange(8 * len(body)) for _ in range(_FLIPPED))}):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"flipped at bit {bit}", bytes(flipped)


def _pieces(run: Run, seconds: Callable[[], float]) -> Iterator[Standing]:
    for _ in range(MOST_PIECES):
        standing = run.run(seconds())
        yield standing
        if standing.done >= standing.total:
            return
    raise AssertionError(f"no end after {MOST_PIECES} pieces")


def _to_the_end(run: Run, seconds: Callable[[], float] = lambda: 1.0) -> Answer:
    for _ in _pieces(run, seconds):
        pass
    return run.answer()


def _same(one: Answer, two: Answer, complaint: str) -> None:
    assert one.reproducibility == two.reproducibility, "the answers are not of one reproducibility"
    if one.reproducibility == "exact":
        assert _written(one) == _written(two), complaint
    else:
        assert set(one.summary) == set(two.summary), "the summaries do not say the same things"


def _written(answer: Answer) -> tuple[bytes, bytes, int]:
    return _json(answer.summary), _json(answer.document), answer.bucket


def _json(value: dict[str, Any]) -> bytes:  # Any: JSON, checked here
    try:
        return json.dumps(msgspec.to_builtins(value), allow_nan=False, sort_keys=True).encode()
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the answer is no JSON with finite numbers: {error}") from error
