"""What a question is, whoever asks it: its canonical specification and its hash, by which answers are found again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from schemas.errors import InvalidFieldError
from schemas.jobs import ResimulationRequest, SimulationSpec
from streams.jobs.engines import versions_beside
from streams.ledger.program import PROGRAM

_ENCODE = msgspec.json.Encoder(order="sorted")
_DECODE = msgspec.json.Decoder(SimulationSpec)


def canonical_spec(spec: SimulationSpec) -> bytes:
    """Write a specification as canonical JSON: keys sorted, floats in their shortest form.

    Raises
    ------
    InvalidFieldError
        If it does not read back as it was: a number that is not finite, or something that JSON cannot say.

    Examples
    --------
    >>> canonical_spec(SimulationSpec("md", "m", {"b": 1.0, "a": 0.1}, 7, 1, 2.0))[:60]
    b'{"draws":1,"horizon":2.0,"inputs":{},"kind":"md","model":"m"'
    """
    try:
        body = _ENCODE.encode(spec)
        same = _DECODE.decode(body) == spec
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise _not_plain(str(error)) from None
    if not same:
        raise _not_plain("another after it was written and read back")
    return body


def read_spec(body: bytes) -> SimulationSpec:
    """Read what `canonical_spec` wrote."""
    return _DECODE.decode(body)


def content_hash(
    request: ResimulationRequest, twin_kind: str, twin_key: str, facts: Sequence[str], body: bytes
) -> bytes:
    """Hash a question, SHA-256: who asks and why is left out.

    What the twin's past decides is another question for each twin and each state of its facts. Another version of the
    program, or of a package that the engine computes with, is another question too, as installed beside the dispatcher.

    Parameters
    ----------
    facts : sequence of str
        Up to where facts were known, `topic/partition/offset`; counts only where the past is handed over.
    body : bytes
        The canonical specification.
    """
    past = None if request.past_from is None else [request.past_from, twin_kind, twin_key, list(facts)]
    return hashlib.sha256(_ENCODE.encode([PROGRAM, versions_beside(request.spec.kind), past]) + body).digest()


def facts_of(job_id: str) -> tuple[str, ...]:
    """Give up to where facts were known when a twin asked: the record that its effect id names; none of a person's.

    Examples
    --------
    >>> facts_of("bioreactor.events/3/17/0"), facts_of("what-if-of-tuesday")
    (('bioreactor.events/3/17',), ())
    """
    topic, *place = job_id.rsplit("/", 3)
    return (job_id.rpartition("/")[0],) if topic and len(place) == 3 and all(map(str.isdecimal, place)) else ()


def _not_plain(received: str) -> InvalidFieldError:
    return InvalidFieldError(
        expected="a specification of finite numbers, texts, lists and objects", received=received[:200], where="spec"
    )
