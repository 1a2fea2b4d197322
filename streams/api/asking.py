"""What a person tells the pool: a question of their own, an end to a job, an answer they take over."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from schemas.effects import Effect, write_effect
from schemas.errors import InvalidFieldError
from schemas.fields import Name, Reason
from schemas.ids import check_id
from schemas.instants import MINUTE, Instant, format_instant, instant_of, parse_instant
from schemas.jobs import Priority, ResimulationRequest, SimulationSpec
from schemas.topics import OUTPUTS
from streams.api.problems import ProblemError
from streams.api.services import Services, now
from streams.jobs import reads
from streams.jobs.cancelling import note_wish
from streams.jobs.engines import engines
from streams.ledger.reads import Connection, input_topic_of
from streams.ledger.reads_twins import find_twin, present_batch

Shape = TypeVar("Shape", bound=Struct)
BEHIND = 10 * MINUTE  # of a record that follows the wall's clock; assumed: forecasts are minutes apart
_KEY = re.compile(r"[A-Za-z0-9_.:-]{8,64}")


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's question. `deadline` and `past_from` are RFC 3339 text."""

    twin_kind: Annotated[str, Meta(min_length=1, max_length=64)]
    twin_key: Name
    spec: SimulationSpec
    reason: Reason
    asked_by: Name
    priority: Priority = "what_if"
    deadline: str | None = None
    tenant: Annotated[str, Meta(min_length=1, max_length=64)] = "site"
    past_from: str | None = None


class Ended(Struct, frozen=True, forbid_unknown_fields=True):
    """Who ends a job, and why."""

    by: Name
    reason: Reason


# Any: a row of the ledger.
def present_of(twin: dict[str, Any] | None, at: Instant) -> Instant:
    """Give a twin's present: now, or the newest event time of one whose record ends more than BEHIND before, or later.

    What a person says of a recorded or simulated run counts within it, and does not move it on by months.
    """
    newest = at if twin is None or twin["event_time"] is None else instant_of(twin["event_time"])
    return at if 0 <= at - newest <= BEHIND else newest


def read_shape(body: bytes, shape: type[Shape]) -> Shape:
    """Read a body of JSON as one shape.

    Raises
    ------
    ProblemError
        422, with what was expected and where.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(422, f"expected a JSON object of the shape in /api/v1/openapi.json: {error}") from None


async def ask(services: Services, wish: Wish, key: str | None, owner: str) -> str:
    """Append a wish to the log; give the job's id. The same key with the same question is the same job.

    A question about a run that does not name its batch is about the run that goes on, and is made to say so: a twin
    refuses an answer that names none.

    Raises
    ------
    ProblemError
        If the twin or the engine is not known, the key is none, or was given to another question; or where no run goes
        on that the question could be about.
    """
    services.pace.check(owner)
    request = _request_of(wish)
    job = _id_of(key)
    async with services.reads.connection() as connection:
        twin = await find_twin(connection, wish.twin_kind, wish.twin_key) if input_topic_of(wish.twin_kind) else None
        if input_topic_of(wish.twin_kind) and twin is None:
            raise ProblemError(404, f"expected a twin that was heard of, received {wish.twin_key!r:.140}")
        before = await reads.read_job(connection, job) if key is not None else None
        run = await _run_of(connection, wish, twin) if before is None else {}
    if before is not None:
        if not _same(msgspec.convert(before["spec"], SimulationSpec), wish.spec):
            raise ProblemError(409, f"expected a new Idempotency-Key for a new question, {key!r} has job {job}")
        return job
    spec = msgspec.structs.replace(wish.spec, inputs=wish.spec.inputs | run)
    request = msgspec.structs.replace(request, spec=spec)
    if wish.priority == "patient_safety":
        await asyncio.to_thread(note_wish, services.config.database, job, wish.asked_by, wish.reason, owner)
    at = now()
    times = format_instant(present_of(twin, at)), format_instant(at)
    effect = Effect(
        job, "request", "advisory", wish.twin_kind, wish.twin_key, *times, wish.asked_by, msgspec.to_builtins(request)
    )
    await services.writer.append(OUTPUTS["request"], [(wish.twin_key.encode(), write_effect(effect), [], None)])
    return job


# Any: a row of the ledger, and what an engine's `inputs` may hold.
async def _run_of(connection: Connection, wish: Wish, twin: dict[str, Any] | None) -> dict[str, Any]:
    """Give `batch` where the question is about a run, and does not name one."""
    if twin is None or wish.twin_kind != "bioreactor" or not engines()[wish.spec.kind].names_run:
        return {}
    if wish.spec.inputs.get("batch") is not None:
        return {}
    batch = await present_batch(connection, twin["no"])
    if batch is None:
        raise ProblemError(
            409,
            f"expected a run that goes on in {wish.twin_key!r:.140}, there is none; name the batch that is meant in"
            " spec.inputs.batch",
        )
    return {"batch": batch}


def _same(before: SimulationSpec, asked: SimulationSpec) -> bool:
    """Tell whether a question is the one that was asked before, which may have been made to name its batch."""
    if asked.inputs.get("batch") is None:
        return _without_batch(before) == _without_batch(asked)
    return before == asked


def _without_batch(spec: SimulationSpec) -> SimulationSpec:
    return msgspec.structs.replace(spec, inputs={name: one for name, one in spec.inputs.items() if name != "batch"})


async def end(services: Services, job: str, ended: Ended, owner: str) -> None:
    """End a job.

    Raises
    ------
    ProblemError
        404 where there is none, 409 where it has ended.
    """
    services.pace.check(owner)
    if await asyncio.to_thread(services.cancel, job, ended.by, ended.reason):
        return
    async with services.reads.connection() as connection:
        found = await reads.read_job(connection, job)
    if found is None:
        raise ProblemError(404, f"expected the id of a job, received {job!r:.140}; /api/v1/jobs lists them")
    raise ProblemError(409, f"expected a job that waits or runs, {job} is {found['state']}")


def _request_of(wish: Wish) -> ResimulationRequest:
    known = engines()
    if wish.spec.kind not in known:
        raise ProblemError(
            422, f"expected an engine of {', '.join(sorted(known))}, received {wish.spec.kind!r:.80}, in spec.kind"
        )
    times = {}
    for name in ("deadline", "past_from"):
        text = getattr(wish, name)
        times[name] = None if text is None else format_instant(parse_instant(text, name))
    if check_id(wish.tenant, "tenant") == "*":
        raise ProblemError(422, "expected a tenant's name, received '*', in tenant; leave it out for the site")
    return ResimulationRequest(
        wish.spec, wish.reason, wish.priority, times["deadline"], "", wish.tenant, times["past_from"]
    )


def _id_of(key: str | None) -> str:
    if key is None:
        return f"api/{uuid.uuid4().hex}"
    if _KEY.fullmatch(key) is None:
        raise InvalidFieldError(
            expected="8 to 64 letters, digits or . _ : -", received=repr(key)[:80], where="Idempotency-Key"
        )
    return f"api/{key}"
